//go:build unix

package load

import "syscall"

// OwnSession keeps the signals of our terminal from a process.
func OwnSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
