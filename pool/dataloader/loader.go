// Package dataloader collects the keys that the resolvers of a request ask for at about
// the same time, and fetches them together: where a resolver would run
//
//	select ... from users where id = $1
//
// for each element of a list, one statement runs for all of them:
//
//	users := dataloader.New(dataloader.ByKey(reader, "select id, name from users where id = any($1)", func(u User) int { return u.ID }), dataloader.Options{})
//	user, err := users.Load(ctx, post.AuthorID)
//
// There is no fixed wait: a batch goes when no more keys come, see [Options].
package dataloader

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// ErrNotFound is returned for a key that fetch has not returned.
var ErrNotFound = errors.New("dataloader: not found")

// PanicError is a panic of fetch. All who waited for its keys get it.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that fetched
}

// Error tells the value.
func (e *PanicError) Error() string { return fmt.Sprintf("dataloader: fetch panicked: %v", e.Value) }

// Options say when keys are fetched. Zero fields have defaults.
type Options struct {
	// Quiet is for how long no key must have come for a batch to go, 10 us by default.
	// Meanwhile other goroutines run: where they wait for a CPU, all that are ready to
	// ask have asked by then.
	Quiet time.Duration
	// MaxWait bounds the wait of the first key, 2 ms by default.
	MaxWait time.Duration
	// MaxBatch is the largest number of keys in a batch, 1000 by default.
	MaxBatch int
}

// Loader loads values by their keys, each key once: it is for one request, whose
// resolvers it shows the same values. It is safe for concurrent use.
type Loader[K comparable, V any] struct {
	fetch   func(context.Context, []K) (map[K]V, error)
	options Options

	mu      sync.Mutex
	known   map[K]*batch[K, V] // what the keys are in
	current *batch[K, V]       // that takes more keys
}

// batch is keys that are fetched together.
type batch[K comparable, V any] struct {
	keys    []K
	waiters int
	full    bool
	cancel  context.CancelFunc

	done   chan struct{} // closed when what follows is there
	values map[K]V
	err    error
}

// New makes a loader. fetch returns the values of keys, which it must not change or keep;
// a key may be missing. It runs with the values of the first caller's context; the context
// ends when nobody waits any more.
func New[K comparable, V any](fetch func(ctx context.Context, keys []K) (map[K]V, error), o Options) *Loader[K, V] {
	if o.Quiet <= 0 {
		o.Quiet = 10 * time.Microsecond
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 2 * time.Millisecond
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 1000
	}
	return &Loader[K, V]{fetch: fetch, options: o, known: map[K]*batch[K, V]{}}
}

// Load returns the value of a key. Errors of fetch are those of all its keys, and are
// kept as values are.
func (l *Loader[K, V]) Load(ctx context.Context, key K) (V, error) {
	l.mu.Lock()
	b := l.join(ctx, key)
	l.mu.Unlock()
	if err := l.wait(ctx, b); err != nil {
		var none V
		return none, err
	}
	return b.value(key)
}

// LoadAll returns the values of keys, in their order. The error is the first one; values
// of keys that have none are zero.
func (l *Loader[K, V]) LoadAll(ctx context.Context, keys []K) ([]V, error) {
	batches := make([]*batch[K, V], len(keys))
	l.mu.Lock()
	for i, key := range keys {
		batches[i] = l.join(ctx, key)
	}
	l.mu.Unlock()
	values := make([]V, len(keys))
	var first error
	for i, b := range batches {
		err := l.wait(ctx, b)
		if err == nil {
			values[i], err = b.value(keys[i])
		}
		if first == nil {
			first = err
		}
	}
	return values, first
}

// Prime makes a value known, unless its key is known already.
func (l *Loader[K, V]) Prime(key K, value V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[key] == nil {
		done := make(chan struct{})
		close(done)
		l.known[key] = &batch[K, V]{done: done, values: map[K]V{key: value}, cancel: func() {}}
	}
}

// Clear makes the next Load of a key fetch it again.
func (l *Loader[K, V]) Clear(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, key)
}

// join returns the batch of a key. It is called with the lock.
func (l *Loader[K, V]) join(ctx context.Context, key K) *batch[K, V] {
	b := l.known[key]
	if b == nil {
		if b = l.current; b == nil {
			fetching, cancel := context.WithCancel(context.WithoutCancel(ctx))
			b = &batch[K, V]{done: make(chan struct{}), cancel: cancel}
			l.current = b
			go l.run(fetching, b)
		}
		b.keys = append(b.keys, key)
		l.known[key] = b
		if len(b.keys) >= l.options.MaxBatch {
			b.full, l.current = true, nil
		}
	}
	b.waiters++
	return b
}

// wait waits for a batch.
func (l *Loader[K, V]) wait(ctx context.Context, b *batch[K, V]) error {
	select {
	case <-b.done:
		return nil
	default:
	}
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.waiters--; b.waiters == 0 {
		b.cancel()
		// Who asks now must not get what was cancelled.
		for _, key := range b.keys {
			if l.known[key] == b {
				delete(l.known, key)
			}
		}
		if l.current == b {
			l.current = nil
		}
	}
	return ctx.Err()
}

func (b *batch[K, V]) value(key K) (v V, err error) {
	if b.err != nil {
		return v, b.err
	}
	v, ok := b.values[key]
	if !ok {
		return v, ErrNotFound
	}
	return v, nil
}

// run fetches a batch when no more keys come.
func (l *Loader[K, V]) run(ctx context.Context, b *batch[K, V]) {
	defer b.cancel()
	defer close(b.done) // Also if fetch ends this goroutine.
	keys := l.collect(b)
	b.err = errors.New("dataloader: fetch has ended its goroutine")
	b.values, b.err = l.protected(ctx, keys)
}

// quietRounds is how often others must have had their turn without asking.
const quietRounds = 3

// collect waits for more keys and returns them.
func (l *Loader[K, V]) collect(b *batch[K, V]) []K {
	start := time.Now()
	for n, rounds, since := 0, 0, start; ; {
		runtime.Gosched() // Others may be about to ask.
		now := time.Now()
		l.mu.Lock()
		more := len(b.keys) > n
		rounds++
		if n = len(b.keys); more {
			since, rounds = now, 0
		}
		if b.full || rounds >= quietRounds && now.Sub(since) >= l.options.Quiet || now.Sub(start) >= l.options.MaxWait {
			if l.current == b {
				l.current = nil
			}
			l.mu.Unlock()
			return b.keys
		}
		l.mu.Unlock()
	}
}

// protected makes a panic an error.
func (l *Loader[K, V]) protected(ctx context.Context, keys []K) (values map[K]V, err error) {
	ended := false
	defer func() {
		if !ended {
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	values, err = l.fetch(ctx, keys)
	ended = true
	return values, err
}
