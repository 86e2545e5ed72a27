//go:build unix

package guard

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// script reads what it must clean up from a pipe, which closes when the process at its other
// end is gone. It is that of internal/postgres, for servers that end by SIGTERM.
const script = `
pid=
while read -r word value; do
	case $word in
	pid) pid=$value ;;
	dismissed) exit 0 ;;
	esac
done
if [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; then
	tries=100
	while kill -0 "$pid" 2>/dev/null && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
	kill -KILL "$pid" 2>/dev/null
fi
[ -z "$1" ] || rm -rf -- "$1"
`

// watcher is a shell that outlives us.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
	once sync.Once
}

func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func watch(dir string) (*watcher, error) {
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	ownSession(cmd)
	cmd.Dir = "/"
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return &watcher{cmd: cmd, pipe: pipe}, nil
}

// pid names the process to end. A write fails only if the shell is gone: then there is nobody
// to tell.
func (w *watcher) pid(pid int) { fmt.Fprintf(w.pipe, "pid %d\n", pid) }

// dismiss ends the shell: there is nothing left to clean up.
func (w *watcher) dismiss() {
	w.once.Do(func() {
		fmt.Fprintln(w.pipe, "dismissed")
		_ = w.pipe.Close() // Fails only if the shell is gone.
		_ = w.cmd.Wait()
	})
}
