package arena

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	defaultShare    = 0.03
	defaultInterval = time.Second
)

// GCOptions bounds the memory that is spent to keep the garbage collector's
// work small. The zero value is a sensible choice for a server that has its
// container or machine for itself.
type GCOptions struct {
	// Budget is the resident memory of the whole process in bytes. If 0 it is 90 %
	// of the container's limit (cgroup v1 or v2), or a quarter of the machine's
	// memory where there is none.
	Budget int64
	// SameMemory spends no more memory than a process with GOGC=100 takes at its
	// peaks, and gains only what is between them: while less is alive than at the last
	// peak, the heap may grow to most of where it was then. A peak is forgotten over some
	// minutes. Budget holds as well. Over many runs the peaks of steady heaps and of waves
	// were 0.9 to 1.0 of those with GOGC=100, and 1.01 where most of the heap came at once.
	SameMemory bool
	// Share is the part of the process's CPU time that the collector should take
	// at most, 0.03 if 0. More memory than that needs is not used.
	Share float64
	// Interval is how often the settings are reconsidered, every second if 0;
	// they are also reconsidered after every collection.
	Interval time.Duration
	// OnError is called when the budget cannot be kept, with an error that wraps
	// [ErrBudget], once each time this begins. It may call anything, and runs in its own
	// goroutine. Errors that occur while it runs are dropped, and so are its panics.
	OnError func(error)
}

// ErrBudget is wrapped by the error for a budget smaller than what is alive.
var ErrBudget = errors.New("arena: the memory budget is too small")

// TuneGC keeps the garbage collector's share of the CPU low within a memory
// budget, until stop is called. It sets GOGC by what lives on the heap and what
// the collector costs, and GOMEMLIMIT to what the budget leaves for Go, as the
// backstop between two of its looks.
//
// TuneGC leaves alone what an operator has set: GOGC or GOMEMLIMIT in the environment,
// and values that other code has set before TuneGC or sets while it runs. A
// memory limit of theirs also bounds the budget. stop restores what TuneGC found.
// The settings are the process's, so the first TuneGC governs: while it does,
// another one changes nothing.
//
// A budget that is less than what is alive cannot be kept, and trying it costs most of
// the CPU. TuneGC then releases both settings, as if it had not been called, until the
// live heap fits again: see OnError and the metric gqlboost.arena.gc.over_budget.
//
// A negative budget (reported to OnError) and errors in finding out the budget leave the
// collector as it is; see the metric gqlboost.arena.gc.budget of [Source].
func TuneGC(o GCOptions) (stop func()) {
	governing.Lock()
	defer governing.Unlock()
	if governing.current.Load() != nil {
		return func() {}
	}
	g := newGovernor(o)
	if o.Budget < 0 { // As of a limit less a reserve that is larger.
		g.reports.report(fmt.Errorf("%w: it is %d bytes", ErrBudget, o.Budget))
	}
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
	interval time.Duration
	budget   int64
	reports  reporter

	// Used by the goroutine alone, and by end after it.
	gogc    knob
	limit   knob
	planner planner

	quit      chan struct{}
	collected chan struct{} // a collection has ended
	done      sync.WaitGroup

	adjustments atomic.Uint64
	overBudget  atomic.Bool
}

func newGovernor(o GCOptions) *governor {
	now := readRuntime()
	g := &governor{
		budget: o.Budget, interval: o.Interval, reports: reporter{call: o.OnError},
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
	if g.interval <= 0 {
		g.interval = defaultInterval
	}
	g.planner = newPlanner(o, g.budget)
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
	p := g.planner.next(r, outside)
	if p.over != nil {
		// As without a governor: knobs that are not ours stay as they are.
		p.gogc, p.limit = g.gogc.found, g.limit.found
		if !g.overBudget.Swap(true) {
			g.reports.report(p.over)
		}
	} else {
		g.overBudget.Store(false)
	}
	turnedLimit, turnedGOGC := g.limit.turn(p.limit), g.gogc.turn(p.gogc)
	if turnedLimit || turnedGOGC {
		g.adjustments.Add(1)
	}
}

// reporter calls OnError, one call at a time.
type reporter struct {
	call    func(error)
	running atomic.Bool
}

func (r *reporter) report(err error) {
	if r.call == nil || !r.running.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer r.running.Store(false)
		defer func() { _ = recover() }()
		r.call(err)
	}()
}
