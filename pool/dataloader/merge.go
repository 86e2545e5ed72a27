package dataloader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Scope is what a merged fetch knows of requests: the values of their contexts that decide what it
// returns, such as a role or a tenant. It is compared with ==. Package reader has one, for what its
// statements depend on, and [Anyone] is one.
type Scope interface {
	comparable
	// In returns a context that is derived from ctx, with the values of the scope.
	In(ctx context.Context) context.Context
}

// Anyone is the scope of a fetch that returns the same to everybody.
type Anyone struct{}

// In returns the context as it is.
func (Anyone) In(ctx context.Context) context.Context { return ctx }

// AnyoneOf returns the scope of all contexts, for [Merge].
func AnyoneOf(context.Context) Anyone { return Anyone{} }

// MergeOptions configures [Merge]. Zero fields have defaults.
type MergeOptions struct {
	// MaxWait is how long a call waits for those under way, 10 ms by default. So one that hangs
	// does not stop the others.
	MaxWait time.Duration
	// MaxBatch is the largest number of keys of several calls, 1000 by default.
	MaxBatch int
	// Trace is called once before each fetch, with its context and those of all calls that it is for, of
	// which there may be one, and returns the context that fetch gets: with a span that is linked to
	// those of the callers, for example, which fetch ends (defer trace.SpanFromContext(ctx).End()). It
	// must be derived from ctx, or the calls fail: one of a caller would end with it, and has what no
	// fetch may see. A deadline of it is the fetch's. What fetch returns must not depend on what Trace adds.
	// Callers may have left by then: only values are to be read from their contexts, and none that goes
	// with its request. Trace may keep the slice. The callers wait for it, each until its context ends.
	// Several goroutines may call it at a time. nil: spans of a fetch have no parent.
	Trace func(ctx context.Context, callers []context.Context) context.Context
}

// Merge returns a fetch for the loaders of all requests, which fetches for several of them at once. A
// call runs at once if no other one does. Those that come meanwhile wait until a call ends, and
// are one call then. So nobody waits at a server with little to do, and a busy one runs few statements
// with many keys in place of many with a few.
//
//	// one for the process
//	var fetchUsers = dataloader.Merge(dataloader.ByKey(db.Reader(), sql, key), reader.ScopeOf, dataloader.MergeOptions{})
//	// one for each request
//	users := dataloader.New(fetchUsers, dataloader.Options{})
//
// Only calls with equal scopes are merged. The context of fetch has the values of the scope and
// no others, always, so what it returns cannot depend on anything else of a request: a tenant that
// is in no scope is missed in the first test, and not under load. Spans are not in it either, see
// MergeOptions.Trace. It ends when all who wait have given up.
//
// A call that has begun is never joined, so a request sees what it has written before.
//
// A merged call takes as long as its statement with the keys of all: who asks for one short list waits
// for the long one of another request. Bound what a key may have, or do not merge such a fetch.
//
// Requests share the values that they ask for at the same time, so nobody may change what a value
// points to, and fetch may not put them into the memory of one request. Keys and scopes outlive
// the request as well: a string that points into a buffer which is used again must be cloned before.
// Requests share no errors: if a merged call fails or panics, each of its callers calls by itself.
// Only [KeyErrors] stay with their keys. Fetch gives the map away; several goroutines read it.
//
// The returned function is safe for concurrent use. It returns an error for a scope that is nil, or
// whose In returns nil or a context that is not derived from its argument. Merge panics if fetch or scope is nil.
func Merge[K comparable, V any, S Scope](
	fetch func(ctx context.Context, keys []K) (map[K]V, error), scope func(context.Context) S, o MergeOptions,
) func(ctx context.Context, keys []K) (map[K]V, error) {
	if fetch == nil || scope == nil {
		panic("dataloader: Merge needs a fetch and a scope")
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 10 * time.Millisecond
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 1000
	}
	m := &merger[K, V, S]{fetch: fetch, options: o, lines: map[S]*line[K, V]{}}
	return func(ctx context.Context, keys []K) (map[K]V, error) {
		if ctx == nil {
			return nil, errNoContext
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return m.load(ctx, scope(ctx), keys)
	}
}

// merger merges the calls of one fetch.
type merger[K comparable, V any, S Scope] struct {
	fetch   func(context.Context, []K) (map[K]V, error)
	options MergeOptions

	mu    sync.Mutex
	lines map[S]*line[K, V] // of scopes with calls under way
}

// line is the calls of one scope.
type line[K comparable, V any] struct {
	running int
	next    *merged[K, V] // what waits; nil: nothing
}

// merged is a call for several callers.
type merged[K comparable, V any] struct {
	keys    []K
	known   map[K]struct{}
	callers int
	traced  []context.Context // of the callers, if there is a Trace
	timer   *time.Timer
	ctx     context.Context // ends when all callers have
	cancel  context.CancelFunc

	task   task // its done is closed when the rest is set
	values map[K]V
	failed KeyErrors[K]
	apart  bool // it has failed: each caller calls by itself
	own    bool // it has one caller only, who calls by itself, and must leave
}

// load fetches keys.
func (m *merger[K, V, S]) load(ctx context.Context, scope S, keys []K) (map[K]V, error) {
	if any(scope) == nil {
		return nil, errors.New("dataloader: the context has no scope, so its fetch cannot be merged")
	}
	if err := errors.Join(hashable(scope), hashable(keys...)); err != nil {
		return nil, err
	}
	if scope != scope { // NaN, which a map never finds again
		return m.alone(ctx, scope, keys)
	}
	c := m.enter(ctx, scope, keys)
	if c == nil {
		defer m.leave(scope)
		return m.alone(ctx, scope, keys)
	}
	if err := m.wait(ctx, scope, c); err != nil {
		return nil, err
	}
	switch {
	case c.own:
		defer m.leave(scope)
		return m.alone(ctx, scope, keys)
	case c.apart:
		return m.alone(ctx, scope, keys)
	}
	return c.of(keys)
}

// wait waits until the call is done or ctx ends.
func (m *merger[K, V, S]) wait(ctx context.Context, scope S, c *merged[K, V]) error {
	if from := taskOf(ctx); from != nil {
		if !from.enter(&c.task) {
			m.giveUp(scope, c)
			return ErrCycle
		}
		defer from.leave(&c.task)
	}
	select {
	case <-c.task.done:
		return nil
	case <-ctx.Done():
		m.giveUp(scope, c)
		return ctx.Err()
	}
}

// of returns what belongs to some of the keys.
func (c *merged[K, V]) of(keys []K) (map[K]V, error) {
	found := make(map[K]V, len(keys))
	var failed KeyErrors[K]
	for _, k := range keys {
		if v, ok := c.values[k]; ok {
			found[k] = v
		}
		if err := c.failed[k]; err != nil {
			if failed == nil {
				failed = KeyErrors[K]{}
			}
			failed[k] = err
		}
	}
	if failed != nil {
		return found, failed
	}
	return found, nil
}

// enter returns the call that a caller has joined, or nil for one that begins now, which leave ends.
func (m *merger[K, V, S]) enter(ctx context.Context, scope S, keys []K) *merged[K, V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lines[scope]
	if l == nil {
		m.lines[scope] = &line[K, V]{running: 1}
		return nil
	}
	if l.next != nil && len(l.next.keys)+len(keys) > m.options.MaxBatch {
		m.start(scope, l)
	}
	if l.next == nil {
		l.next = m.newCall(scope, l)
	}
	l.next.add(keys)
	if m.options.Trace != nil {
		l.next.traced = append(l.next.traced, ctx)
	}
	return l.next
}

// newCall returns a call that waits, which begins after MaxWait. It is called with the lock.
func (m *merger[K, V, S]) newCall(scope S, l *line[K, V]) *merged[K, V] {
	c := &merged[K, V]{known: map[K]struct{}{}, task: task{values: context.Background(), done: make(chan struct{})}}
	c.ctx, c.cancel = context.WithCancel(&c.task)
	c.timer = time.AfterFunc(m.options.MaxWait, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if l.next == c {
			m.start(scope, l)
		}
	})
	return c
}

// add adds a caller. It is called with the lock.
func (c *merged[K, V]) add(keys []K) {
	c.callers++
	for _, k := range keys {
		if _, ok := c.known[k]; !ok {
			c.known[k] = struct{}{}
			c.keys = append(c.keys, k)
		}
	}
}

// start begins the call that waits. It is called with the lock.
func (m *merger[K, V, S]) start(scope S, l *line[K, V]) {
	c := l.next
	l.next = nil
	l.running++
	c.timer.Stop()
	if c.callers == 1 {
		c.own = true
		c.cancel()
		close(c.task.done)
		return
	}
	go m.run(scope, c)
}

// leave records that a call has ended.
func (m *merger[K, V, S]) leave(scope S) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(scope)
}

// end is leave for a caller that has the lock. It begins the call that waits.
func (m *merger[K, V, S]) end(scope S) {
	l := m.lines[scope]
	l.running--
	if l.next != nil {
		m.start(scope, l)
	} else if l.running == 0 {
		delete(m.lines, scope)
	}
}

// giveUp records that a caller no longer waits.
func (m *merger[K, V, S]) giveUp(scope S, c *merged[K, V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.own { // It was the caller's turn at this moment.
		m.end(scope)
		return
	}
	if c.callers--; c.callers > 0 {
		return
	}
	c.cancel()
	// Those who come must not join it. While it waits, another call is under way.
	if l := m.lines[scope]; l != nil && l.next == c {
		l.next = nil
		c.timer.Stop()
	}
}

// run fetches for all callers.
func (m *merger[K, V, S]) run(scope S, c *merged[K, V]) {
	defer m.leave(scope)
	defer c.cancel()
	defer close(c.task.done)
	defer func() { _ = recover() }() // Who panics is seen where each calls by itself.
	c.apart = true                   // also if fetch calls Goexit
	values, err := m.call(c.ctx, scope, c.keys, c.traced)
	failed, others := splitError[K](err)
	if others == nil && !errors.Is(err, ErrCycle) { // which may be of one caller only
		c.values, c.failed, c.apart = values, failed, false
	}
}

// alone fetches for one caller.
func (m *merger[K, V, S]) alone(ctx context.Context, scope S, keys []K) (map[K]V, error) {
	return m.call(ctx, scope, keys, []context.Context{ctx})
}

// call fetches in the scope, until ctx ends.
func (m *merger[K, V, S]) call(
	ctx context.Context, scope S, keys []K, callers []context.Context,
) (map[K]V, error) {
	own := &bare{ctx}
	ctx = scope.In(own)
	if err := own.check(ctx); err != nil {
		return nil, fmt.Errorf("dataloader: %T.In has returned %w", scope, err)
	}
	if m.options.Trace != nil {
		ctx = m.options.Trace(ctx, callers)
		if err := own.check(ctx); err != nil {
			return nil, fmt.Errorf("dataloader: MergeOptions.Trace has returned %w", err)
		}
	}
	return m.fetch(ctx, keys)
}

// bare is a context without its values. Only what fetch it belongs to is left, for [ErrCycle].
type bare struct{ context.Context }

type bareKey struct{}

// check returns an error unless a context is derived from this one: another one would not end with it,
// and nobody would notice that a fetch waits for itself.
func (b *bare) check(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errors.New("a nil context")
	case ctx.Value(bareKey{}) != b:
		return errors.New("a context that is not derived from the one it was given")
	}
	return nil
}

// Value implements context.Context.
func (b *bare) Value(key any) any {
	switch key {
	case bareKey{}:
		return b
	case taskKey{}:
		return b.Context.Value(key)
	}
	return nil
}

// AfterFunc spares contexts that are derived from it a goroutine each.
func (b *bare) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(b.Context, f) }

// hashable returns an error unless values can be keys of a map: one may be an interface, or have a field
// that is one, which holds a slice.
func hashable[K comparable](keys ...K) (err error) {
	var none map[K]struct{}
	var k K
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("dataloader: cannot merge by a value of type %T: %v", k, r)
		}
	}()
	for _, k = range keys {
		_ = none[k]
	}
	return nil
}
