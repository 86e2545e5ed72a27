package server

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"

	"github.com/gqlboost/gqlboost/examples/blog/spans"
)

// runtimeMetrics are what /debug/runtime reports, under their Go names.
var runtimeMetrics = []string{
	"/cpu/classes/gc/total:cpu-seconds",
	"/cpu/classes/idle:cpu-seconds",
	"/cpu/classes/total:cpu-seconds",
	"/gc/cycles/total:gc-cycles",
	"/gc/heap/allocs:bytes",
	"/gc/heap/allocs:objects",
	"/gc/heap/live:bytes",
	"/memory/classes/heap/free:bytes",
	"/memory/classes/heap/objects:bytes",
	"/memory/classes/heap/released:bytes",
	"/memory/classes/heap/stacks:bytes",
	"/memory/classes/heap/unused:bytes",
	"/memory/classes/metadata/mspan/inuse:bytes",
	"/memory/classes/total:bytes",
	"/sched/gomaxprocs:threads",
	"/sched/goroutines:goroutines",
	"/sched/pauses/total/gc:seconds",
}

// Debug returns the handler for the loopback port that only its owner sees:
// pprof, runtime metrics, and the recorder's spans if there is one.
func Debug(recorder *spans.Recorder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/runtime", serveRuntime)
	mux.Handle("POST /debug/retain", new(ballast))
	if recorder != nil {
		mux.Handle("GET /debug/spans", recorder)
	}
	return mux
}

// ballast keeps memory alive on request, to see how a server fares whose live
// heap grows: POST /debug/retain?mib=64 makes it 64 MiB in all.
type ballast struct {
	mu     sync.Mutex
	blocks [][]byte
}

func (b *ballast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	want, err := strconv.Atoi(r.FormValue("mib"))
	if err != nil || want < 0 || want > 4096 {
		http.Error(w, "mib must be between 0 and 4096", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.blocks) < want {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1 // Or the kernel would not count the pages.
		}
		b.blocks = append(b.blocks, block)
	}
	clear(b.blocks[want:])
	b.blocks = b.blocks[:want]
}

// ProfileContention turns the mutex and block profiles on, for a server that is
// run to be profiled.
func ProfileContention() {
	runtime.SetMutexProfileFraction(5)
	runtime.SetBlockProfileRate(10_000) // one sample for each 10 us blocked
}

func serveRuntime(w http.ResponseWriter, _ *http.Request) {
	samples := make([]metrics.Sample, len(runtimeMetrics))
	for i, name := range runtimeMetrics {
		samples[i].Name = name
	}
	metrics.Read(samples)
	values := make(map[string]any, len(samples))
	for _, s := range samples {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			values[s.Name] = s.Value.Uint64()
		case metrics.KindFloat64:
			values[s.Name] = s.Value.Float64()
		case metrics.KindFloat64Histogram:
			h := s.Value.Float64Histogram()
			values[s.Name] = pauses(h)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(values) // The client may have gone.
}

// pauses returns a histogram's counts by the upper bound of their bucket, in
// seconds, leaving out the empty ones and the one without a bound.
func pauses(h *metrics.Float64Histogram) [][2]float64 {
	counts := [][2]float64{}
	for i, n := range h.Counts {
		if n > 0 && i+2 < len(h.Buckets) {
			counts = append(counts, [2]float64{h.Buckets[i+1], float64(n)})
		}
	}
	return counts
}
