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

// admission lets as many callers in as there may be connections in use. The others wait
// in a queue, for a bounded time and in a bounded number.
type admission struct {
	timeout  time.Duration              // 0: as long as the caller's context
	maxQueue int                        // 0: any number
	max      int64                      // connections that the pool has
	used     func() int64               // connections that are in use or being opened, also by the Reader
	spare    func(capacity int64) int64 // callers that may take a connection now, see settle
	open     func() int64               // connections that there are
	holders  *holders                   // nil if nobody wants to know of leaks
	prepared *preparation               // nil if there is nothing to prepare
	adaptive bool                       // the limit follows the load, for which uses are counted
	gate     *gate                      // nil if there is no lease

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
	uses     atomic.Uint64 // that have ended, if adaptive
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
	peak     int64 // connections that callers and the Reader could have used, since it was taken

	waits, timeouts, refusals, shed atomic.Uint64
	waited, opening                 histogram
	failedAt                        atomic.Int64 // when a connection failed last, in nanoseconds since 1970
}

// newPlaces returns an admission that only counts places: who enters by take leaves by leave. It has
// no place before its limit is set.
func newPlaces(c *Config) *admission {
	return &admission{timeout: c.AcquireTimeout, maxQueue: c.MaxQueue, queue: queue{target: c.TargetWait}}
}

// take waits for a place.
func (a *admission) take(ctx context.Context) error {
	if a.inside.Add(1) > a.limit.Load() {
		return a.wait(ctx, false)
	}
	return nil
}

// full reports whether a new caller would have to wait.
func (a *admission) full() bool { return a.inside.Load() >= a.limit.Load() }

// begin tells the admission its pool.
func (a *admission) begin(inner *pgxpool.Pool) {
	a.used = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.ConstructingConns())
	}
	a.hands.acquired = func() int64 { return int64(inner.Stat().AcquiredConns()) }
	a.open = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.IdleConns())
	}
	a.spare = func(capacity int64) int64 {
		s := inner.Stat()
		total := int64(s.AcquiredConns() + s.ConstructingConns() + s.IdleConns())
		// Those for whom a connection is being opened are on their way, and counted.
		return int64(s.IdleConns()+s.ConstructingConns()) + max(0, capacity-total)
	}
}

// enter waits for a place. Then pgxpool must be asked for a connection.
func (a *admission) enter(ctx context.Context) error {
	over := a.inside.Add(1) > a.limit.Load()
	if !over && a.capacity.Load() == 0 {
		a.expected.Add(1)
		return nil
	}
	return a.pass(ctx, over, false)
}

// enterFirst waits for a place before those who have come by enter.
func (a *admission) enterFirst(ctx context.Context) error {
	return a.pass(ctx, a.inside.Add(1) > a.limit.Load(), true)
}

// came takes in that pgxpool is asked for a connection: by one who has entered, or by one
// who has come another way.
func (a *admission) came() {
	for n := a.expected.Load(); n > 0; n = a.expected.Load() {
		if a.expected.CompareAndSwap(n, n-1) {
			return
		}
	}
	a.inside.Add(1)
	if a.capacity.Load() > 0 {
		a.going.Add(1)
	}
}

// pass lets a caller in who is counted, and may be one too many.
func (a *admission) pass(ctx context.Context, over, urgent bool) error {
	if over {
		if err := a.wait(ctx, urgent); err != nil {
			return err
		}
	}
	if capacity := a.capacity.Load(); capacity > 0 {
		a.settle(ctx, capacity)
	}
	a.expected.Add(1)
	return nil
}

// settle waits until there is a connection for a caller, or room for one more. pgxpool
// reports a release before the connection is back: a caller that comes in between would
// find none and open another, beyond what the server has for us. It takes microseconds;
// if it does not, nothing is wrong with the connections that a new one would not fix.
func (a *admission) settle(ctx context.Context, capacity int64) {
	start := time.Now()
	for round := 0; ; round++ {
		a.settling.Lock()
		if a.spare(capacity) > a.going.Load() || ctx.Err() != nil || time.Since(start) >= unsettled {
			a.going.Add(1)
			a.settling.Unlock()
			return
		}
		a.settling.Unlock()
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
func (a *admission) went() {
	if a.going.Add(-1) < 0 {
		a.going.Add(1) // It had entered before the capacity was known.
	}
}

// wait is for one who is counted but has no place.
func (a *admission) wait(ctx context.Context, urgent bool) error {
	start := time.Now()
	w, err := a.enqueue(start, urgent)
	if w == nil {
		return err
	}
	a.waits.Add(1)
	defer func() { a.waited.observe(time.Since(start)) }()
	var expired <-chan time.Time
	if a.timeout > 0 {
		expired = time.After(a.timeout)
	}
	select {
	case <-w.ready:
		return w.refused
	case <-ctx.Done():
		if a.abandon(w) {
			return ctx.Err()
		}
		return w.refused
	case <-expired:
		if a.abandon(w) {
			a.timeouts.Add(1)
			return &ExhaustedError{Waited: time.Since(start), Limit: int(a.limit.Load()), Queue: a.length() + 1}
		}
		return w.refused
	}
}

// enqueue gives a place in the queue, or nil if none is needed or there is none. Until then its caller
// has counted as one who is in, so a place that was given back meanwhile went to nobody.
func (a *admission) enqueue(now time.Time, urgent bool) (*waiter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.freeHijacked()
	// Somebody may have left in between, and found nobody in the queue.
	if a.queue.Len() == 0 && a.inside.Load() <= a.limit.Load() {
		return nil, nil
	}
	if a.closed != nil {
		a.inside.Add(-1)
		return nil, a.closed
	}
	if a.maxQueue > 0 && a.queue.Len() >= a.maxQueue {
		a.inside.Add(-1)
		a.refusals.Add(1)
		full := &ExhaustedError{Limit: int(a.limit.Load()), Queue: a.queue.Len() + 1, Full: true}
		a.letIn()
		return nil, full
	}
	w := a.queue.push(now, urgent)
	a.letIn()
	return w, nil
}

// abandon gives a place in the queue up, unless the waiter has been let in, or refused,
// meanwhile. It reports whether it did.
func (a *admission) abandon(w *waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.served {
		return false
	}
	a.queue.remove(w)
	a.inside.Add(-1)
	return true
}

func (a *admission) length() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queue.Len()
}

const (
	// recount is how often places and connections are counted.
	recount = 100 * time.Millisecond
	// settled is how many counts in a row must say that places are wrong until they are
	// corrected, because callers between admission and the pool have no connection for a
	// moment.
	settled = 10
)

// watch counts, until the context ends.
func (a *admission) watch(ctx context.Context) {
	tick := time.NewTicker(recount)
	defer tick.Stop()
	d := drift{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.recover(&d)
		}
	}
}

// drift is the number of places that some counts were off by.
type drift struct {
	counts, least, most int64
}

// recover counts, and corrects places that are off for long: taken by nobody, or not
// counted.
func (a *admission) recover(d *drift) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.freeHijacked()
	a.opened = a.open() - a.held
	a.adjust()
	a.peak = max(a.peak, a.inside.Load()+a.held)
	off := a.inside.Load() - int64(a.queue.Len()) - (a.used() - a.held)
	lost := off - a.openings.Load() // The Reader has places for those, and maybe no connections yet.
	a.stall.look(a.queue.Len() > 0 || lost > 0, a.hands.returned.Load(), time.Now())
	if a.adaptive && a.stall.lasts() > reader.StarvedAfter {
		a.wanted = min(a.wanted+1, a.max)
		a.adjust()
	}
	if d.counts == 0 {
		d.least, d.most = lost, off
	}
	d.counts, d.least, d.most = d.counts+1, min(d.least, lost), max(d.most, off)
	if d.counts < settled {
		return
	}
	if d.least > 0 {
		a.inside.Add(-d.least)
		a.letIn()
	} else if d.most < 0 {
		a.inside.Add(-d.most)
	}
	*d = drift{}
}

// setLimit changes how many may be in. Those who are stay.
func (a *admission) setLimit(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = n
	a.adjust()
}

// setCapacity says how many connections the server has for us.
func (a *admission) setCapacity(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.capacity.Store(n)
	a.adjust()
}

// takePeak returns how many connections could have been used since it was called last.
func (a *admission) takePeak() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	peak := max(a.peak, a.inside.Load()+a.held)
	a.peak = 0
	return peak
}

// getLimit returns what was set.
func (a *admission) getLimit() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wanted
}

// connections takes in that there are more connections, or fewer.
func (a *admission) connections(more int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened += more
	a.adjust()
}

// firstConnections is how many connections are opened at the same time at first.
const firstConnections = 4

// adjust makes the limit what it may be. A cold pool starts slowly, as TCP does: it opens
// no more connections at a time than it has. So a burst does not make Postgres fork a
// hundred server processes, and a waiter takes what comes first, a connection that is
// released or one that is new. It is called with the lock.
func (a *admission) adjust() {
	most := a.max
	if capacity := a.capacity.Load(); capacity > 0 {
		most = min(most, capacity)
	}
	limit := min(a.wanted, a.opened+max(a.opened, firstConnections), most-a.held)
	a.limit.Store(max(limit, 1))
	a.letIn()
}

// hold takes in that the Reader keeps a connection, which has a place until then.
func (a *admission) hold(conn *pgx.Conn) {
	if place := placeOf(conn); place != nil {
		place.taken = false // Its release gives nothing back.
	}
	if a.holders != nil {
		a.holders.released(conn) // It is no leak.
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held++
	a.hands.returned.Add(1)
	a.opened--
	a.inside.Add(-1)
	a.adjust()
}

// unhold takes in that the Reader has closed one.
func (a *admission) unhold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held--
	a.opened++ // until it is gone
	a.adjust()
}

const (
	closing     = time.Second          // how long a new connection waits for old ones to be closed
	lookForThem = 2 * time.Millisecond // and how often it looks
)

// awaitClosed waits, before a connection is opened, until it is one of as many as the
// server has for us. A place is left when a connection begins to be closed, and Postgres
// counts it until its server process has ended.
func (a *admission) awaitClosed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	for {
		capacity := a.capacity.Load()
		if capacity == 0 || a.used() <= capacity {
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
func (a *admission) leave() {
	if a.inside.Add(-1) >= a.limit.Load() {
		a.mu.Lock()
		a.letIn()
		a.mu.Unlock()
	}
}

// letIn lets those in whose turn it is, as far as there are places. It is called with
// the lock.
func (a *admission) letIn() {
	for a.queue.Len() > 0 && a.inside.Load()-int64(a.queue.Len()) < a.limit.Load() {
		w := a.queue.pop()
		w.served = true
		if a.queue.sheds(w) {
			w.refused = &ExhaustedError{Waited: time.Since(w.since), Limit: int(a.limit.Load()), Queue: a.queue.Len() + 1,
				Shed: true}
			a.shed.Add(1)
			a.inside.Add(-1)
		}
		close(w.ready)
	}
}

// refuseAll refuses those who wait, or would wait later.
func (a *admission) refuseAll(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = err
	for a.queue.Len() > 0 {
		w := a.queue.pop()
		w.served, w.refused = true, err
		a.inside.Add(-1)
		close(w.ready)
	}
}
