//go:build unix

package watchdog

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// script reads what it must clean up from a pipe. The pipe closes when the process at its other
// end is gone, however it went. It waits at most 10 s for a server to end.
const script = `
pid=
while read -r word value; do
	case $word in
	pid) pid=$value ;;
	dismissed) exit 0 ;;
	esac
done
if [ -n "$pid" ] && kill -"$2" "$pid" 2>/dev/null; then
	tries=100
	while kill -0 "$pid" 2>/dev/null && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
	kill -KILL "$pid" 2>/dev/null
fi
[ -z "$1" ] || rm -rf -- "$1"
`

// Watchdog is the shell.
type Watchdog struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
	once sync.Once
	err  error // of Dismiss
}

// Start starts a watchdog over a folder, "" for none. Signal is the name of the one by which the
// server is asked to end (INT, TERM).
func Start(dir, signal string) (*Watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, signal)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C must not end it.
	cmd.Dir = "/"
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	return &Watchdog{cmd: cmd, pipe: pipe}, nil
}

// PID names the process to end. A write fails only if the watchdog is gone, and then there is
// nobody to tell.
func (w *Watchdog) PID(pid int) { fmt.Fprintf(w.pipe, "pid %d\n", pid) }

// Dismiss ends the watchdog: there is nothing left to clean up. Later calls do nothing.
func (w *Watchdog) Dismiss() error {
	w.once.Do(func() {
		fmt.Fprintln(w.pipe, "dismissed")
		_ = w.pipe.Close()
		if err := w.cmd.Wait(); err != nil {
			w.err = fmt.Errorf("watchdog: %w", err)
		}
	})
	return w.err
}
