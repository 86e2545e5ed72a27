//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup makes stopping a command stop what it has started as well: go test would leave
// the test's binary running.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
