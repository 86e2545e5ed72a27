package arena

import (
	"fmt"
	"slices"
	"time"
)

const (
	minGOGC   = 25
	startGOGC = 400
	maxGOGC   = 2000

	// With less than noRoom of the live heap's size free, the collector runs all the time.
	// With less than littleRoom, the heap has too little room if the collector also takes
	// costly of the CPU time for costlyFor CPU seconds. With roomAgain it has enough again.
	noRoom     = 0.06
	littleRoom = 0.25
	costly     = 1. / 3
	costlyFor  = 3.
	roomAgain  = 0.30
	smallRoom  = 1 << 20 // bytes: less than this is no room
	smallHeap  = 4 << 20 // the runtime's smallest heap at GOGC=100
	forgetting = 2 * time.Minute
	ofPeak     = 0.7 // With 0.85, peaks of waves were up to 1.17 times as high as with GOGC=100.
)

// planner decides what GOGC and GOMEMLIMIT should be. It does nothing else.
type planner struct {
	budget     int64
	share      float64
	sameMemory bool

	percent   float64 // GOGC for the share, before rounding
	lastGC    float64 // CPU seconds
	lastBusy  float64
	ceiling   float64 // bytes of heap that GOGC=100 took at the last peak
	ceilingAt time.Duration
	// lives are the live heaps of the last collections. What is allocated while one
	// runs counts as alive, so the smallest is the best estimate.
	lives  [16]int64
	cycles int64
	wasted float64 // CPU seconds since the collector became costly
	over   bool    // the budget is too small
}

func newPlanner(o GCOptions, budget int64) planner {
	p := planner{budget: budget, share: o.Share, sameMemory: o.SameMemory, percent: startGOGC}
	if p.share <= 0 {
		p.share = defaultShare
	}
	return p
}

// plan is what the settings should be, or why none of them helps.
type plan struct {
	gogc, limit int64
	over        error
}

func (p *planner) next(r runtimeState, outside int64) plan {
	busy, share := p.learnShare(r)
	// A part of the budget stays free: the runtime's limit is a soft one.
	limit := p.budget - outside - max(p.budget/24, 4<<20)
	heap := limit - r.notHeap
	live := p.alive(r)
	if p.tooSmall(live, heap, busy, share) {
		return plan{over: fmt.Errorf("%w: it is %d MiB, which leaves %d MiB for the heap, of which %d MiB are alive; make "+
			"it %d MiB or more",
			ErrBudget, p.budget>>20, max(heap, 0)>>20, live>>20, (2*live+p.budget-heap)>>20+1)}
	}
	aim, held := float64(heap)*0.85, false
	if p.sameMemory {
		// Between peaks the heap comes near its aim all the time, and the largest of
		// many overshoots counts; besides, the next peak begins from there. So it stays
		// well below the last one.
		usual := p.raiseCeiling(r)
		allowed := max(usual, p.ceiling*ofPeak)
		aim, held = min(aim, allowed), allowed <= aim
		// The limit holds while the live heap grows, until the next look. The runtime
		// stays 3 % and 1 MiB below it.
		limit = min(limit, int64(allowed*1.04)+1<<20+r.notHeap+r.unused)
	}
	// GOGC is the part of what is alive that may be added to it before the next
	// collection.
	alive := float64(max(r.live, smallRoom))
	gogc := min((aim-alive)/(alive+float64(r.roots))*100, p.percent)
	least := float64(minGOGC)
	if held {
		least = 100
	}
	return plan{gogc: int64(max(gogc, least)), limit: limit}
}

// learnShare moves the GOGC that we want by what the collector costs, and returns the
// CPU seconds since the last look with the collector's part of them.
func (p *planner) learnShare(r runtimeState) (busy, share float64) {
	if busy = r.busy - p.lastBusy; busy > 0 {
		share = (r.gc - p.lastGC) / busy
		switch {
		case share > p.share:
			p.percent *= min(share/p.share, 1.5)
		case share < p.share/2:
			p.percent *= 0.9
		}
		p.lastGC, p.lastBusy = r.gc, r.busy
	}
	p.percent = min(max(p.percent, 100), maxGOGC)
	return busy, share
}

// alive estimates the live heap.
func (p *planner) alive(r runtimeState) int64 {
	if r.cycles != p.cycles {
		copy(p.lives[1:], p.lives[:])
		p.lives[0], p.cycles = r.live, r.cycles
	}
	return slices.Min(p.lives[:])
}

// tooSmall reports whether the live heap has no room in what the budget leaves for
// the heap.
func (p *planner) tooSmall(live, heap int64, busy, share float64) bool {
	room := func(part float64) bool {
		return heap-live >= max(int64(float64(live)*part), smallRoom)
	}
	if share > costly && !room(littleRoom) {
		p.wasted += busy
	} else {
		p.wasted = 0
	}
	switch {
	case p.over && room(roomAgain):
		p.over = false
	case !p.over && (!room(noRoom) || p.wasted > costlyFor):
		p.over = true
	}
	return p.over
}

// raiseCeiling returns the heap that the process would have with GOGC=100, and follows
// its peaks.
func (p *planner) raiseCeiling(r runtimeState) (usual float64) {
	usual = float64(max(2*r.live+r.roots, smallHeap))
	now := usual
	if left := p.ceiling - now; left > 0 {
		passed := float64(min(r.at-p.ceilingAt, forgetting)) / float64(forgetting)
		now += left * (1 - passed)
	}
	p.ceiling, p.ceilingAt = now, r.at
	return usual
}
