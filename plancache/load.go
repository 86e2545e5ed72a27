package plancache

import (
	"context"
	"errors"
	"time"
)

// missing returns the error for a nil context or build.
func missing(ctx context.Context, build bool) error {
	switch {
	case ctx == nil:
		return errors.New("plancache: the context is nil")
	case build:
		return errors.New("plancache: the build is nil")
	}
	return nil
}

// Load returns the plan of a key, and builds it if there is none: once, however many
// ask for it. Each caller waits as long as its own context; when no waiters are left,
// the build's context ends. That has the values of the first caller's, and
// [SchemaVersion] tells the version that the plan must be for.
//
// All waiters receive build's error, or a [*PanicError] if it panics. The error is kept
// for Options.ErrorTTL, which is 0 by default.
func (c *Cache[P]) Load(ctx context.Context, key Key, build func(context.Context) (P, error)) (P, error) {
	if ctx == nil || build == nil {
		var none P
		return none, missing(ctx, build == nil)
	}
	g := c.current.Load()
	asked := key
	e := c.lookup(g, &key)
	l := load[P]{c, g, key, asked, build}
	if e != nil {
		e.use(c.stats.mine().hits.Add(1), g.clock.Load())
		if e.stale.Load() {
			l.refresh(ctx, e)
		}
		return e.plan, e.err
	}
	c.stats.mine().misses.Add(1)
	if err := ctx.Err(); err != nil {
		var none P
		return none, err
	}
	for ; ; key = asked { // which is the same if the text is normal, and others may come first again
		one := g.flights.join(ctx, key, asked.Query, l.run)
		plan, err := one.wait(ctx)
		if err == nil || one.text == asked.Query || errors.Is(err, ErrCycle) {
			return plan, err
		}
		// The error is that of another text, with other positions.
		if err := ctx.Err(); err != nil {
			return plan, err
		}
	}
}

// load is what a build is for.
type load[P any] struct {
	cache *Cache[P]
	g     *epoch[P]
	key   Key // that the plan is cached under
	asked Key // that the caller has asked for
	build func(context.Context) (P, error)
}

// run gets a plan for a call: from the cache, if it has come in since it was looked for,
// from the second level, or by a build.
func (l *load[P]) run(ctx context.Context, one *call[Key, P]) {
	c := l.cache
	if e := l.g.table.Load().find(c.hashOf(&l.key), &l.key); e != nil && (e.err == nil || l.key == l.asked) {
		one.finish(e.plan, e.err)
		return
	}
	ctx, stop := l.context(ctx)
	defer stop()
	m, mine, ok := c.obtain(ctx, l.g, l.key)
	if ok {
		defer one.finish(m.plan, nil)
		c.add(l.g, l.key, m, func() bool { return !one.current() })
		return
	}
	defer c.release(l.g, l.key, &mine) // when all who wait here have the plan
	l.make(ctx, one, &mine)
}

// refresh builds a plan again in the background. If that fails, the next caller tries again.
func (l *load[P]) refresh(ctx context.Context, e *entry[P]) {
	limit := l.cache.options.StaleFor
	l.g.flights.background(ctx, l.key, l.asked.Query, limit, func(ctx context.Context, one *call[Key, P]) {
		if !l.g.has(e) {
			one.finish(e.plan, nil) // Another one was faster.
			return
		}
		ctx, stop := l.context(ctx)
		defer stop()
		l.make(ctx, one, new(claim))
	})
}

// context returns the context of a build, which ends with the cache unless that is closed
// already.
func (l *load[P]) context(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(WithSchema(ctx, l.g.version))
	if l.cache.ctx.Err() != nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(l.cache.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// make builds a plan, and gives it to the caches and to all who wait for it.
func (l *load[P]) make(ctx context.Context, one *call[Key, P], mine *claim) {
	c := l.cache
	start := time.Now()
	plan, err := protect(ctx, l.build)
	cost := max(time.Since(start), 1)
	c.counts.builds.Add(1)
	c.counts.building.Add(int64(cost))
	defer one.finish(plan, err)                       // whatever becomes of it in the cache
	unwanted := func() bool { return !one.current() } // It was deleted meanwhile.
	if err != nil {
		c.counts.failures.Add(1)
		if c.options.ErrorTTL > 0 && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrCycle) {
			l.g.put(c.failed(l.asked, err), func() bool { return unwanted() || l.g.hasPlan(&l.key) })
		}
		return
	}
	m := c.dated(l.key, plan, cost)
	c.add(l.g, l.key, m, unwanted)
	if !m.lost {
		l.share(one, m, mine)
	}
}
