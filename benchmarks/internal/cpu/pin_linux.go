package cpu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Allowed returns the cores that a process may use, 0 for this one.
func Allowed(pid int) ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	var cores []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// Pin lets all threads of a process run on the given cores only. What they start later runs
// there as well; a process that is gone is pinned.
func Pin(pid int, cores []int) error {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	// A thread that is not pinned yet may start another one that was not listed.
	pinned := map[int]bool{}
	for {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cpu: %w", err)
		}
		done := true
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil || pinned[id] {
				continue
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("cpu: pinning thread %d of process %d: %w", id, pid, err)
			}
			pinned[id], done = true, false
		}
		if done {
			return nil
		}
	}
}
