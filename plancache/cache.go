package plancache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps plans. It is safe for concurrent use.
type Cache[P any] struct {
	options Options[P]
	seed    maphash.Seed
	hash    func(Key) uint64 // for tests; nil: seeded
	current atomic.Pointer[epoch[P]]
	stats   stripedCounter
	counts  counters
	level   *level                  // the second one; nil if there is none
	sharing atomic.Pointer[sharing] // nil until Share
	notes   notifier
	tasks   tasks // builds, calls of OnEvict and what listens to the second level
	ctx     context.Context
	stop    context.CancelFunc

	mu      sync.Mutex // guards what follows, and changes of current
	closed  bool
	changes changes[P]
}

// closePatience is how long Close waits for callbacks.
const closePatience = time.Second

// New returns a cache. A cache whose configuration has a Store or an Invalidator listens to
// it until it is closed; New waits for up to StoreTimeout until it does. Others need not be
// closed.
func New[P any](options Options[P]) (*Cache[P], error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	c := &Cache[P]{options: options, seed: maphash.MakeSeed()}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.notes.tasks, c.notes.limit, c.notes.patience = &c.tasks, options.Bytes, notePatience
	c.changes.applied = make(chan struct{})
	c.current.Store(newEpoch(c, options.Schema))
	if carrier := options.carrier(); carrier != nil {
		c.level = &level{
			carrier: carrier, store: options.Store, timeout: options.StoreTimeout, failed: c.report,
			uploads: uploads{settling: settling},
		}
		c.level.leaser, _ = options.Store.(Leaser)
		c.watch()
	}
	return c, nil
}

// mix is an odd number; about half of its bits are ones.
const mix = 0x9E3779B97F4A7C15

// hashOf hashes with Comparable, which is what maps do and three times as fast for long
// texts as maphash.String (Go 1.26: 33 and 126 ns for 1.5 KB).
func (c *Cache[P]) hashOf(key *Key) uint64 {
	if c.hash != nil {
		return c.hash(*key)
	}
	h := maphash.Comparable(c.seed, key.Query)
	if key.Operation != "" || key.Extra != "" {
		h = (h*mix^maphash.Comparable(c.seed, key.Operation))*mix ^ maphash.Comparable(c.seed, key.Extra)
	}
	return h
}

// Get returns the plan of a key. The context is not used: nothing is waited for.
func (c *Cache[P]) Get(_ context.Context, key Key) (P, bool) { return c.get(&key) }

func (c *Cache[P]) get(key *Key) (P, bool) {
	g := c.current.Load()
	e := c.lookup(g, key)
	if e == nil || e.err != nil {
		c.stats.mine().misses.Add(1)
		var none P
		return none, false
	}
	e.use(c.stats.mine().hits.Add(1), g.clock.Load())
	return e.plan, true
}

// lookup returns the entry of a key. If keys are normalized, the key is changed to what its
// plan is cached under, unless there is a plan under the key as it is.
func (c *Cache[P]) lookup(g *epoch[P], key *Key) *entry[P] {
	e := g.table.Load().find(c.hashOf(key), key)
	if e != nil && e.err == nil || !c.options.Normalize {
		return e
	}
	text := Normalize(key.Query)
	if text == key.Query {
		return e
	}
	key.Query = text
	// A plan counts more than an error that is kept for the text. An error there is that of
	// another text: its positions are.
	if plan := g.table.Load().find(c.hashOf(key), key); plan != nil && plan.err == nil {
		return plan
	}
	return e
}

// Add adds the plan of a key, which Get finds from now on. A plan that was there for
// it is replaced. If the context comes from a build or from [WithSchema], a plan for
// another version of the schema than the current one is dropped.
func (c *Cache[P]) Add(ctx context.Context, key Key, plan P) {
	g := c.current.Load()
	if version, ok := schemaOf(ctx); ok && version != g.version {
		return
	}
	c.canonical(&key)
	c.add(g, key, c.dated(key, plan, 0), nil)
}

// canonical makes a key the one that its plan is cached under.
func (c *Cache[P]) canonical(key *Key) {
	if c.options.Normalize {
		key.Query = Normalize(key.Query)
	}
}

// add adds a plan under a canonical key, unless a condition holds. What cannot be cached
// takes the place of an older plan all the same: that must not be found any more.
func (c *Cache[P]) add(g *epoch[P], key Key, m made[P], unless func() bool) {
	if e := c.entry(key, m); e != nil {
		g.put(e, unless)
	} else {
		g.discard(&key, unless)
	}
}

// Delete takes the plan of a key out, here and, if there is a second level, there and in
// all caches that use it. The error is the second level's; here it is out in any case.
func (c *Cache[P]) Delete(ctx context.Context, key Key) error {
	if ctx == nil {
		return missing(ctx, false)
	}
	asked := key
	c.canonical(&key)
	var errs []error
	c.everywhere(func(g *epoch[P]) {
		g.drop(&key)
		if asked != key {
			g.drop(&asked) // An error may be kept under it.
		}
		if c.level != nil {
			address := c.address(g.version, key)
			c.level.uploads.invalidate(address)
			errs = append(errs, c.level.delete(ctx, address))
			g.drop(&key) // Meanwhile it may have been found there.
		}
	})
	return errors.Join(errs...)
}

// Purge takes all plans out here. Builds that have begun go on, and are not cached.
func (c *Cache[P]) Purge() {
	c.everywhere(func(g *epoch[P]) { g.clear(Removed) })
	if c.level != nil {
		c.level.uploads.purge()
	}
}

// everywhere calls f with the current epoch, with the one that a change of the schema
// is preparing, and with those that come meanwhile: plans may be carried over to them.
func (c *Cache[P]) everywhere(f func(*epoch[P])) {
	var done [2]*epoch[P]
	for {
		c.mu.Lock()
		now := [2]*epoch[P]{c.current.Load()}
		if c.changes.pending != nil {
			now[1] = c.changes.pending.next
		}
		c.mu.Unlock()
		fresh := 0
		for _, g := range now {
			if g != nil && g != done[0] && g != done[1] {
				f(g)
				fresh++
			}
		}
		if done = now; fresh == 0 {
			return
		}
	}
}

// leave reports entries that were removed for the same cause.
func (c *Cache[P]) leave(all []*entry[P], cause Cause) {
	left := make([]departure[P], len(all))
	for i, e := range all {
		left[i] = departure[P]{e, cause}
	}
	c.tell(left)
}

// Len returns the number of plans, without the errors that are kept for Options.ErrorTTL.
func (c *Cache[P]) Len() int {
	g := c.current.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.policy.count()) - g.failed
}

// Close ends builds, and what listens to the second level, and takes all plans out. After
// it, Get finds nothing, Add does nothing, and Load builds each time.
//
// It waits for callbacks that still run, such as a build that ignores its context, for up
// to a second. The error says how many run on.
func (c *Cache[P]) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.changes.drop()
	old := c.current.Load()
	empty := newEpoch(c, old.version)
	empty.retire()
	c.current.Store(empty)
	c.mu.Unlock()

	c.stop()
	c.tasks.close()
	c.leave(old.retire(), Removed)
	if n := c.tasks.wait(closePatience); n > 0 {
		return fmt.Errorf("plancache: closed, and %d callbacks still run", n)
	}
	return nil
}
