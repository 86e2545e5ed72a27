// Package dataloader collects the keys that the resolvers of a request ask for at about
// the same time, and fetches them together: where a resolver would run
//
//	select ... from users where id = $1
//
// for each element of a list, one statement runs for all of them:
//
//	fetch := dataloader.ByKey(reader, "select id, name from users where id = any($1)", func(u User) int { return u.ID })
//	users := dataloader.New(fetch, dataloader.Options{})
//	user, err := users.Load(ctx, post.AuthorID)
//
// There is no fixed wait: a batch is fetched as soon as no more keys arrive, see [Options]. An
// executor that knows how many resolvers it calls says so with package callers; a batch is then
// fetched when the last of them waits for it.
//
// # What a loader keeps
//
// A Loader serves one request and gives it one consistent view: it keeps values and
// [ErrNotFound] until Clear. It does not keep errors, panics or the result of a fetch whose
// context ended: the waiters of the batch receive them, and a Load that begins later fetches
// the key again.
//
// # Errors
//
// A fetch may return values together with an error: keys with a value get the value, all
// others get the error. [KeyErrors] assigns an error to each key that failed.
package dataloader

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Options configures when a batch is fetched. Zero fields have defaults.
type Options struct {
	// Quiet is how long a batch waits for another key before it is fetched, 10 us by
	// default. Other goroutines run in this time, so those that are ready to call Load
	// have called it by the end, even on a busy CPU. The batch yields the CPU and does not sleep,
	// so a long one costs CPU time. It is not used for a batch whose callers are known, see
	// package callers.
	Quiet time.Duration
	// MaxWait bounds how long the first key of a batch waits, 2 ms by default.
	MaxWait time.Duration
	// MaxBatch is the largest number of keys in a batch, 1000 by default.
	MaxBatch int
}

// Loader loads values by key and fetches each key once. It serves one request. It is safe
// for concurrent use. All callers of a key share its value, so they must not change what it
// points to.
type Loader[K comparable, V any] struct {
	fetch   func(context.Context, []K) (map[K]V, error)
	options Options

	mu      sync.Mutex
	known   map[K]place[K, V] // where each key's result is or will be
	current *batch[K, V]      // the batch that accepts keys; nil if there is none
}

// place says where the result of a key is.
type place[K comparable, V any] struct {
	batch *batch[K, V]
	index int // into the batch's keys and results
}

// New returns a loader.
//
// fetch returns the values of keys; keys may be missing from the map. Each call runs in its
// own goroutine, and calls for several batches may run at the same time. keys holds each key
// once and belongs to fetch, which may modify and keep it. The loader does not keep the map.
// See [KeyErrors] for errors.
//
// The context carries the values of the first caller's context and ends when no waiters are
// left. A fetch that calls Load, of this loader or another one, must pass its context, so
// that the loader detects cycles ([ErrCycle]). New panics if fetch is nil.
func New[K comparable, V any](fetch func(ctx context.Context, keys []K) (map[K]V, error), o Options) *Loader[K, V] {
	if fetch == nil {
		panic("dataloader: New needs a fetch")
	}
	if o.Quiet <= 0 {
		o.Quiet = 10 * time.Microsecond
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 2 * time.Millisecond
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 1000
	}
	return &Loader[K, V]{fetch: fetch, options: o, known: map[K]place[K, V]{}}
}

// Load returns the value of a key and fetches it unless it is known. When ctx ends, Load
// returns the context's error at once.
func (l *Loader[K, V]) Load(ctx context.Context, key K) (V, error) {
	l.mu.Lock()
	p, err := l.find(ctx, key)
	l.mu.Unlock()
	if err != nil {
		var none V
		return none, err
	}
	return l.await(ctx, p)
}

// LoadAll returns the values of keys in the same order. A key without a value has the zero
// value. The error is that of the first key that has one.
func (l *Loader[K, V]) LoadAll(ctx context.Context, keys []K) ([]V, error) {
	places := make([]place[K, V], len(keys))
	values := make([]V, len(keys))
	var first, refused error // refused is the error of the first key that find rejected
	l.mu.Lock()
	for i, key := range keys {
		var err error
		if places[i], err = l.find(ctx, key); refused == nil {
			refused = err
		}
	}
	l.mu.Unlock()
	for i, p := range places {
		err := refused
		if p.batch != nil {
			values[i], err = l.await(ctx, p)
		}
		if first == nil {
			first = err
		}
	}
	return values, first
}

// Prime sets the value of a key, unless the key is known or is being fetched.
func (l *Loader[K, V]) Prime(key K, value V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { _ = recover() }() // The key is not hashable, so it is not known.
	if _, known := l.known[key]; !known {
		b := &batch[K, V]{done: closed, results: []result[V]{{value: value}}}
		l.known[key] = place[K, V]{batch: b}
	}
}

// Clear forgets a key: the next Load fetches it again, with a fetch that begins after Clear.
// Callers that are already waiting for the key get the result they are waiting for.
func (l *Loader[K, V]) Clear(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { _ = recover() }() // The key is not hashable, so it is not known.
	p, known := l.known[key]
	if !known {
		return
	}
	delete(l.known, key)
	if p.batch == l.current {
		// The fetch has not begun, so the next Load joins this batch too.
		if p.batch.cleared == nil {
			p.batch.cleared = map[K]int{}
		}
		p.batch.cleared[key] = p.index
	}
}

// find returns the place of a key's result. It adds an unknown key to a batch. The caller
// holds the lock and must await the place. find does not panic.
func (l *Loader[K, V]) find(ctx context.Context, key K) (p place[K, V], err error) {
	if ctx == nil {
		return p, errNoContext
	}
	defer func() {
		// K may be an interface that holds a slice or a map.
		if r := recover(); r != nil {
			p, err = place[K, V]{}, fmt.Errorf("dataloader: cannot load a key of type %T: %v", key, r)
		}
	}()
	p, known := l.known[key]
	if !known {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		p = l.add(ctx, key)
	}
	p.batch.waiters++
	return p, nil
}

// add adds a key to the current batch. The caller holds the lock.
func (l *Loader[K, V]) add(ctx context.Context, key K) place[K, V] {
	b := l.current
	if b == nil {
		b = newBatch[K, V](ctx)
		l.current = b
		go l.run(b)
	}
	index, again := b.cleared[key]
	if again {
		delete(b.cleared, key)
	} else {
		index = len(b.keys)
		b.keys = append(b.keys, key)
	}
	p := place[K, V]{batch: b, index: index}
	l.known[key] = p
	if len(b.keys) >= l.options.MaxBatch {
		b.full, l.current = true, nil
		b.hurry()
	}
	return p
}

// forget makes a key of a batch unknown. The caller holds the lock.
func (l *Loader[K, V]) forget(b *batch[K, V], index int) {
	if key := b.keys[index]; l.known[key].batch == b {
		delete(l.known, key)
	}
}
