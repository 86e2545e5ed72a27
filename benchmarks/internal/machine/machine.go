// Package machine says what else a machine did during a measurement: a figure of a busy
// machine is a figure of the others on it as well.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Conditions are those of one measurement. Shares are of the CPU time of all cores. It is nil
// where they cannot be had: they are read from Linux's /proc.
type Conditions struct {
	Steal  float64 `json:"stealShare"`     // what the hypervisor gave to other machines
	Others float64 `json:"othersCpuShare"` // what processes used that were not measured
	// OthersUnknown reports that what they used was not recorded; Others is 0 then.
	OthersUnknown bool    `json:"othersUnknown,omitempty"`
	Load          float64 `json:"loadBefore"` // the load average of the minute before
	// Waiting is the share of the time in which some process, a measured one included, waited
	// for a CPU. 0 where the kernel does not tell (it needs pressure stall information).
	Waiting float64 `json:"cpuPressureShare"`
}

// From these shares on a machine is busy: P95 then moves by more than what most blocks gain.
const (
	busySteal  = 0.03
	busyOthers = 0.05
)

// Busy reports whether something else used enough of the machine to change the figures.
func (c *Conditions) Busy() bool { return c != nil && (c.Steal >= busySteal || c.Others >= busyOthers) }

// String says it in plain words.
func (c *Conditions) String() string {
	switch {
	case c == nil:
		return "not recorded"
	case !c.Busy() && c.OthersUnknown:
		return "other processes not recorded"
	case !c.Busy():
		return "quiet"
	}
	var why []string
	if c.Others >= busyOthers {
		why = append(why, fmt.Sprintf("other processes used %.0f %% of the CPU", 100*c.Others))
	}
	if c.Steal >= busySteal {
		why = append(why, fmt.Sprintf("other machines took %.0f %% of the CPU", 100*c.Steal))
	}
	return "busy: " + strings.Join(why, ", ")
}

// Figures says the same with all of its figures, busy or not.
func (c *Conditions) Figures() string {
	if c == nil {
		return "not recorded"
	}
	text := fmt.Sprintf("load average %.1f before the run, %.2f %% of the CPU time stolen during it", c.Load, 100*c.Steal)
	if !c.OthersUnknown {
		text += fmt.Sprintf(", %.1f %% used by other processes", 100*c.Others)
	}
	return text
}

// Worst returns the worst of each figure, nil if there are none.
func Worst(list ...*Conditions) *Conditions {
	var worst *Conditions
	for _, c := range list {
		if c == nil {
			continue
		}
		if worst == nil {
			worst = new(Conditions)
		}
		worst.Steal, worst.Others = max(worst.Steal, c.Steal), max(worst.Others, c.Others)
		worst.OthersUnknown = worst.OthersUnknown || c.OthersUnknown
		worst.Load, worst.Waiting = max(worst.Load, c.Load), max(worst.Waiting, c.Waiting)
	}
	return worst
}

// Reading is what the machine had done at a time.
type Reading struct {
	at                 time.Time
	total, busy, steal float64 // seconds of all cores; busy is what processes used
	load               float64
	waiting            time.Duration
	cores              map[int]float64 // seconds of each core that processes and the hypervisor took
}

// Read reads the machine's counters. It returns nil where there are none.
func Read() *Reading { return read("/proc", time.Now()) }

func read(proc string, now time.Time) *Reading {
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return nil
	}
	r := &Reading{at: now}
	if !r.parseStat(string(stat)) {
		return nil
	}
	if average, err := os.ReadFile(filepath.Join(proc, "loadavg")); err == nil {
		first, _, _ := strings.Cut(string(average), " ")
		r.load, _ = strconv.ParseFloat(first, 64) // 0 if it is no number.
	}
	if pressure, err := os.ReadFile(filepath.Join(proc, "pressure", "cpu")); err == nil {
		r.waiting = parsePressure(string(pressure))
	}
	return r
}

// tick is the unit of /proc/stat: Linux tells user space 1/100 s whatever it counts in.
const tick = 0.01

// parseStat reads the first line, that of all cores, and those of each.
func (r *Reading) parseStat(text string) bool {
	line, rest, _ := strings.Cut(text, "\n")
	name, of, ok := parseCPU(line)
	if !ok || name != "cpu" {
		return false
	}
	for _, seconds := range of {
		r.total += seconds
	}
	// Interrupts belong to no process: those of the loopback are ours for the most part.
	r.busy, r.steal = of[0]+of[1]+of[2], of[7]
	r.cores = map[int]float64{}
	for line := range strings.Lines(rest) {
		name, of, ok := parseCPU(line)
		core, err := strconv.Atoi(strings.TrimPrefix(name, "cpu"))
		if !ok || err != nil {
			break // The cores come first.
		}
		r.cores[core] = of[0] + of[1] + of[2] + of[7]
	}
	return true
}

// parseCPU returns seconds of user, nice, system, idle, iowait, irq, softirq and steal; guests
// are in user.
func parseCPU(line string) (name string, of [8]float64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return "", of, false
	}
	for i := range of {
		v, err := strconv.ParseFloat(fields[i+1], 64)
		if err != nil {
			return "", of, false
		}
		of[i] = v * tick
	}
	return fields[0], of, true
}

// Taken returns how many of the given cores, on average since a reading before, were not left
// to processes that used so much CPU time on them and on no others: what other processes and
// the hypervisor took. It is 0 where this cannot be had.
func (r *Reading) Taken(before *Reading, cores []int, used time.Duration) float64 {
	if r == nil || before == nil || !r.at.After(before.at) {
		return 0
	}
	var all float64
	for _, c := range cores {
		all += r.cores[c] - before.cores[c]
	}
	return max((all-used.Seconds())/r.at.Sub(before.at).Seconds(), 0)
}

// parsePressure returns the total of the line "some".
func parsePressure(text string) time.Duration {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "some ") {
			continue
		}
		if _, total, ok := strings.Cut(strings.TrimSpace(line), "total="); ok {
			micros, _ := strconv.ParseInt(total, 10, 64) // 0 if it is no number.
			return time.Duration(micros) * time.Microsecond
		}
	}
	return 0
}

// LoadAverage is that of the minute before the reading, in processes; 0 without a reading.
func (r *Reading) LoadAverage() float64 {
	if r == nil {
		return 0
	}
	return r.load
}

// Since returns the conditions between two readings; used is the CPU time of the measured
// processes meanwhile. It returns nil if there is a reading missing.
func (r *Reading) Since(before *Reading, used time.Duration) *Conditions {
	if r == nil || before == nil || r.total <= before.total {
		return nil
	}
	total, elapsed := r.total-before.total, r.at.Sub(before.at)
	c := &Conditions{
		Steal:  share(r.steal-before.steal, total),
		Others: share(r.busy-before.busy-used.Seconds(), total),
		Load:   before.load,
	}
	if elapsed > 0 {
		c.Waiting = share(float64(r.waiting-before.waiting), float64(elapsed))
	}
	return c
}

// share is at least 0 and at most 1: counters of different clocks do not quite agree.
func share(part, whole float64) float64 { return min(max(part/whole, 0), 1) }
