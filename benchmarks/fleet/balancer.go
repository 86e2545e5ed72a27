package fleet

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var haproxy = program{"haproxy", "haproxy"}

// slots is how many servers the balancer has room for: those of the fleet, and those that come
// while others leave.
const slots = 16

// balancerConfig has each instance asked for /readyz five times a second. What fails before a
// byte was sent goes to another instance, and so does a GET that was not answered: it changes
// nothing. A POST is sent once. Responses say which slot they are from.
const balancerConfig = `global
	maxconn 4096
	stats socket %[1]s mode 600 level admin
defaults
	mode http
	timeout connect 1s
	timeout client 30s
	timeout server 30s
	timeout http-keep-alive 5m
	retries %[4]d
	option redispatch 1
frontend api
	bind %[2]s
	default_backend blog
backend blog
	balance leastconn
	option httpchk GET /readyz
	http-response set-header %[5]s %%s
	http-request disable-l7-retry unless METH_GET
	retry-on %[6]s
	server-template s 1-%[3]d 127.0.0.1:1 check inter 200ms fall 2 rise 1 disabled
`

// balancer is a HAProxy, whose servers are set while it runs.
type balancer struct {
	*process
	address string // where it listens
	socket  string // of its commands
}

// serverHeader is the header of responses that has the name of the slot.
const serverHeader = "Served-By"

// slotOf returns the number of a slot's name, 0 if it is none.
func slotOf(name string) int {
	number, isServer := strings.CutPrefix(name, "s")
	n, err := strconv.Atoi(number)
	if !isServer || err != nil || n < 1 || n > slots {
		return 0
	}
	return n
}

func startBalancer(ctx context.Context, dir string, retries bool) (*balancer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	b := &balancer{address: address, socket: filepath.Join(dir, "haproxy.sock")}
	config := filepath.Join(dir, "haproxy.cfg")
	times, on := 3, "conn-failure empty-response response-timeout 503"
	if !retries {
		times, on = 0, "none"
	}
	text := fmt.Appendf(nil, balancerConfig, b.socket, address, slots, times, serverHeader, on)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if b.process, err = startProcess(ctx, haproxy, address, "-db", "-f", config); err != nil {
		return nil, err
	}
	return b, nil
}

// command sends one command to HAProxy and returns the answer.
func (b *balancer) command(text string) (string, error) {
	conn, err := net.DialTimeout("unix", b.socket, time.Second)
	if err != nil {
		return "", fmt.Errorf("fleet: haproxy: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(stopTimeout)); err != nil {
		return "", fmt.Errorf("fleet: haproxy: %w", err)
	}
	if _, err := fmt.Fprintln(conn, text); err != nil {
		return "", fmt.Errorf("fleet: haproxy: %w", err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("fleet: haproxy: %s: %w", text, err)
	}
	return string(answer), nil
}

// add sends requests to a ready server, in slot n.
func (b *balancer) add(n int, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	name := "blog/s" + strconv.Itoa(n)
	answer, err := b.command(fmt.Sprintf("set server %s addr %s port %s", name, host, port))
	if err != nil {
		return err
	}
	// It has no answer for what it does.
	if _, err := b.command("set server " + name + " state ready"); err != nil {
		return err
	}
	status, err := b.status()
	if err == nil && !strings.HasPrefix(status[n].state, "UP") && status[n].state != "no check" {
		err = fmt.Errorf("fleet: haproxy does not take %s: it is %s: %s", address, status[n].state, answer)
	}
	return err
}

// remove frees slot n.
func (b *balancer) remove(n int) error {
	_, err := b.command("set server blog/s" + strconv.Itoa(n) + " state maint")
	return err
}

// slotStatus is what the balancer thinks of a slot.
type slotStatus struct {
	state   string // as "UP", "DOWN", "MAINT"
	retried int    // requests that were sent again, here or elsewhere
}

// status returns that of each slot, from 1 on.
func (b *balancer) status() (list [slots + 1]slotStatus, err error) {
	text, err := b.command("show stat")
	if err != nil {
		return list, err
	}
	rows := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "# ")))
	rows.FieldsPerRecord = -1
	table, err := rows.ReadAll()
	if err != nil || len(table) == 0 {
		return list, errors.Join(fmt.Errorf("fleet: haproxy's statistics: %.200s", text), err)
	}
	column := map[string]int{}
	for i, name := range table[0] {
		column[name] = i
	}
	for _, row := range table[1:] {
		n := slotOf(row[column["svname"]])
		if row[column["pxname"]] != "blog" || n == 0 {
			continue
		}
		list[n].state = row[column["status"]]
		for _, name := range []string{"wretr", "wredis"} {
			count, _ := strconv.Atoi(row[column[name]]) // 0 where it is empty.
			list[n].retried += count
		}
	}
	return list, nil
}
