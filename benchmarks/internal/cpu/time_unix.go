//go:build unix

// Package cpu measures processor time, which other processes on the machine do not add to.
package cpu

import (
	"syscall"
	"time"
)

// Time returns the processor time of this process.
func Time() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
