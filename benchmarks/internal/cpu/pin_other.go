//go:build !linux

package cpu

import "errors"

var errPin = errors.New("cpu: processes are pinned to cores on Linux only")

// Allowed is known on Linux only.
func Allowed(int) ([]int, error) { return nil, errPin }

// Pin works on Linux only.
func Pin(int, []int) error { return errPin }
