package pool

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// gate lets as many callers in as there may be connections in use. The others wait
// in the order in which they came, for a bounded time and in a bounded number.
type gate struct {
	timeout  time.Duration // 0: as long as the caller's context
	maxQueue int           // 0: any number
	used     func() int64  // connections that are in use or being opened
	holders  *holders      // nil if nobody wants to know of leaks

	// inside counts those who are in and those who wait. Where nobody waits it is
	// all that is touched.
	inside atomic.Int64
	limit  atomic.Int64
	uses   atomic.Uint64 // that have ended

	mu    sync.Mutex
	queue list.List // of *waiter

	waits, timeouts, refusals atomic.Uint64
	waited                    atomic.Int64 // nanoseconds
}

type waiter struct {
	ready chan struct{}
	in    bool
}

// enter waits for a place.
func (g *gate) enter(ctx context.Context) error {
	if g.inside.Add(1) <= g.limit.Load() {
		return nil
	}
	return g.wait(ctx)
}

// wait is for one who is counted but has no place.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	// Somebody may have left in between, and found nobody in the queue.
	if g.queue.Len() == 0 && g.inside.Load() <= g.limit.Load() {
		g.mu.Unlock()
		return nil
	}
	if n := g.queue.Len(); g.maxQueue > 0 && n >= g.maxQueue {
		g.inside.Add(-1)
		g.mu.Unlock()
		g.refusals.Add(1)
		return &ExhaustedError{Limit: int(g.limit.Load()), Queue: n + 1, Full: true}
	}
	w := &waiter{ready: make(chan struct{})}
	place := g.queue.PushBack(w)
	g.mu.Unlock()
	g.waits.Add(1)
	start := time.Now()
	defer func() { g.waited.Add(int64(time.Since(start))) }()
	var expired <-chan time.Time
	if g.timeout > 0 {
		timer := time.NewTimer(g.timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		if g.abandon(w, place) {
			return ctx.Err()
		}
		return nil
	case <-expired:
		if g.abandon(w, place) {
			g.timeouts.Add(1)
			return &ExhaustedError{Waited: time.Since(start), Limit: int(g.limit.Load()), Queue: g.length() + 1}
		}
		return nil
	}
}

// abandon gives a place in the queue up. It returns false if the waiter has been let
// in meanwhile.
func (g *gate) abandon(w *waiter, place *list.Element) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.in {
		return false
	}
	g.queue.Remove(place)
	g.inside.Add(-1)
	return true
}

func (g *gate) length() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.Len()
}

// recount is how often places are counted: pgxpool does not tell when a connection is
// hijacked.
const recount = 100 * time.Millisecond

// watch counts places while somebody waits for one, until the context ends.
func (g *gate) watch(ctx context.Context) {
	tick := time.NewTicker(recount)
	defer tick.Stop()
	lost := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			lost = g.recover(lost)
		}
	}
}

// recover gives back places that have no connection: as many as there were the last
// time as well, because callers between the gate and the pool have none for a moment.
func (g *gate) recover(before int64) (lost int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queue.Len() == 0 {
		return 0
	}
	lost = max(g.inside.Load()-int64(g.queue.Len())-g.used(), 0)
	if surely := min(lost, before); surely > 0 {
		g.inside.Add(-surely)
		lost -= surely
		g.letIn()
	}
	return lost
}

// setLimit changes how many may be in. Those who are stay.
func (g *gate) setLimit(n int64) {
	g.limit.Store(n)
	g.mu.Lock()
	g.letIn()
	g.mu.Unlock()
}

// leave gives a place back.
func (g *gate) leave() {
	if g.inside.Add(-1) >= g.limit.Load() {
		g.mu.Lock()
		g.letIn()
		g.mu.Unlock()
	}
}

// letIn lets those in who are first in the queue, as far as there are places. It is
// called with the lock.
func (g *gate) letIn() {
	for g.queue.Len() > 0 && g.inside.Load()-int64(g.queue.Len()) < g.limit.Load() {
		w := g.queue.Remove(g.queue.Front()).(*waiter)
		w.in = true
		close(w.ready)
	}
}

// A gate is a tracer of the pool: so it hears when a connection comes back, and when
// there was none.

var (
	_ pgxpool.AcquireTracer = (*gate)(nil)
	_ pgxpool.ReleaseTracer = (*gate)(nil)
)

// TraceQueryStart does nothing. It makes the gate a tracer for pgx.
func (g *gate) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing.
func (g *gate) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceAcquireStart does nothing.
func (g *gate) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}

// TraceAcquireEnd gives the place back if there was no connection.
func (g *gate) TraceAcquireEnd(_ context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if data.Err != nil {
		g.leave()
	} else if g.holders != nil {
		g.holders.took(data.Conn)
	}
}

// TraceRelease gives the place back.
func (g *gate) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if g.holders != nil {
		g.holders.released(data.Conn)
	}
	g.uses.Add(1)
	g.leave()
}
