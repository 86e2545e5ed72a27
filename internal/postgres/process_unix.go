//go:build unix

package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// account is who the server runs as. PostgreSQL refuses to run as root.
type account struct {
	credential *syscall.Credential // nil: as ourselves
}

// unprivileged picks an account: ourselves, or as root another one.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return &account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return nil, fmt.Errorf(
		"postgres: root may not run PostgreSQL, and there is no account named postgres or nobody to run it as; "+
			"set %s instead", EnvDSN)
}

// isOther reports whether it is not our own.
func (a *account) isOther() bool { return a.credential != nil }

// own gives dir and what is in it to the account.
func (a *account) own(dir string) error {
	if !a.isOther() {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
	})
}

// run makes cmd run as the account, in a session of its own: Ctrl-C in the
// terminal must reach the test, not the server that the test is still using.
func (a *account) run(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: a.credential}
}

// process is a postmaster.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has been waited for
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // How it ended is in its log.
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks for a fast shutdown (clients are disconnected), then insists.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGINT) // Fails only if it has exited.
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("postgres: no shutdown within %v, killed", stopTimeout)
	}
}

// crash ends the postmaster and its backends at once, without a checkpoint.
func (p *process) crash() error {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("postgres: no immediate shutdown within %v, killed", stopTimeout)
	}
}

// kill ends the postmaster. Its backends notice and end themselves.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // Fails only if it has exited.
	<-p.exited
}
