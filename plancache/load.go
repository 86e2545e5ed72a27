package plancache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// PanicError is a panic of a build. All who waited for the build get it.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that built
}

// Error tells the value.
func (e *PanicError) Error() string { return fmt.Sprintf("plancache: the build panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// errGoexit is the error of a build that ended its goroutine.
var errGoexit error = &PanicError{Value: "runtime.Goexit was called"}

// call is a build that is on its way.
type call[P any] struct {
	done    chan struct{}
	waiters int // guarded by the generation's lock
	cancel  context.CancelFunc
	plan    P
	err     error
}

// Load returns the plan of a query, and builds it if there is none: once, however many
// ask for it. Each caller waits as long as its own context; when nobody waits any more,
// the build's context ends. That has the values of the first caller's, and
// [SchemaVersion] tells the version that the plan must be for.
//
// An error of build is that of all callers, as is a panic, as a [*PanicError]. It is kept
// for Config.ErrorTTL, which is 0 by default.
func (c *Cache[P]) Load(ctx context.Context, query string, build func(context.Context) (P, error)) (P, error) {
	return c.LoadKey(ctx, Key{Query: query}, build)
}

// LoadKey is Load for a query that is not the whole key.
func (c *Cache[P]) LoadKey(ctx context.Context, key Key, build func(context.Context) (P, error)) (P, error) {
	g := c.current.Load()
	e, hash := c.lookup(g, &key)
	if e != nil {
		e.use(c.stats.mine().hits.Add(1), g.clock.Load())
		if e.stale.Load() {
			c.refresh(ctx, g, e, build)
		}
		return e.plan, e.err
	}
	c.stats.mine().misses.Add(1)
	var none P
	if err := ctx.Err(); err != nil {
		return none, err
	}
	one := c.join(ctx, g, key, hash, build)
	select {
	case <-one.done:
		return one.plan, one.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if one.waiters--; one.waiters == 0 {
		one.cancel()
		if g.calls[key] == one {
			delete(g.calls, key) // Who comes now must not wait for what is cancelled.
		}
	}
	return none, ctx.Err()
}

// join returns the build of a key, which it starts if there is none.
func (c *Cache[P]) join(ctx context.Context, g *generation[P], key Key, hash uint64, build func(context.Context) (P, error)) *call[P] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.calls[key]; one != nil {
		one.waiters++
		return one
	}
	one := &call[P]{done: make(chan struct{}), waiters: 1}
	// It may have ended since the lookup.
	if e := g.table.Load().find(hash, &key); e != nil {
		one.plan, one.err = e.plan, e.err
		close(one.done)
		return one
	}
	detached, cancel := context.WithCancel(WithSchema(context.WithoutCancel(ctx), g.version))
	one.cancel = cancel
	g.calls[key] = one
	if !c.begin(func() { c.run(detached, g, key, one, build) }) {
		// The cache is closed. Nobody is there to wait for this goroutine.
		delete(g.calls, key)
		go func() {
			defer cancel()
			defer close(one.done)
			one.err = ErrClosed // if the build ends this goroutine
			one.plan, one.err = protect(detached, build)
		}()
	}
	return one
}

// begin starts work in the background, unless the cache is closed.
func (c *Cache[P]) begin(work func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Go(work)
	return true
}

// run makes a plan and ends its call, even if the build ends its goroutine, as a test's
// FailNow does.
func (c *Cache[P]) run(ctx context.Context, g *generation[P], key Key, one *call[P], build func(context.Context) (P, error)) {
	defer one.cancel()
	defer context.AfterFunc(c.ctx, one.cancel)()
	m, err := made[P]{}, errGoexit
	defer func() { c.end(g, key, one, m, err) }()
	m, err = c.make(ctx, g, key, build)
}

// end gives a plan to all who wait for it, and to the caches.
func (c *Cache[P]) end(g *generation[P], key Key, one *call[P], m made[P], err error) {
	one.plan, one.err = m.plan, err
	g.mu.Lock()
	wanted := g.calls[key] == one // It has not been deleted meanwhile.
	g.mu.Unlock()
	if wanted {
		switch {
		case err == nil:
			c.add(g, key, m.plan, m.cost)
		case c.config.ErrorTTL > 0 && !errors.Is(err, context.Canceled):
			g.put(&entry[P]{key: key, hash: c.hashOf(&key), err: err}, c.config.ErrorTTL)
		}
		g.mu.Lock()
		if g.calls[key] == one {
			delete(g.calls, key)
		}
		g.mu.Unlock()
	}
	close(one.done)
	// Nobody waits for the second level to take it.
	if err == nil && m.cost > 0 && wanted {
		c.share(g, key, m.plan)
	}
}

// made is a plan, and how long it took; 0 if it came from the second level.
type made[P any] struct {
	plan P
	cost time.Duration
}

// make gets a plan from the second level, or builds it.
func (c *Cache[P]) make(ctx context.Context, g *generation[P], key Key, build func(context.Context) (P, error)) (m made[P], err error) {
	if plan, ok := c.fetch(ctx, g, key); ok {
		return made[P]{plan: plan}, nil
	}
	return c.build(ctx, build)
}

// build builds a plan, and counts it.
func (c *Cache[P]) build(ctx context.Context, build func(context.Context) (P, error)) (m made[P], err error) {
	start := time.Now()
	m.plan, err = protect(ctx, build)
	m.cost = max(time.Since(start), 1)
	c.counts.builds.Add(1)
	c.counts.building.Add(int64(m.cost))
	if err != nil {
		c.counts.failures.Add(1)
	}
	return m, err
}

// protect makes a panic an error.
func protect[P any](ctx context.Context, build func(context.Context) (P, error)) (plan P, err error) {
	ended := false
	defer func() {
		if !ended {
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	plan, err = build(ctx)
	ended = true
	return plan, err
}

// refresh builds a plan anew in the background.
func (c *Cache[P]) refresh(ctx context.Context, g *generation[P], e *entry[P], build func(context.Context) (P, error)) {
	g.mu.Lock()
	first := !e.refreshes && !e.gone
	e.refreshes = true
	g.mu.Unlock()
	if !first {
		return
	}
	detached := WithSchema(context.WithoutCancel(ctx), g.version)
	c.begin(func() {
		ctx, cancel := context.WithCancel(detached)
		defer cancel()
		defer context.AfterFunc(c.ctx, cancel)()
		m, err := c.build(ctx, build)
		g.mu.Lock()
		gone := e.gone
		e.refreshes = false // If it has failed, the next caller tries again.
		g.mu.Unlock()
		if err == nil && !gone {
			c.add(g, e.key, m.plan, m.cost)
			c.share(g, e.key, m.plan)
		}
	})
}
