//go:build !unix

package guard

import "os/exec"

func ownSession(*exec.Cmd) {}
