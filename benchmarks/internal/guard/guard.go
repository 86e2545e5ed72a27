// Package guard cleans up after a command that was killed: servers that it had started would
// go on forever, and its folders stay.
package guard

import "os/exec"

// Start starts a process that gets no signals of our terminal: Ctrl-C reaches us, and we stop
// it when we are done. If this process goes without that, however it went, the other one is
// asked to end, and killed if it does not. The caller calls release when it has ended.
func Start(cmd *exec.Cmd) (release func(), err error) {
	ownSession(cmd)
	w, err := watch("")
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		w.dismiss()
		return nil, err
	}
	w.pid(cmd.Process.Pid)
	return w.dismiss, nil
}

// Folder removes a folder if this process goes without calling release.
func Folder(dir string) (release func(), err error) {
	w, err := watch(dir)
	if err != nil {
		return nil, err
	}
	return w.dismiss, nil
}
