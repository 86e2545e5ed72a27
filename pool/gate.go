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
	limit    int64
	used     func() int64 // connections that are in use or being opened
	holders  *holders     // nil if nobody wants to know of leaks

	// inside counts those who are in and those who wait. Where nobody waits it is
	// all that is touched.
	inside atomic.Int64

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
	if g.inside.Add(1) <= g.limit {
		return nil
	}
	return g.wait(ctx)
}

// recount is how often a waiter looks whether places were lost: pgxpool does not
// tell when a connection is hijacked.
const recount = 100 * time.Millisecond

// wait is for one who is counted but has no place.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	// Somebody may have left in between, and found nobody in the queue.
	if g.queue.Len() == 0 && g.inside.Load() <= g.limit {
		g.mu.Unlock()
		return nil
	}
	if n := g.queue.Len(); g.maxQueue > 0 && n >= g.maxQueue {
		g.inside.Add(-1)
		g.mu.Unlock()
		g.refusals.Add(1)
		return &ExhaustedError{Limit: int(g.limit), Queue: n + 1, Full: true}
	}
	w := &waiter{ready: make(chan struct{})}
	place := g.queue.PushBack(w)
	g.mu.Unlock()
	g.waits.Add(1)
	start := time.Now()
	defer func() { g.waited.Add(int64(time.Since(start))) }()
	tick := time.NewTicker(recount)
	defer tick.Stop()
	var expired <-chan time.Time
	if g.timeout > 0 {
		timer := time.NewTimer(g.timeout)
		defer timer.Stop()
		expired = timer.C
	}
	lost := int64(0)
	for {
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
				return &ExhaustedError{Waited: time.Since(start), Limit: int(g.limit), Queue: g.length() + 1}
			}
			return nil
		case <-tick.C:
			lost = g.recover(lost)
		}
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

// recover gives back places that have no connection: at least as many as it was the
// last time. Callers between the gate and the pool have none for a moment.
func (g *gate) recover(before int64) (lost int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	lost = max(g.inside.Load()-int64(g.queue.Len())-g.used(), 0)
	if surely := min(lost, before); surely > 0 {
		g.inside.Add(-surely)
		lost -= surely
		g.letIn()
	}
	return lost
}

// leave gives a place back.
func (g *gate) leave() {
	if g.inside.Add(-1) >= g.limit {
		g.mu.Lock()
		g.letIn()
		g.mu.Unlock()
	}
}

// letIn lets those in who are first in the queue, as far as there are places. It is
// called with the lock.
func (g *gate) letIn() {
	for g.queue.Len() > 0 && g.inside.Load()-int64(g.queue.Len()) < g.limit {
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
	g.leave()
}
