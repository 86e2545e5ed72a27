//go:build unix

package fleet

import "syscall"

// hang has the server stand still: its connections stay, and nothing comes.
func (s *process) hang() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// goOn ends that.
func (s *process) goOn() error { return s.cmd.Process.Signal(syscall.SIGCONT) }
