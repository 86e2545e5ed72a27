package pool

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// gate lets as many callers in as there may be connections in use. The others wait
// in a queue, for a bounded time and in a bounded number.
type gate struct {
	timeout  time.Duration              // 0: as long as the caller's context
	maxQueue int                        // 0: any number
	max      int64                      // connections that the pool has
	used     func() int64               // connections that are in use or being opened, also by the Reader
	spare    func(capacity int64) int64 // callers that may take a connection now, see settle
	open     func() int64               // connections that there are
	holders  *holders                   // nil if nobody wants to know of leaks
	prepared *preparation               // nil if there is nothing to prepare
	counting bool                       // uses are wanted to know

	acquires     pgxpool.AcquireTracer // the user's; nil if there is none
	closedWithin func()                // is called when pgxpool says that it was closed

	// expected counts those whom the pool's own methods let in, and whom pgxpool has not
	// told of yet. Others come through the pool within, and do not wait.
	expected atomic.Int64
	// inside counts those who are in and those who wait. Where nobody waits it is
	// all that is touched.
	inside   atomic.Int64
	limit    atomic.Int64
	capacity atomic.Int64  // what the server has for us; 0: not known
	going    atomic.Int64  // callers on their way to a connection, if the capacity is known
	uses     atomic.Uint64 // that have ended, if counting
	hands    hands
	openings atomic.Int64 // connections that the Reader is about to keep
	stall    stall

	settling sync.Mutex
	mu       sync.Mutex
	queue    queue
	closed   error // nobody waits any more, for this reason
	wanted   int64 // the limit that was set
	opened   int64 // connections that there are, without those
	held     int64 // that the Reader keeps

	waits, timeouts, refusals, shed atomic.Uint64
	waited, opening                 histogram
	failedAt                        atomic.Int64 // when a connection failed last, in nanoseconds since 1970
}

// newPlaces returns a gate that only counts places: who enters by take leaves by leave. It has
// no place before its limit is set.
func newPlaces(c *Config) *gate {
	return &gate{timeout: c.AcquireTimeout, maxQueue: c.MaxQueue, queue: queue{target: c.TargetWait}}
}

// take waits for a place.
func (g *gate) take(ctx context.Context) error {
	if g.inside.Add(1) > g.limit.Load() {
		return g.wait(ctx, false)
	}
	return nil
}

// full reports whether a new caller would have to wait.
func (g *gate) full() bool { return g.inside.Load() >= g.limit.Load() }

// begin tells the gate of its pool.
func (g *gate) begin(inner *pgxpool.Pool) {
	g.used = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.ConstructingConns())
	}
	g.hands.acquired = func() int64 { return int64(inner.Stat().AcquiredConns()) }
	g.open = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.IdleConns())
	}
	g.spare = func(capacity int64) int64 {
		s := inner.Stat()
		total := int64(s.AcquiredConns() + s.ConstructingConns() + s.IdleConns())
		// Those for whom a connection is being opened are on their way, and counted.
		return int64(s.IdleConns()+s.ConstructingConns()) + max(0, capacity-total)
	}
}

// enter waits for a place. Then pgxpool must be asked for a connection.
func (g *gate) enter(ctx context.Context) error {
	over := g.inside.Add(1) > g.limit.Load()
	if !over && g.capacity.Load() == 0 {
		g.expected.Add(1)
		return nil
	}
	return g.pass(ctx, over, false)
}

// enterFirst waits for a place before those who have come by enter.
func (g *gate) enterFirst(ctx context.Context) error {
	return g.pass(ctx, g.inside.Add(1) > g.limit.Load(), true)
}

// came takes in that pgxpool is asked for a connection: by one who has entered, or by one
// who has come another way.
func (g *gate) came() {
	for n := g.expected.Load(); n > 0; n = g.expected.Load() {
		if g.expected.CompareAndSwap(n, n-1) {
			return
		}
	}
	g.inside.Add(1)
	if g.capacity.Load() > 0 {
		g.going.Add(1)
	}
}

// pass lets a caller in who is counted, and may be one too many.
func (g *gate) pass(ctx context.Context, over, urgent bool) error {
	if over {
		if err := g.wait(ctx, urgent); err != nil {
			return err
		}
	}
	if capacity := g.capacity.Load(); capacity > 0 {
		g.settle(ctx, capacity)
	}
	g.expected.Add(1)
	return nil
}

// settle waits until there is a connection for a caller, or room for one more. pgxpool
// reports a release before the connection is back: whoever comes in between would find
// none and open another, beyond what the server has for us. It takes microseconds; if it
// does not, nothing is wrong with the connections that a new one would not fix.
func (g *gate) settle(ctx context.Context, capacity int64) {
	start := time.Now()
	for round := 0; ; round++ {
		g.settling.Lock()
		if g.spare(capacity) > g.going.Load() || ctx.Err() != nil || time.Since(start) >= unsettled {
			g.going.Add(1)
			g.settling.Unlock()
			return
		}
		g.settling.Unlock()
		if round < soon {
			runtime.Gosched()
		} else { // A connection is being closed.
			time.Sleep(lookAgain)
		}
	}
}

const (
	soon      = 64 // turns of others, until a connection that was released is back
	lookAgain = 100 * time.Microsecond
	unsettled = 50 * time.Millisecond // until nothing more is to be expected
)

// went takes in that a caller has a connection, or has none.
func (g *gate) went() {
	if g.going.Add(-1) < 0 {
		g.going.Add(1) // It had entered before the capacity was known.
	}
}

// wait is for one who is counted but has no place.
func (g *gate) wait(ctx context.Context, urgent bool) error {
	start := time.Now()
	w, err := g.enqueue(start, urgent)
	if w == nil {
		return err
	}
	g.waits.Add(1)
	defer func() { g.waited.observe(time.Since(start)) }()
	var expired <-chan time.Time
	if g.timeout > 0 {
		timer := time.NewTimer(g.timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.ready:
		return w.refused
	case <-ctx.Done():
		if g.abandon(w) {
			return ctx.Err()
		}
		return w.refused
	case <-expired:
		if g.abandon(w) {
			g.timeouts.Add(1)
			return &ExhaustedError{Waited: time.Since(start), Limit: int(g.limit.Load()), Queue: g.length() + 1}
		}
		return w.refused
	}
}

// enqueue gives a place in the queue, or nil if none is needed or there is none.
func (g *gate) enqueue(now time.Time, urgent bool) (*waiter, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.freeHijacked()
	// Somebody may have left in between, and found nobody in the queue.
	if g.queue.Len() == 0 && g.inside.Load() <= g.limit.Load() {
		return nil, nil
	}
	if g.closed != nil {
		g.inside.Add(-1)
		return nil, g.closed
	}
	if g.maxQueue > 0 && g.queue.Len() >= g.maxQueue {
		g.inside.Add(-1)
		g.refusals.Add(1)
		return nil, &ExhaustedError{Limit: int(g.limit.Load()), Queue: g.queue.Len() + 1, Full: true}
	}
	return g.queue.push(now, urgent), nil
}

// abandon gives a place in the queue up. It returns false if the waiter has been let
// in, or refused, meanwhile.
func (g *gate) abandon(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.served {
		return false
	}
	g.queue.remove(w)
	g.inside.Add(-1)
	return true
}

func (g *gate) length() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.Len()
}

const (
	// recount is how often places and connections are counted.
	recount = 100 * time.Millisecond
	// settled is how many counts in a row must say that places are wrong until they are
	// corrected, because callers between the gate and the pool have no connection for a
	// moment.
	settled = 10
)

// watch counts, until the context ends.
func (g *gate) watch(ctx context.Context) {
	tick := time.NewTicker(recount)
	defer tick.Stop()
	d := drift{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.recover(&d)
		}
	}
}

// drift is the number of places that some counts were off by.
type drift struct {
	counts, least, most int64
}

// recover counts, and corrects places that are off for long: taken by nobody, or not
// counted.
func (g *gate) recover(d *drift) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.freeHijacked()
	g.opened = g.open() - g.held
	g.adjust()
	off := g.inside.Load() - int64(g.queue.Len()) - (g.used() - g.held)
	g.stall.look(g.queue.Len() > 0 || off > g.openings.Load(), g.hands.returned.Load(), time.Now())
	if g.counting && g.stall.lasts() > reader.StarvedAfter {
		g.wanted = min(g.wanted+1, g.max)
		g.adjust()
	}
	if d.counts == 0 {
		d.least, d.most = off, off
	}
	d.counts, d.least, d.most = d.counts+1, min(d.least, off), max(d.most, off)
	if d.counts < settled {
		return
	}
	if d.least > 0 {
		g.inside.Add(-d.least)
		g.letIn()
	} else if d.most < 0 {
		g.inside.Add(-d.most)
	}
	*d = drift{}
}

// setLimit changes how many may be in. Those who are stay.
func (g *gate) setLimit(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted = n
	g.adjust()
}

// setCapacity says how many connections the server has for us.
func (g *gate) setCapacity(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.capacity.Store(n)
	g.adjust()
}

// getLimit returns what was set.
func (g *gate) getLimit() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wanted
}

// connections takes in that there are more connections, or fewer.
func (g *gate) connections(more int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened += more
	g.adjust()
}

// firstConnections is how many connections are opened at the same time at first.
const firstConnections = 4

// adjust makes the limit what it may be. A cold pool starts slowly, as TCP does: it
// opens no more connections at a time than it has. So a burst does not make Postgres
// fork a hundred backends, and whoever waits takes what comes first, a connection
// that is released or one that is new. It is called with the lock.
func (g *gate) adjust() {
	most := g.max
	if capacity := g.capacity.Load(); capacity > 0 {
		most = min(most, capacity)
	}
	limit := min(g.wanted, g.opened+max(g.opened, firstConnections), most-g.held)
	g.limit.Store(max(limit, 1))
	g.letIn()
}

// hold takes in that the Reader keeps a connection, which has a place until then.
func (g *gate) hold(conn *pgx.Conn) {
	if place := placeOf(conn); place != nil {
		place.taken = false // Its release gives nothing back.
	}
	if g.holders != nil {
		g.holders.released(conn) // It is no leak.
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held++
	g.hands.returned.Add(1)
	g.opened--
	g.inside.Add(-1)
	g.adjust()
}

// unhold takes in that the Reader has closed one.
func (g *gate) unhold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held--
	g.opened++ // until it is gone
	g.adjust()
}

const (
	closing     = time.Second          // how long a new connection waits for old ones to be closed
	lookForThem = 2 * time.Millisecond // and how often it looks
)

// awaitClosed waits, before a connection is opened, until it is one of as many as the
// server has for us. A place is left when a connection begins to be closed, and Postgres
// counts it until its backend has ended.
func (g *gate) awaitClosed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	for {
		capacity := g.capacity.Load()
		if capacity == 0 || g.used() <= capacity {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookForThem):
		}
	}
}

// leave gives a place back.
func (g *gate) leave() {
	if g.inside.Add(-1) >= g.limit.Load() {
		g.mu.Lock()
		g.letIn()
		g.mu.Unlock()
	}
}

// letIn lets those in whose turn it is, as far as there are places. It is called with
// the lock.
func (g *gate) letIn() {
	for g.queue.Len() > 0 && g.inside.Load()-int64(g.queue.Len()) < g.limit.Load() {
		w := g.queue.pop()
		w.served = true
		if g.queue.sheds(w) {
			w.refused = &ExhaustedError{Waited: time.Since(w.since), Limit: int(g.limit.Load()), Queue: g.queue.Len() + 1, Shed: true}
			g.shed.Add(1)
			g.inside.Add(-1)
		}
		close(w.ready)
	}
}

// refuseAll refuses those who wait, or would wait later.
func (g *gate) refuseAll(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = err
	for g.queue.Len() > 0 {
		w := g.queue.pop()
		w.served, w.refused = true, err
		g.inside.Add(-1)
		close(w.ready)
	}
}
