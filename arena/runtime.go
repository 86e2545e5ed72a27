package arena

import (
	"math"
	"runtime/metrics"
	"time"
)

// runtimeState is what the governor reads.
type runtimeState struct {
	at      time.Duration // since the process began to look
	gogc    int64
	limit   int64
	live    int64   // bytes of heap that the last collection found alive
	roots   int64   // bytes of stacks and globals, which GOGC counts as the heap
	unused  int64   // bytes of heap that objects of other sizes cannot use
	notHeap int64   // bytes of Go's memory that are not heap: stacks, metadata
	gc      float64 // CPU seconds of the collector
	busy    float64 // CPU seconds in all, without idle time
	cycles  int64   // collections
}

var began = time.Now()

func readRuntime() runtimeState {
	samples := []metrics.Sample{
		{Name: "/gc/gogc:percent"},
		{Name: "/gc/gomemlimit:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
		{Name: "/gc/scan/globals:bytes"},
		{Name: "/gc/scan/stack:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	integer := func(i int) int64 { return int64(min(samples[i].Value.Uint64(), math.MaxInt64)) }
	r := runtimeState{
		at:   time.Since(began),
		gogc: integer(0), limit: integer(1), live: integer(2),
		unused: integer(7), roots: integer(11) + integer(12),
		notHeap: integer(3) - integer(4) - integer(5) - integer(6) - integer(7),
		gc:      samples[8].Value.Float64(),
		busy:    samples[9].Value.Float64() - samples[10].Value.Float64(),
		cycles:  integer(13),
	}
	if samples[0].Value.Uint64() > math.MaxInt32 { // GOGC=off
		r.gogc = -1
	}
	return r
}
