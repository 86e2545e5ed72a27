package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5/pgxpool"
)

// entry is a caller's way to a connection, through admission and then in pgxpool: for the
// user's tracer and for AcquireTimeout they are one wait. It is the context with which
// pgxpool is asked for the connection, and knows the one in which pgxpool waits.
type entry struct {
	context.Context             // the caller's
	taken           atomic.Bool // pgxpool was asked
	wait            bounded
}

type entryKey struct{}

// Value finds the entry itself in the context.
func (e *entry) Value(key any) any {
	if key == (entryKey{}) {
		return e
	}
	return e.Context.Value(key)
}

// follow enters, and returns the context with which pgxpool must be asked for a connection
// then. If nobody wants to know of the way, it is the caller's.
func (a *admission) follow(
	ctx context.Context, pool *pgxpool.Pool, enter func(context.Context) error,
) (context.Context, error) {
	if a.timeout == 0 && a.acquires == nil {
		return ctx, enter(ctx)
	}
	e := &entry{Context: ctx}
	e.wait.Context, e.wait.admission, e.wait.since = a.traceStart(ctx, pool), a, time.Now()
	if err := enter(e.wait.Context); err != nil {
		a.traceEnd(e.wait.Context, pool, pgxpool.TraceAcquireEndData{Err: err})
		return nil, err
	}
	return e, nil
}

// entered returns the context for pgxpool's wait: the one in which the caller's way has begun,
// with what is left of its time.
func (a *admission) entered(ctx context.Context, pool *pgxpool.Pool) context.Context {
	e, _ := ctx.Value(entryKey{}).(*entry)
	switch {
	case e == nil, e.taken.Swap(true): // It has come past the pool's own methods.
		return a.traceStart(ctx, pool)
	case a.timeout == 0:
		return e.wait.Context
	}
	return &e.wait
}

// traceStart reports to the user's tracer that a caller wants a connection.
func (a *admission) traceStart(ctx context.Context, pool *pgxpool.Pool) context.Context {
	if a.acquires == nil || quiet.Is(ctx) {
		return ctx
	}
	return a.acquires.TraceAcquireStart(ctx, pool, pgxpool.TraceAcquireStartData{})
}

// traceEnd reports to it that the caller has a connection, or why it has none.
func (a *admission) traceEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	switch {
	case quiet.Is(ctx):
		if data.Conn != nil {
			quiet.Acquired(data.Conn)
		}
	case a.acquires != nil:
		a.acquires.TraceAcquireEnd(ctx, pool, data)
	}
}

// bounded is the context of a wait in pgxpool, which ends with AcquireTimeout. A connection
// that is being opened meanwhile is opened all the same, for others.
type bounded struct {
	context.Context // the caller's
	admission       *admission
	since           time.Time

	mu     sync.Mutex
	looked bool            // pgxpool has looked whether it has ended
	timed  context.Context // ends in time; nil until pgxpool waits
	cancel context.CancelFunc
}

// Deadline returns when the wait ends.
func (b *bounded) Deadline() (time.Time, bool) {
	end := b.since.Add(b.admission.timeout)
	if of, ok := b.Context.Deadline(); ok && of.Before(end) {
		return of, true
	}
	return end, true
}

// Done returns the caller's channel at first, when pgxpool has not waited yet and only looks:
// where there is a connection, no timer is needed.
func (b *bounded) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.looked {
		b.looked = true
		return b.Context.Done()
	}
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(b.Context, b.since.Add(b.admission.timeout))
	}
	return b.timed.Done()
}

// Err returns the caller's error, or that the time is over.
func (b *bounded) Err() error {
	if err := b.Context.Err(); err != nil {
		return err
	}
	waited := time.Since(b.since)
	if waited < b.admission.timeout {
		return nil
	}
	return &ExhaustedError{Waited: waited, Limit: int(b.admission.limit.Load()), Queue: b.admission.length() + 1,
		Opening: true}
}

// stop ends the wait.
func (b *bounded) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

// callers returns the context of a caller, without the bound of its wait: a hook that is at
// work on a connection must not be stopped in the middle of it.
func callers(ctx context.Context) context.Context {
	if b, ok := ctx.(*bounded); ok {
		return b.Context
	}
	return ctx
}
