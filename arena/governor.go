package arena

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	defaultShare    = 0.03
	defaultInterval = time.Second

	minGOGC   = 25
	startGOGC = 400
	maxGOGC   = 2000
)

// GCOptions say how much memory may be spent to keep the garbage collector's
// work small. The zero value is a sensible choice for a server that has its
// container or machine for itself.
type GCOptions struct {
	// Budget is the resident memory of the whole process in bytes. If 0 it is 90 %
	// of the container's limit (cgroup v1 or v2), or a quarter of the machine's
	// memory where there is none.
	Budget int64
	// Share is the part of the process's CPU time that the collector should take
	// at the most, 0.03 if 0. More memory than that needs is not used.
	Share float64
	// Interval is how often the settings are reconsidered, every second if 0, and
	// after every collection besides.
	Interval time.Duration
}

// TuneGC keeps the garbage collector's share of the CPU low within a memory
// budget, until stop is called. It sets GOGC by what lives on the heap and what
// the collector costs, and GOMEMLIMIT to what the budget leaves for Go, as the
// backstop between two of its looks.
//
// What an operator has set is left alone: GOGC or GOMEMLIMIT in the environment,
// and values that other code has set before TuneGC or sets while it runs. A
// memory limit of theirs also bounds the budget. stop restores what TuneGC found.
// The settings are the process's, so the first TuneGC governs: while it does,
// another one changes nothing.
//
// Errors in finding out the budget leave the collector as it is; see the metric
// gqlboost.arena.gc.budget of [Source].
func TuneGC(o GCOptions) (stop func()) {
	governing.Lock()
	defer governing.Unlock()
	if governing.current.Load() != nil {
		return func() {}
	}
	g := newGovernor(o)
	if g.budget <= 0 || !g.gogc.ours && !g.limit.ours {
		return func() {}
	}
	governing.current.Store(g)
	g.done.Go(g.run)
	return sync.OnceFunc(g.end)
}

// governing holds the one governor that is at work, if any.
var governing struct {
	sync.Mutex
	current atomic.Pointer[governor]
}

type governor struct {
	budget   int64
	share    float64
	interval time.Duration

	// Used by the goroutine alone, and by end after it.
	gogc     knob
	limit    knob
	percent  float64 // GOGC, before rounding
	lastGC   float64 // CPU seconds
	lastBusy float64

	quit      chan struct{}
	collected chan struct{} // a collection has ended
	done      sync.WaitGroup

	adjustments atomic.Uint64
}

// knob is one of the runtime's two settings.
type knob struct {
	ours  bool  // ours to turn
	found int64 // its value before
	last  int64 // the value that we have set
	set   func(int64) int64
}

// turn sets a value, unless somebody else has set another one meanwhile: then
// the knob is theirs from now on.
func (k *knob) turn(value int64) (turned bool) {
	if !k.ours || value == k.last {
		return false
	}
	if previous := k.set(value); previous != k.last {
		k.set(previous)
		k.ours = false
		return false
	}
	k.last = value
	return true
}

func setGOGC(v int64) int64 { return int64(debug.SetGCPercent(int(v))) }

func newGovernor(o GCOptions) *governor {
	now := readRuntime()
	g := &governor{
		budget: o.Budget, share: o.Share, interval: o.Interval,
		gogc:  knob{found: now.gogc, last: now.gogc, set: setGOGC},
		limit: knob{found: now.limit, last: now.limit, set: debug.SetMemoryLimit},
		quit:  make(chan struct{}), collected: make(chan struct{}, 1),
	}
	// 100 and no limit are what Go starts with.
	g.gogc.ours = os.Getenv("GOGC") == "" && now.gogc == 100
	g.limit.ours = os.Getenv("GOMEMLIMIT") == "" && now.limit == math.MaxInt64
	if g.budget == 0 {
		g.budget = availableMemory()
	}
	if !g.limit.ours {
		g.budget = min(g.budget, now.limit)
	}
	if g.share <= 0 {
		g.share = defaultShare
	}
	if g.interval <= 0 {
		g.interval = defaultInterval
	}
	g.percent = startGOGC
	return g
}

// availableMemory is what a process may use when nobody says: 0 if unknown.
func availableMemory() int64 {
	if limit, err := memlimit.FromCgroup(); err == nil && limit > 0 && limit < math.MaxInt64 {
		return int64(limit / 10 * 9)
	}
	if total, err := memlimit.FromSystem(); err == nil && total < math.MaxInt64 {
		return int64(total / 4)
	}
	return 0
}

func (g *governor) run() {
	tick := time.NewTicker(g.interval)
	defer tick.Stop()
	g.awaitCollection()
	for {
		g.adjust(readRuntime(), residentOutsideGo())
		select {
		case <-tick.C:
		case <-g.collected:
			g.awaitCollection()
		case <-g.quit:
			return
		}
	}
}

// sentinel is garbage from the start: its cleanup runs after a collection. It is
// too large for the allocator to put it together with other small objects.
type sentinel [32]byte

func (g *governor) awaitCollection() {
	runtime.AddCleanup(new(sentinel), func(collected chan struct{}) {
		select {
		case collected <- struct{}{}:
		default:
		}
	}, g.collected)
}

func (g *governor) end() {
	close(g.quit)
	g.done.Wait()
	g.gogc.turn(g.gogc.found)
	g.limit.turn(g.limit.found)
	governing.current.Store(nil)
}

// adjust turns the knobs for what the runtime says.
func (g *governor) adjust(r runtimeState, outside int64) {
	// A part of the budget stays free: the runtime's limit is a soft one.
	limit := max(g.budget-outside-max(g.budget/24, 4<<20), g.budget/4)
	turned := g.limit.turn(limit)

	if busy := r.busy - g.lastBusy; busy > 0 {
		switch share := (r.gc - g.lastGC) / busy; {
		case share > g.share:
			g.percent *= min(share/g.share, 1.5)
		case share < g.share/2:
			g.percent *= 0.9
		}
		g.lastGC, g.lastBusy = r.gc, r.busy
	}
	g.percent = min(max(g.percent, 100), maxGOGC)
	turned = g.gogc.turn(min(int64(g.percent), affordable(r, limit))) || turned
	if turned {
		g.adjustments.Add(1)
	}
}

// affordable is the GOGC with which the heap peaks at 85 % of what the limit
// leaves for it.
func affordable(r runtimeState, limit int64) int64 {
	live := max(r.live, 1<<20)
	heap := float64(limit-r.notHeap) * 0.85
	return int64(min(max((heap/float64(live)-1)*100, minGOGC), maxGOGC))
}

// runtimeState is what the governor reads.
type runtimeState struct {
	gogc    int64
	limit   int64
	live    int64   // bytes of heap that the last collection found alive
	notHeap int64   // bytes of Go's memory that are not heap objects: stacks, metadata
	gc      float64 // CPU seconds of the collector
	busy    float64 // CPU seconds in all, without idle time
}

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
	}
	metrics.Read(samples)
	integer := func(i int) int64 { return int64(min(samples[i].Value.Uint64(), math.MaxInt64)) }
	r := runtimeState{
		gogc: integer(0), limit: integer(1), live: integer(2),
		notHeap: integer(3) - integer(4) - integer(5) - integer(6) - integer(7),
		gc:      samples[8].Value.Float64(),
		busy:    samples[9].Value.Float64() - samples[10].Value.Float64(),
	}
	if samples[0].Value.Uint64() > math.MaxInt32 { // GOGC=off
		r.gogc = -1
	}
	return r
}
