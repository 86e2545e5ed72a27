//go:build unix

package pgbouncer

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/loopback"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/internal/watchdog"
)

// keep runs the program $0 with the file $1, again whenever it has ended.
const keep = `while ! "$0" -q "$1"; do echo "pgbouncer has ended and is started again" >&2; sleep 0.01; done`

// Start starts a PgBouncer in transaction mode before the server that dsn, a URL, connects
// to, and returns the URL that connects to it. settings are lines of its section [pgbouncer],
// as pool_mode. It ends with the test, and is started again if it ends before, as an
// operator's service manager does: versions before 1.20 exit now and then when a query is
// canceled (PgBouncer's issues 801, 822 and 847).
func Start(t testing.TB, dsn string, settings map[string]string) string {
	t.Helper()
	binary := find(t)
	target, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "gqlboost-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	guard, err := watchdog.Start(dir, "KILL")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Dismiss() })
	address := loopback.FreeAddress(t)
	cmd := exec.Command("/bin/sh", "-c", keep, binary, configure(t, dir, target, address, settings))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 { // It refuses to run as root.
		cmd.SysProcAttr.Credential = nobody(t)
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard.PID(-cmd.Process.Pid) // the group: the shell, and what it has started
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	wait.Until(t, "pgbouncer listens", func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	target.Host = address
	target.RawQuery = "sslmode=disable"
	return target.String()
}

// find returns the program's path, or ends the test.
func find(t testing.TB) string {
	t.Helper()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		binary = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(binary); err != nil {
		const message = "pgbouncer is not installed (Debian: pgbouncer)"
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return binary
}

// configure writes the configuration and returns its path.
func configure(t testing.TB, dir string, target *url.URL, address string, settings map[string]string) string {
	t.Helper()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := target.User.Password()
	all := map[string]string{
		"listen_addr":        host,
		"listen_port":        port,
		"unix_socket_dir":    "",
		"auth_type":          "trust",
		"auth_file":          write("users", fmt.Sprintf("%q %q\n", target.User.Username(), password)),
		"pool_mode":          "transaction",
		"default_pool_size":  "8",
		"server_reset_query": "",
	}
	maps.Copy(all, settings)
	var b strings.Builder
	fmt.Fprintf(&b, "[databases]\n* = host=%s port=%s\n[pgbouncer]\n", target.Hostname(), target.Port())
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s = %s\n", name, all[name])
	}
	return write("pgbouncer.ini", b.String())
}

func nobody(t testing.TB) *syscall.Credential {
	t.Helper()
	account, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
