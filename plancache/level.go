package plancache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// level is the second level as a cache uses it: with a bound on its time, and with a
// breaker, which does not ask for a while after failures.
type level struct {
	carrier Invalidator
	store   Store  // nil if plans are not shared
	leaser  Leaser // the store, if it is one
	timeout time.Duration
	failed  func(error) // is called with errors

	failures  atomic.Int32              // in a row
	openUntil atomic.Pointer[time.Time] // nil: it is not open
	abandoned atomic.Int32              // calls that go on after their time

	uploads uploads

	hits, misses, errors, skipped, invalidations atomic.Uint64
	leases                                       leaseCounts
}

const (
	breakAfter = 3 // failures in a row
	breakFirst = 100 * time.Millisecond
	breakMost  = 10 * time.Second
	// mostAbandoned bounds the goroutines that a store holds which ignores its contexts.
	mostAbandoned = 16
)

var errBroken = errors.New("plancache: store circuit breaker open")

// badValue is an error that is not the store's: a value that it keeps is none, or a plan
// cannot be made one.
type badValue struct{ error }

func (e badValue) Unwrap() error { return e.error }

// open reports whether the second level is not to be asked now. When a break is over, one
// caller asks, and the others go on without for as long as that may take.
func (l *level) open() bool {
	if l.abandoned.Load() >= mostAbandoned {
		l.skipped.Add(1)
		return true
	}
	until := l.openUntil.Load()
	if until == nil {
		return false
	}
	now := time.Now() // Times are compared by the monotonic clock, which nobody sets.
	next := now.Add(l.timeout)
	if now.Before(*until) || !l.openUntil.CompareAndSwap(until, &next) {
		l.skipped.Add(1)
		return true
	}
	return false
}

// ask calls the second level, unless the breaker is open, for as long as the timeout.
func ask[T any](ctx context.Context, l *level, f func(context.Context) (T, error)) (value T, err error) {
	if l.open() {
		return value, errBroken
	}
	return askAnyway(ctx, l, l.timeout, f)
}

// askAnyway is ask whatever the breaker says, and with a timeout of its own.
func askAnyway[T any](
	ctx context.Context, l *level, timeout time.Duration, f func(context.Context) (T, error),
) (value T, err error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, err = within(limited, &l.abandoned, f)
	var bad badValue
	switch {
	case err == nil || errors.Is(err, ErrNotFound):
		l.worked()
	case errors.As(err, &bad), errors.Is(err, errGoexit): // No store ends goroutines, and a Codec may.
		l.worked()
		l.errors.Add(1)
		l.failed(err)
	case ctx.Err() == nil: // Else it is not its fault.
		l.errors.Add(1)
		if n := l.failures.Add(1); n >= breakAfter {
			pause := min(breakFirst<<min(n-breakAfter, 10), breakMost)
			until := time.Now().Add(pause/2 + rand.N(pause))
			l.openUntil.Store(&until)
		}
		l.failed(err)
	}
	return value, err
}

func (l *level) worked() {
	l.failures.Store(0)
	l.openUntil.Store(nil)
}

// delete is not for the breaker to skip: a carrier may keep what it cannot carry now, and what
// nobody is told of is served on.
func (l *level) delete(ctx context.Context, key string) error {
	return l.deleteWithin(ctx, l.timeout, func(ctx context.Context) error { return l.carrier.Delete(ctx, key) })
}

func (l *level) deleteWithin(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	if l.abandoned.Load() >= mostAbandoned {
		l.skipped.Add(1)
		return errBroken
	}
	_, err := askAnyway(ctx, l, timeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// batchOf is how many keys of a batch have the time of one call.
const batchOf = 1000

// deleteEach is delete for several keys.
func (l *level) deleteEach(ctx context.Context, keys []string) error {
	carrier, ok := l.carrier.(BatchInvalidator)
	if !ok || len(keys) < 2 {
		var errs []error
		for _, key := range keys {
			errs = append(errs, l.delete(ctx, key))
		}
		return errors.Join(errs...)
	}
	timeout := l.timeout * time.Duration(1+len(keys)/batchOf)
	return l.deleteWithin(ctx, timeout, func(ctx context.Context) error { return carrier.DeleteEach(ctx, keys) })
}

// deleteAll is delete for what takes its time, and is worth a try in any case. It ends when
// the cache does, whose context is the second one.
func (l *level) deleteAll(ctx, cache context.Context, keys string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(cache, cancel)()
	_, err := within(ctx, &l.abandoned, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.carrier.Delete(ctx, keys)
	})
	return err
}

func (l *level) stats() StoreStats {
	return StoreStats{
		Hits: l.hits.Load(), Misses: l.misses.Load(), Errors: l.errors.Load(), Skipped: l.skipped.Load(),
		Invalidations: l.invalidations.Load(), Leases: l.leases.stats(),
	}
}
