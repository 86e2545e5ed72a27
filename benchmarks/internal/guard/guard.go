// Package guard cleans up after a command that was killed: servers that it had started would
// go on forever, and its folders stay.
package guard

import (
	"os/exec"

	"github.com/gqlboost/gqlboost/internal/watchdog"
)

// Start starts a process that gets no signals of our terminal: Ctrl-C reaches us, and we stop
// it when we are done. If this process goes without that, however it went, the other one is
// asked to end, and killed if it does not. The caller calls release when it has ended.
func Start(cmd *exec.Cmd) (release func(), err error) {
	ownSession(cmd)
	w, err := watchdog.Start("", "TERM")
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		dismiss(w)()
		return nil, err
	}
	w.PID(cmd.Process.Pid)
	return dismiss(w), nil
}

// Folder removes a folder if this process goes without calling release.
func Folder(dir string) (release func(), err error) {
	w, err := watchdog.Start(dir, "TERM")
	if err != nil {
		return nil, err
	}
	return dismiss(w), nil
}

// dismiss returns a function that ends a watchdog. It fails only if that is gone.
func dismiss(w *watchdog.Watchdog) func() { return func() { _ = w.Dismiss() } }
