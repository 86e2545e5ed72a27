package plancache

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
)

// Switch says how a cache changes to another version of the schema. Zero fields have
// defaults.
type Switch[P any] struct {
	// Keep reports whether a plan is good for the new version as well. It keeps its TTL.
	Keep func(Key, P) bool
	// Rebuild makes a plan for the new version. Without it plans are made when they are
	// asked for.
	Rebuild func(context.Context, Key) (P, error)
	// Most is how many plans are rebuilt at most, those that are used most; by default
	// all.
	Most int
	// Concurrency is how many are rebuilt at a time, by default as many as there are
	// processors.
	Concurrency int
	// Progress is called after each of them, one call at a time. Queries that the new
	// schema refuses count as done.
	Progress func(done, total int)
}

// changes are the changes of the schema of a cache, whose lock guards them.
type changes[P any] struct {
	begun   uint64        // how many
	last    uint64        // the last one that was applied
	applied chan struct{} // closed, and replaced, when one is applied
	pending *change[P]    // the one on its way; nil if there is none
}

// change is a change of the schema on its way.
type change[P any] struct {
	number uint64
	next   *epoch[P]
	cancel context.CancelFunc
}

// drop gives up the change on its way.
func (l *changes[P]) drop() {
	if l.pending != nil {
		l.pending.cancel()
		l.pending = nil
	}
}

// apply notes that a change, and so all before it, has been applied.
func (l *changes[P]) apply(number uint64) {
	l.last = max(l.last, number)
	close(l.applied)
	l.applied = make(chan struct{})
}

// SetSchema changes to another version of the schema. Before, it makes plans for it, with
// Switch.Rebuild, of the keys that are used most, while the old ones are still served: so the
// change causes no storm of builds. Without Rebuild it changes at once. No Load or Get that
// starts after SetSchema has returned gets a plan of an older version.
//
// If the context ends meanwhile, the change is made at once, with what has been rebuilt, and the
// error is the context's. Keys that cannot be rebuilt are left out. If another change begins
// meanwhile, that one takes the place of this one, which waits for it.
func (c *Cache[P]) SetSchema(ctx context.Context, version string, s Switch[P]) error {
	if ctx == nil {
		return missing(ctx, false)
	}
	prepare, cancel := context.WithCancel(WithSchema(ctx, version))
	defer cancel()
	old, mine, err := c.begin(version, cancel)
	if mine == nil {
		return err
	}
	prepared := make(chan struct{})
	c.tasks.start(func() {
		defer close(prepared)
		c.carry(prepare, old, mine.next, s)
	})
	select {
	case <-prepared:
	case <-prepare.Done():
	}
	err = ctx.Err()
	if !c.apply(mine, false) && !c.overtaken(ctx, mine) {
		c.apply(mine, true) // The one that has overtaken it has not come to its end.
	}
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// begin begins a change, in place of one that is on its way. There is none to make if
// the cache is closed, or has the version.
func (c *Cache[P]) begin(version string, cancel context.CancelFunc) (old *epoch[P], mine *change[P], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	c.changes.drop()
	c.changes.begun++
	old = c.current.Load()
	if version == old.version {
		c.changes.apply(c.changes.begun)
		return nil, nil, nil
	}
	next := newEpoch(c, version)
	next.tick()
	next.deleted = map[string]bool{}
	mine = &change[P]{c.changes.begun, next, cancel}
	c.changes.pending = mine
	return old, mine, nil
}

// apply makes the epoch of a change the current one, and reports whether it has. It
// does not if another change has begun, unless it must; nor if a later one was applied.
func (c *Cache[P]) apply(mine *change[P], must bool) bool {
	c.mu.Lock()
	if c.closed || c.changes.last > mine.number || c.changes.pending != mine && !must {
		c.mu.Unlock()
		return false
	}
	if c.changes.pending == mine {
		c.changes.pending = nil
	}
	old := c.current.Swap(mine.next)
	c.counts.switches.Add(1)
	c.changes.apply(mine.number)
	c.mu.Unlock()
	c.leave(old.retire(), Outdated)
	return true
}

// overtaken waits until a change that has overtaken another one is applied, and reports
// whether it is. It is not if the context ends before.
func (c *Cache[P]) overtaken(ctx context.Context, mine *change[P]) bool {
	for {
		c.mu.Lock()
		over, applied := c.closed || c.changes.last > mine.number, c.changes.applied
		c.mu.Unlock()
		if over {
			mine.next.retire()
			return true
		}
		select {
		case <-applied:
		case <-c.ctx.Done():
		case <-ctx.Done():
			return false
		}
	}
}

// Schema returns the current version.
func (c *Cache[P]) Schema() string { return c.current.Load().version }

// carry brings what it can from one epoch to the next, until the context ends.
func (c *Cache[P]) carry(ctx context.Context, old, next *epoch[P], s Switch[P]) {
	defer next.carried() // when the last rebuild has ended
	var work []*entry[P]
	for _, e := range byUse(old.entries()) {
		if ctx.Err() != nil {
			return
		}
		switch {
		case e.err != nil:
		case s.Keep != nil && c.keep(s, e):
			c.take(next, e, made[P]{plan: e.plan, cost: e.cost, deadline: e.deadline})
		case s.Rebuild != nil:
			work = append(work, e)
		}
	}
	if s.Most > 0 {
		work = work[:min(len(work), s.Most)]
	}
	if s.Concurrency <= 0 {
		s.Concurrency = runtime.GOMAXPROCS(0)
	}
	r := rebuilds{report: c.report, turn: make(chan struct{}, 1), total: len(work), progress: s.Progress}
	free := make(chan struct{}, s.Concurrency)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, e := range work {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Add(1)
		// Each on a goroutine of its own, which it may end.
		c.tasks.finish(func() {
			defer wg.Done()
			defer func() { <-free }()
			defer r.done(ctx)
			plan, err := protect(ctx, func(ctx context.Context) (P, error) { return s.Rebuild(ctx, e.key) })
			if err == nil {
				c.take(next, e, c.dated(e.key, plan, e.cost))
			}
		})
	}
}

// keep asks whether a plan is good for the next version. One that nobody knows of is not.
func (c *Cache[P]) keep(s Switch[P], e *entry[P]) bool {
	keep, ok := guard(c.report, "Keep", func() bool { return s.Keep(e.key, e.plan) })
	return keep && ok
}

// rebuilds counts plans that were rebuilt.
type rebuilds struct {
	report   func(error)
	turn     chan struct{} // holds something while one is counted
	ready    int
	total    int
	progress func(done, total int)
}

// done counts one, and calls the progress function unless the context ends before.
func (r *rebuilds) done(ctx context.Context) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return
	}
	if r.ready++; r.progress != nil {
		guard(r.report, "Progress", func() (_ struct{}) { r.progress(r.ready, r.total); return })
	}
}

// take adds a plan to an epoch that is being prepared, with the history of another
// one's entry.
func (c *Cache[P]) take(next *epoch[P], from *entry[P], m made[P]) {
	e := c.entry(from.key, m)
	if e == nil {
		return
	}
	e.uses.Store(from.uses.Load())
	address := c.address(next.version, e.key)
	next.put(e, func() bool { return next.purged || next.deleted[address] })
}

// byUse sorts entries by how much they are used, most first.
func byUse[P any](list []*entry[P]) []*entry[P] {
	type ranked struct {
		entry *entry[P]
		uses  uint32
	}
	order := make([]ranked, len(list))
	for i, e := range list {
		order[i] = ranked{e, e.uses.Load()}
	}
	slices.SortFunc(order, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.uses, a.uses), cmp.Compare(a.entry.key.Query, b.entry.key.Query))
	})
	for i, r := range order {
		list[i] = r.entry
	}
	return list
}
