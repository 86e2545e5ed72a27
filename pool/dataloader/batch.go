package dataloader

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader/callers"
)

// batch is keys that are fetched together.
type batch[K comparable, V any] struct {
	keys    []K
	cleared map[K]int // index of each key that was cleared before the fetch began
	waiters int
	full    bool // it has MaxBatch keys

	ctx    context.Context // of the fetch
	cancel context.CancelFunc
	task   task

	// told says that the first caller belongs to a group, so that the batch is told when no
	// more keys come: ready is closed then.
	told     bool
	expected atomic.Int32 // groups whose callers may bring more keys
	ready    chan struct{}
	once     sync.Once // of closing ready
	groups   []waitingGroup

	done    chan struct{} // closed when results is set
	results []result[V]   // by the index of the key
}

// waitingGroup is a group of which n callers wait for a batch.
type waitingGroup struct {
	*callers.Group
	n int
}

// wait adds n callers of a group to those that wait.
func (b *batch[K, V]) wait(g *callers.Group, n int) {
	i := slices.IndexFunc(b.groups, func(w waitingGroup) bool { return w.Group == g })
	if i < 0 {
		i, b.groups = len(b.groups), append(b.groups, waitingGroup{Group: g})
	}
	b.groups[i].n += n
}

// result is what Load returns.
type result[V any] struct {
	value V
	err   error
}

// closed is the done channel of primed values.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// newBatch returns an empty batch. Its context carries the values of ctx.
func newBatch[K comparable, V any](ctx context.Context) *batch[K, V] {
	b := &batch[K, V]{done: make(chan struct{}), keys: make([]K, 0, 8)}
	b.task.done = b.done
	if b.told = callers.From(ctx) != nil; b.told {
		b.ready = make(chan struct{})
		ctx = callers.Without(ctx) // The fetch is no caller.
	}
	b.task.values = ctx
	b.ctx, b.cancel = context.WithCancel(&b.task)
	return b
}

// Expect implements [callers.Batch].
func (b *batch[K, V]) Expect() { b.expected.Add(1) }

// Complete implements [callers.Batch].
func (b *batch[K, V]) Complete() {
	if b.expected.Add(-1) == 0 {
		b.hurry()
	}
}

// hurry ends the wait for more keys.
func (b *batch[K, V]) hurry() {
	if b.told {
		b.once.Do(func() { close(b.ready) })
	}
}

// await waits for a batch and returns the result of a key. It is called once for each find.
func (l *Loader[K, V]) await(ctx context.Context, p place[K, V]) (value V, err error) {
	if err := l.wait(ctx, p.batch); err != nil {
		return value, err
	}
	r := p.batch.results[p.index]
	return r.value, r.err
}

// wait waits until the batch is done or ctx ends.
func (l *Loader[K, V]) wait(ctx context.Context, b *batch[K, V]) error {
	select {
	case <-b.done:
		return nil
	default:
	}
	if from := taskOf(ctx); from != nil {
		if !from.enter(&b.task) {
			l.leave(b)
			return ErrCycle
		}
		defer from.leave(&b.task)
	}
	g := callers.From(ctx)
	if g != nil {
		l.waitAsCaller(g, b)
	}
	select {
	case <-b.done: // And finish has resumed the group.
		return nil
	case <-ctx.Done():
		l.leave(b)
		if g != nil {
			l.resume(g, b)
		}
		return ctx.Err()
	}
}

// waitAsCaller says that a caller of a group waits for a batch.
func (l *Loader[K, V]) waitAsCaller(g *callers.Group, b *batch[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.results != nil {
		return
	}
	b.wait(g, 1)
	g.Wait(b)
}

// resume says that a caller does not, unless finish has said so: then all of them resume at
// the same time, so that their next batch has the keys of all.
func (l *Loader[K, V]) resume(g *callers.Group, b *batch[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.results == nil {
		b.wait(g, -1)
		g.Resume(1)
	}
}

// leave removes a waiter from a batch. A batch without waiters is cancelled, and its keys
// become unknown, so that later callers start another batch. A batch that is done has no keys
// left to forget.
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

// run collects the keys of a batch and fetches them.
func (l *Loader[K, V]) run(b *batch[K, V]) {
	defer b.cancel()
	keys := l.collect(b)
	var results []result[V]
	var lost []int
	defer func() { l.finish(b, results, lost) }() // Deferred, as fetch may call Goexit.
	results, lost = l.results(b, keys)
}

const (
	// quietRounds is how many times collect must yield the CPU without receiving a key.
	quietRounds = 3
	// stillRounds is how many times collect yields while the clock stands still. The clock
	// of testing/synctest advances only when all goroutines are blocked.
	stillRounds = 1000
)

// collect waits until no more keys arrive and returns a copy of the keys.
func (l *Loader[K, V]) collect(b *batch[K, V]) []K {
	if b.told {
		return l.collectTold(b)
	}
	start := time.Now()
	last, still := start, 0
	for n, rounds, since := 0, 0, start; ; {
		runtime.Gosched() // Other goroutines may be about to call Load.
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
		if b.full || b.ctx.Err() != nil || rounds >= quietRounds && now.Sub(since) >= l.options.Quiet ||
			now.Sub(start) >= l.options.MaxWait {
			keys := l.take(b)
			l.mu.Unlock()
			return keys
		}
		l.mu.Unlock()
	}
}

// collectTold is collect for a batch that is told when no more keys come. MaxWait bounds the
// wait for a caller that does something else meanwhile.
func (l *Loader[K, V]) collectTold(b *batch[K, V]) []K {
	timer := time.NewTimer(l.options.MaxWait)
	defer timer.Stop()
	select {
	case <-b.ready:
	case <-b.ctx.Done():
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(b)
}

// take returns the keys of a batch, which accepts no more. The caller holds the lock.
func (l *Loader[K, V]) take(b *batch[K, V]) []K {
	if l.current == b {
		l.current = nil
	}
	b.cleared = nil
	return slices.Clone(b.keys)
}

// results calls fetch, unless no waiters are left. It returns the result of each key and the
// indexes of the results that the loader does not keep. A panic of fetch becomes an error.
func (l *Loader[K, V]) results(b *batch[K, V], keys []K) (results []result[V], lost []int) {
	defer func() {
		if r := recover(); r != nil {
			results, lost = fill[V](len(b.keys), &PanicError{Value: r, Stack: debug.Stack()})
		}
	}()
	if err := b.ctx.Err(); err != nil {
		return fill[V](len(b.keys), err)
	}
	values, err := l.fetch(b.ctx, keys)
	return spread(b.keys, values, err) // Methods of err may panic too.
}

// fill returns the results of n keys with the same error.
func fill[V any](n int, err error) (results []result[V], lost []int) {
	results, lost = make([]result[V], n), make([]int, n)
	for i := range results {
		results[i].err, lost[i] = err, i
	}
	return results, lost
}

// spread assigns what a fetch returned to the keys. The loader keeps values and ErrNotFound.
// It does not keep an error of the whole fetch, even one that wraps ErrNotFound.
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

// finish publishes the results. It first forgets the keys in lost, so that a Load that begins
// after a caller has received the error fetches the key again.
func (l *Loader[K, V]) finish(b *batch[K, V], results []result[V], lost []int) {
	if results == nil { // The goroutine is ending: run has received no results.
		results, lost = fill[V](len(b.keys), errGoexit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range lost {
		l.forget(b, i)
	}
	b.results, b.keys = results, nil
	for _, w := range b.groups {
		w.Resume(w.n)
	}
	close(b.done)
}
