package load

import (
	"fmt"

	"github.com/shirou/gopsutil/v4/cpu"
	gopsload "github.com/shirou/gopsutil/v4/load"
)

// Noise is what else a machine did.
type Noise struct {
	// Load is the load average of the minute before the run, in processes.
	Load float64 `json:"loadBefore"`
	// Steal is the share of the CPU time that the hypervisor gave to others during the run.
	Steal float64 `json:"steal"`
}

// String says it in a sentence.
func (n Noise) String() string {
	return fmt.Sprintf("load average %.1f before the run, %s of the CPU time stolen during it", n.Load, percent(n.Steal))
}

// ListenToNoise returns a function that says what the machine did since.
func ListenToNoise() func() Noise {
	var n Noise
	if average, err := gopsload.Avg(); err == nil {
		n.Load = average.Load1
	}
	stolen, all := stolenTime()
	return func() Noise {
		stolenNow, allNow := stolenTime()
		n.Steal = share(stolenNow-stolen, allNow-all)
		return n
	}
}

// stolenTime returns seconds of all cores, zeros if they cannot be had.
func stolenTime() (stolen, all float64) {
	times, err := cpu.Times(false)
	if err != nil || len(times) == 0 {
		return 0, 0
	}
	t := times[0]
	return t.Steal, t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
}
