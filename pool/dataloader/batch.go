package dataloader

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// batch is keys that are fetched together.
type batch[K comparable, V any] struct {
	keys    []K
	cleared map[K]int // the indexes of keys that were cleared before the fetch began
	waiters int
	full    bool // it has as many keys as a batch may have

	ctx    context.Context // of the fetch
	cancel context.CancelFunc
	task   *task

	done    chan struct{} // closed when the results are there
	results []result[V]   // of the keys, by their index
}

// result is what Load returns.
type result[V any] struct {
	value V
	err   error
}

// closed is the done of results that are there from the beginning.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// newBatch returns a batch without keys. Its context has the values of ctx.
func newBatch[K comparable, V any](ctx context.Context) *batch[K, V] {
	b := &batch[K, V]{done: make(chan struct{})}
	b.task = &task{done: b.done}
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.ctx = context.WithValue(ctx, taskKey{}, b.task)
	return b
}

// await returns the result of a key when its batch is done. It is called once for each find.
func (l *Loader[K, V]) await(ctx context.Context, p place[K, V]) (value V, err error) {
	if err := l.wait(ctx, p.batch); err != nil {
		return value, err
	}
	r := p.batch.results[p.index]
	return r.value, r.err
}

// wait returns nil when the batch is done.
func (l *Loader[K, V]) wait(ctx context.Context, b *batch[K, V]) error {
	select {
	case <-b.done:
		return nil
	default:
	}
	if from := taskOf(ctx); from != nil {
		if !from.enter(b.task) {
			l.leave(b)
			return ErrCycle
		}
		defer from.leave(b.task)
	}
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		l.leave(b)
		return ctx.Err()
	}
}

// leave takes a waiter off a batch. A batch that nobody waits for any more is cancelled, and
// who asks for its keys from now on gets another one. One that is done has no keys: what is
// known stays so.
func (l *Loader[K, V]) leave(b *batch[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.waiters--; b.waiters > 0 {
		return
	}
	b.cancel()
	for i := range b.keys {
		l.forget(b, i)
	}
	if l.current == b {
		l.current = nil
	}
}

// run fetches a batch when no more keys come.
func (l *Loader[K, V]) run(b *batch[K, V]) {
	defer b.cancel()
	keys := l.collect(b)
	var results []result[V]
	var lost []int
	defer func() { l.finish(b, results, lost) }() // Deferred for a fetch that calls Goexit.
	results, lost = l.results(b, keys)
}

const (
	// quietRounds is how often others must have had their turn without asking.
	quietRounds = 3
	// stillRounds is for how many turns the clock may stand still. Within testing/synctest
	// it does until all goroutines wait.
	stillRounds = 1000
)

// collect waits for more keys and returns them. They are the fetch's own.
func (l *Loader[K, V]) collect(b *batch[K, V]) []K {
	start := time.Now()
	last, still := start, 0
	for n, rounds, since := 0, 0, start; ; {
		runtime.Gosched() // Others may be about to ask.
		now := time.Now()
		if still++; !now.Equal(last) {
			last, still = now, 0
		} else if still == stillRounds {
			time.Sleep(l.options.Quiet/2 + 1)
			still = 0
		}
		l.mu.Lock()
		more := len(b.keys) > n
		rounds++
		if n = len(b.keys); more {
			since, rounds = now, 0
		}
		if b.full || b.ctx.Err() != nil || rounds >= quietRounds && now.Sub(since) >= l.options.Quiet || now.Sub(start) >= l.options.MaxWait {
			if l.current == b {
				l.current = nil
			}
			b.cleared = nil
			keys := slices.Clone(b.keys)
			l.mu.Unlock()
			return keys
		}
		l.mu.Unlock()
	}
}

// results calls fetch, unless nobody waits any more, and returns the result of each key and
// the indexes of those that are not kept. It returns what fetch panics with as an error.
func (l *Loader[K, V]) results(b *batch[K, V], keys []K) (results []result[V], lost []int) {
	ended := false
	defer func() {
		if ended {
			return
		}
		err := errGoexit // which goes on after this
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
		results, lost = fill[V](len(b.keys), err)
	}()
	if err := b.ctx.Err(); err != nil {
		ended = true
		return fill[V](len(b.keys), err)
	}
	values, err := l.fetch(b.ctx, keys)
	results, lost = spread(b.keys, values, err) // What err consists of may panic as well.
	ended = true
	return results, lost
}

// fill returns the results of n keys with the same error.
func fill[V any](n int, err error) (results []result[V], lost []int) {
	results, lost = make([]result[V], n), make([]int, n)
	for i := range results {
		results[i].err, lost[i] = err, i
	}
	return results, lost
}

// spread returns the results of keys from what a fetch returned. That a key is not found is
// kept like its value. An error of the whole fetch is not, even if that something was not
// found is the reason.
func spread[K comparable, V any](keys []K, values map[K]V, err error) (results []result[V], lost []int) {
	failed, others := splitError[K](err)
	results = make([]result[V], len(keys))
	for i, key := range keys {
		r := &results[i]
		if one := failed[key]; one != nil {
			r.err = one
			if !errors.Is(one, ErrNotFound) {
				lost = append(lost, i)
			}
		} else if value, ok := values[key]; ok {
			r.value = value
		} else if others == nil {
			r.err = ErrNotFound
		} else {
			r.err = others
			lost = append(lost, i)
		}
	}
	return results, lost
}

// finish hands out the results, after it has made unknown what is not kept: a Load that
// begins when somebody has the error fetches again.
func (l *Loader[K, V]) finish(b *batch[K, V], results []result[V], lost []int) {
	if results == nil {
		results, lost = fill[V](len(b.keys), errGoexit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range lost {
		l.forget(b, i)
	}
	b.results, b.keys = results, nil
	close(b.done)
}
