//go:build unix

package postgres

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// watchdogScript reads what it must clean up from a pipe. The pipe closes when
// the process at its other end is gone, however it went: then the script does
// what Stop would have done. It waits at most 10 s for a shutdown.
const watchdogScript = `
pid=
while read -r word value; do
	case $word in
	pid) pid=$value ;;
	dismissed) exit 0 ;;
	esac
done
if [ -n "$pid" ] && kill -INT "$pid" 2>/dev/null; then
	tries=100
	while kill -0 "$pid" 2>/dev/null && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
	kill -KILL "$pid" 2>/dev/null
fi
rm -rf -- "$1"
`

// watchdog is a shell that cleans up after us if we cannot.
type watchdog struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// watch starts a watchdog over a server's folder.
func watch(dir string) (*watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C must not end it.
	cmd.Dir = "/"
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("postgres: watchdog: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("postgres: watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, pipe: pipe}, nil
}

// pid names the process to end. A failed write means that the watchdog is gone,
// and then there is nobody to tell.
func (w *watchdog) pid(pid int) { fmt.Fprintf(w.pipe, "pid %d\n", pid) }

// dismiss ends the watchdog: there is nothing left to clean up.
func (w *watchdog) dismiss() error {
	fmt.Fprintln(w.pipe, "dismissed")
	_ = w.pipe.Close()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("postgres: watchdog: %w", err)
	}
	return nil
}
