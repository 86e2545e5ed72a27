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
//
// # What is kept
//
// A Loader is for one request, and shows it one consistent view: a value, and that a key is
// not found ([ErrNotFound]), stay known until Clear. Errors, panics and fetches whose context
// ended do not: they go to the callers that wait for the batch, and a Load that begins after
// that fetches the key again.
//
// # Errors
//
// A fetch may return values beside an error: keys that have a value get it, the others get
// the error. With [KeyErrors] a fetch says which keys failed, and of what.
package dataloader

import (
	"context"
	"fmt"
	"sync"
	"time"
)

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
// resolvers it shows the same values. It is safe for concurrent use. All callers of a key
// get the same value: what it points to must not be changed.
type Loader[K comparable, V any] struct {
	fetch   func(context.Context, []K) (map[K]V, error)
	options Options

	mu      sync.Mutex
	known   map[K]place[K, V] // where the results of keys are, or will be
	current *batch[K, V]      // the batch that takes more keys; nil if there is none
}

// place is where the result of a key is.
type place[K comparable, V any] struct {
	batch *batch[K, V]
	index int // in the keys and the results of the batch
}

// New returns a loader.
//
// fetch returns the values of keys; a key may be missing. It runs in a goroutine of its own,
// several calls at the same time if there are several batches. keys belongs to fetch, which
// may change and keep it; each key is in it once. The map is read before fetch counts as
// ended, and not kept. For errors see [KeyErrors].
//
// The context has the values of the first caller's context, and ends when nobody waits any
// more. A fetch that loads from this loader or another one must pass its context on, so that
// circles are found ([ErrCycle]).
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
	return &Loader[K, V]{fetch: fetch, options: o, known: map[K]place[K, V]{}}
}

// Load returns the value of a key, and fetches it unless it is known. It returns as soon as
// ctx ends, with the context's error.
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

// LoadAll returns the values of keys, in their order. The error is the first one; values
// of keys that have none are zero.
func (l *Loader[K, V]) LoadAll(ctx context.Context, keys []K) ([]V, error) {
	places := make([]place[K, V], len(keys))
	values := make([]V, len(keys))
	var first, refused error // refused is the error of the first key without a batch
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

// Prime makes a value known, unless its key is known or being fetched already.
func (l *Loader[K, V]) Prime(key K, value V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { _ = recover() }() // What is no key is not known.
	if _, known := l.known[key]; !known {
		b := &batch[K, V]{done: closed, results: []result[V]{{value: value}}}
		l.known[key] = place[K, V]{batch: b}
	}
}

// Clear forgets a key: the next Load fetches it again, in a fetch that begins after Clear.
// Callers that wait for the key get what they wait for.
func (l *Loader[K, V]) Clear(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { _ = recover() }() // What is no key is not known.
	p, known := l.known[key]
	if !known {
		return
	}
	delete(l.known, key)
	if p.batch == l.current {
		// The batch has not begun to fetch: it is where the next Load belongs as well.
		if p.batch.cleared == nil {
			p.batch.cleared = map[K]int{}
		}
		p.batch.cleared[key] = p.index
	}
}

// find returns where the result of a key is, after it has put a key that is not known into
// a batch. What it returns without an error must be awaited. It is called with the lock, and
// does not panic.
func (l *Loader[K, V]) find(ctx context.Context, key K) (p place[K, V], err error) {
	defer func() {
		// An interface may hold a slice or a map, which is no key.
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

// add puts a key into the batch that takes keys. It is called with the lock.
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
	}
	return p
}

// forget makes a key of a batch unknown. It is called with the lock.
func (l *Loader[K, V]) forget(b *batch[K, V], index int) {
	if key := b.keys[index]; l.known[key].batch == b {
		delete(l.known, key)
	}
}
