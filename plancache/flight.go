package plancache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrCycle is returned by a Load inside of a build that waits for this build itself. It is
// found through the contexts that builds get.
var ErrCycle = errors.New("plancache: the build of a plan waits for itself")

// flights runs a function once for all who want the same key meanwhile.
type flights[K comparable, V any] struct {
	tasks *tasks
	mu    sync.Mutex
	calls map[K]*call[K, V]
}

// call is a function that is on its way.
type call[K comparable, V any] struct {
	waiting
	flights *flights[K, V]
	key     K
	text    string // for which of the texts of its key
	done    chan struct{}
	waiters int  // guarded by the lock of flights
	alone   bool // it goes on without waiters; guarded by the lock of flights
	cancel  context.CancelFunc
	once    sync.Once
	value   V
	err     error
}

// runner makes what a call is for, and ends the call by finish.
type runner[K comparable, V any] = func(context.Context, *call[K, V])

// join returns the call of a key, which it starts if there is none. It is for wait,
// which must follow.
//
// The call's context has the values of the first caller's, and ends when no waiters are
// left.
func (f *flights[K, V]) join(ctx context.Context, key K, text string, run runner[K, V]) *call[K, V] {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.calls[key]
	if one == nil {
		one = f.start(ctx, key, text, run)
	}
	one.waiters++
	return one
}

// background starts a call that nobody waits for, if there is none. It goes on for as long as a
// limit, or until all who have joined it have left.
func (f *flights[K, V]) background(ctx context.Context, key K, text string, limit time.Duration, run runner[K, V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls[key] != nil {
		return
	}
	one := f.start(ctx, key, text, func(ctx context.Context, one *call[K, V]) {
		defer time.AfterFunc(limit, one.unaided).Stop()
		run(ctx, one)
	})
	one.alone = true
}

func (f *flights[K, V]) start(ctx context.Context, key K, text string, run runner[K, V]) *call[K, V] {
	one := &call[K, V]{flights: f, key: key, text: text, done: make(chan struct{})}
	detached, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), waitingKey{}, &one.waiting))
	one.cancel = cancel
	if f.calls == nil {
		f.calls = map[K]*call[K, V]{}
	}
	f.calls[key] = one
	work := func() {
		defer cancel()
		defer func() { var none V; one.finish(none, errGoexit) }() // if run has not
		run(detached, one)
	}
	if !f.tasks.start(work) {
		go work() // The cache is closed, and nobody waits for its tasks.
	}
	return one
}

// finish ends a call, for all who wait. Another finish changes nothing.
func (one *call[K, V]) finish(value V, err error) {
	one.once.Do(func() {
		one.value, one.err = value, err
		one.flights.mu.Lock()
		if one.flights.calls[one.key] == one {
			delete(one.flights.calls, one.key)
		}
		one.flights.mu.Unlock()
		close(one.done)
	})
}

// current reports whether a call is still the one that counts for its key.
func (one *call[K, V]) current() bool {
	one.flights.mu.Lock()
	defer one.flights.mu.Unlock()
	return one.flights.calls[one.key] == one
}

// wait returns what a call has made, or the context's error if that ends before.
func (one *call[K, V]) wait(ctx context.Context) (V, error) {
	err := ErrCycle
	if inside, _ := ctx.Value(waitingKey{}).(*waiting); inside.begin(&one.waiting) {
		defer inside.end(&one.waiting)
		select {
		case <-one.done:
			return one.value, one.err
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	one.flights.mu.Lock()
	defer one.flights.mu.Unlock()
	one.waiters--
	if !errors.Is(err, ErrCycle) { // Else the call has asked for itself.
		one.alone = false // It may hang: the next caller must not wait for it as well.
	}
	one.end()
	var none V
	return none, err
}

// unaided ends a call in the background if nobody waits for it.
func (one *call[K, V]) unaided() {
	one.flights.mu.Lock()
	defer one.flights.mu.Unlock()
	one.alone = false
	one.end()
}

// end ends a call that nobody wants any more. It is called with the lock of flights.
func (one *call[K, V]) end() {
	if one.waiters > 0 || one.alone {
		return
	}
	one.cancel()
	if f := one.flights; f.calls[one.key] == one {
		delete(f.calls, one.key) // New callers must not wait for what is canceled.
	}
}

// forget lets the calls of some keys count no more: what they make is for those who wait
// already.
func (f *flights[K, V]) forget(which func(K) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.calls {
		if which(key) {
			delete(f.calls, key)
		}
	}
}

// waiting is the set of calls that a call waits for.
type waiting struct {
	mu      sync.Mutex
	targets map[*waiting]int
}

type waitingKey struct{}

// begin notes that w waits for another call, and reports whether it may: not if that one
// waits for w. A nil w is no call.
func (w *waiting) begin(other *waiting) bool {
	if w == nil {
		return true
	}
	// It is noted before it is checked, so that of calls that begin to wait for each other
	// at the same time one sees it.
	w.mu.Lock()
	if w.targets == nil {
		w.targets = map[*waiting]int{}
	}
	w.targets[other]++
	w.mu.Unlock()
	if other.reaches(w, map[*waiting]bool{}) {
		w.end(other)
		return false
	}
	return true
}

func (w *waiting) end(other *waiting) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.targets[other]--; w.targets[other] == 0 {
		delete(w.targets, other)
	}
}

// reaches reports whether w waits for to, by way of others if need be.
func (w *waiting) reaches(to *waiting, seen map[*waiting]bool) bool {
	if w == to {
		return true
	}
	if seen[w] {
		return false
	}
	seen[w] = true
	w.mu.Lock()
	next := make([]*waiting, 0, len(w.targets))
	for other := range w.targets {
		next = append(next, other)
	}
	w.mu.Unlock()
	for _, other := range next {
		if other.reaches(to, seen) {
			return true
		}
	}
	return false
}
