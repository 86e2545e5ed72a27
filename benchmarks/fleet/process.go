package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/guard"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
	lookEvery    = 20 * time.Millisecond
)

// program is one that the distribution has.
type program struct{ name, debian string }

// find returns the program's path. Services lie in sbin, which is not everybody's path.
func (p program) find() (string, error) {
	if path, err := exec.LookPath(p.name); err == nil {
		return path, nil
	}
	path := filepath.Join("/usr/sbin", p.name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("fleet: %s is not installed (Debian: %s)", p.name, p.debian)
	}
	return path, nil
}

// process is a server that is started for the fleet.
type process struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
	output *output
}

// startProcess starts a server and returns when it listens on an address.
func startProcess(ctx context.Context, p program, address string, args ...string) (*process, error) {
	path, err := p.find()
	if err != nil {
		return nil, err
	}
	s := &process{name: p.name, cmd: exec.Command(path, args...), exited: make(chan struct{}), output: new(output)}
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	release, err := guard.Start(s.cmd)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // Why it has ended is in its output.
		release()
		close(s.exited)
	}()
	if err := until(ctx, startTimeout, s.exited, func() bool { return listens(address) }); err != nil {
		return nil, errors.Join(fmt.Errorf("fleet: %s does not start: %w\n%s", p.name, err, s.output), s.stop())
	}
	return s, nil
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// stop ends the server, in an orderly way if it can.
func (s *process) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // Fails only if it has exited.
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopTimeout):
		s.kill()
		return fmt.Errorf("fleet: %s did not end within %v, killed", s.name, stopTimeout)
	}
}

// kill ends the server as a crash does.
func (s *process) kill() {
	_ = s.cmd.Process.Kill() // Fails only if it has exited.
	<-s.exited
}

// until waits until something holds, for as long as it may take, unless what it depends on ends.
func until(ctx context.Context, longest time.Duration, ended <-chan struct{}, holds func() bool) error {
	deadline := time.After(longest)
	for !holds() {
		select {
		case <-time.After(lookEvery):
		case <-deadline:
			return fmt.Errorf("it takes longer than %v", longest)
		case <-ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// freeAddress returns a loopback address with a port that is free now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// maxOutput is how much of a process's output is kept.
const maxOutput = 64 << 10

// output keeps the last of what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() > maxOutput {
		o.text.Next(o.text.Len() / 2)
	}
	return o.text.Write(p)
}

// String returns what was kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
