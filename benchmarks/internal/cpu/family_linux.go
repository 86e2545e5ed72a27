package cpu

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/PID/stat: Linux tells user space 1/100 s whatever it counts in.
const tick = 10 * time.Millisecond

// FamilyTime returns the CPU time that this process, what it has started and what that has
// started has used so far, also of what has ended.
func FamilyTime() (used time.Duration) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	times, children := map[int]time.Duration{}, map[int][]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // It has just ended.
		}
		if pid, parent, t, ok := parseStat(string(text)); ok {
			times[pid] = t
			children[parent] = append(children[parent], pid)
		}
	}
	for queue := []int{os.Getpid()}; len(queue) > 0; queue = queue[1:] {
		used += times[queue[0]]
		queue = append(queue, children[queue[0]]...)
	}
	return used
}

// parseStat returns a process, its parent, and its time with that of children that it has waited
// for. The second field is the program's name in parentheses, which may have any character.
func parseStat(text string) (pid, parent int, used time.Duration, ok bool) {
	name := strings.LastIndexByte(text, ')')
	if name < 0 {
		return 0, 0, 0, false
	}
	number, _, _ := strings.Cut(text, " ")
	fields := strings.Fields(text[name+1:]) // from the third on
	if len(fields) < 15 {
		return 0, 0, 0, false
	}
	pid, err1 := strconv.Atoi(number)
	parent, err2 := strconv.Atoi(fields[1])
	for _, field := range fields[11:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, 0, false
		}
		used += time.Duration(n) * tick
	}
	return pid, parent, used, err1 == nil && err2 == nil
}
