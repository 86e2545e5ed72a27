//go:build !unix

package postgres

import (
	"errors"
	"os/exec"
)

// A private server needs unix sessions, signals and a shell for the watchdog.
var errNotUnix = errors.New("postgres: a private server needs a unix system; set " + EnvDSN +
	" to the DSN of an existing server")

type account struct{}

func unprivileged() (*account, error) { return nil, errNotUnix }
func (*account) isOther() bool        { return false }
func (*account) own(string) error     { return errNotUnix }
func (*account) run(*exec.Cmd)        {}

type process struct{ exited chan struct{} }

func startProcess(*exec.Cmd) (*process, error) { return nil, errNotUnix }
func (*process) pid() int                      { return 0 }
func (*process) stop() error                   { return errNotUnix }
func (*process) crash() error                  { return errNotUnix }
func (*process) kill()                         {}
