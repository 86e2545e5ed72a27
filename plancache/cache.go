package plancache

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps plans. It is safe for concurrent use.
type Cache[P any] struct {
	config  Config[P]
	seed    maphash.Seed
	hash    func(Key) uint64 // for tests; nil: seeded
	current atomic.Pointer[generation[P]]
	stats   stripes
	counts  counters
	level   *level // the second one; nil if there is none

	switching sync.Mutex // one change of the schema at a time
	ctx       context.Context
	stop      context.CancelFunc
	work      sync.WaitGroup // builds and what listens to the second level
	mu        sync.Mutex     // guards closed, and work from growing after it
	closed    bool
}

// New makes a cache. A cache whose configuration has a Store listens to it until it is
// closed; others need not be closed.
func New[P any](config Config[P]) (*Cache[P], error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	c := &Cache[P]{config: config, seed: maphash.MakeSeed()}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.current.Store(newGeneration(c, config.Schema))
	if carrier := config.carrier(); carrier != nil {
		c.level = &level{carrier: carrier, store: config.Store, timeout: config.StoreTimeout}
		c.work.Go(func() { c.listen(c.ctx) })
	}
	return c, nil
}

// mix is an odd number of which the bits are about half ones.
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

// Get returns the plan of a query. The context is not used: nothing is waited for.
func (c *Cache[P]) Get(_ context.Context, query string) (P, bool) {
	key := Key{Query: query}
	return c.get(&key)
}

// GetKey is Get for a query that is not the whole key.
func (c *Cache[P]) GetKey(_ context.Context, key Key) (P, bool) { return c.get(&key) }

func (c *Cache[P]) get(key *Key) (P, bool) {
	g := c.current.Load()
	e, _ := c.lookup(g, key)
	if e == nil || e.err != nil {
		c.stats.mine().misses.Add(1)
		var none P
		return none, false
	}
	e.use(c.stats.mine().hits.Add(1), g.clock.Load())
	return e.plan, true
}

// lookup returns the entry of a key, and the key's hash. If keys are normalized, the key
// is changed to what it is cached under if there is no entry.
func (c *Cache[P]) lookup(g *generation[P], key *Key) (*entry[P], uint64) {
	hash := c.hashOf(key)
	e := g.table.Load().find(hash, key)
	if e != nil || !c.config.Normalize {
		return e, hash
	}
	if text := Normalize(key.Query); text != key.Query {
		key.Query = text
		hash = c.hashOf(key)
		e = g.table.Load().find(hash, key)
	}
	return e, hash
}

// Add adds the plan of a query, which Get finds from now on. A plan that was there for
// it is replaced. If the context comes from a build or from [WithSchema], a plan for
// another version of the schema than the current one is dropped.
func (c *Cache[P]) Add(ctx context.Context, query string, plan P) {
	c.AddKey(ctx, Key{Query: query}, plan)
}

// AddKey is Add for a query that is not the whole key.
func (c *Cache[P]) AddKey(ctx context.Context, key Key, plan P) {
	g := c.current.Load()
	if version, ok := schemaOf(ctx); ok && version != g.version {
		return
	}
	c.canonical(&key)
	c.add(g, key, plan, 0)
}

// canonical makes a key the one that its plan is cached under.
func (c *Cache[P]) canonical(key *Key) {
	if c.config.Normalize {
		key.Query = Normalize(key.Query)
	}
}

// add adds a plan under a canonical key.
func (c *Cache[P]) add(g *generation[P], key Key, plan P, cost time.Duration) {
	e := &entry[P]{key: key, hash: c.hashOf(&key), plan: plan, cost: cost}
	g.put(e, c.ttl(key, plan))
}

// ttl is how long a plan is good; Forever is below 0.
func (c *Cache[P]) ttl(key Key, plan P) time.Duration {
	if c.config.Expire != nil {
		if ttl := c.config.Expire(key, plan); ttl != 0 {
			return ttl
		}
	}
	return c.config.TTL
}

// Delete takes the plan of a key out, here and, if there is a second level, there and in
// all caches that use it. The error is the second level's; here it is out in any case.
func (c *Cache[P]) Delete(ctx context.Context, key Key) error {
	g := c.current.Load()
	c.canonical(&key)
	c.drop(g, &key)
	if c.level == nil {
		return nil
	}
	return c.level.delete(ctx, storeKey(g.version, key))
}

// drop takes the plan of a canonical key out here.
func (c *Cache[P]) drop(g *generation[P], key *Key) {
	g.mu.Lock()
	// A build that has begun must not bring it back.
	delete(g.calls, *key)
	e := g.table.Load().find(c.hashOf(key), key)
	removed := e != nil && g.remove(e)
	g.mu.Unlock()
	if removed {
		c.tell([]departure[P]{{e, Removed}})
	}
}

// Purge takes all plans out here. Builds that have begun go on, and are not cached.
func (c *Cache[P]) Purge() {
	c.switching.Lock()
	defer c.switching.Unlock()
	c.replace(newGeneration(c, c.current.Load().version), Removed)
}

// replace makes a generation the current one.
func (c *Cache[P]) replace(g *generation[P], cause Cause) {
	old := c.current.Swap(g)
	var left []departure[P]
	for _, e := range old.retire() {
		left = append(left, departure[P]{e, cause})
	}
	c.tell(left)
}

// Len is the number of plans.
func (c *Cache[P]) Len() int {
	g := c.current.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.policy.window) + len(g.policy.main)
}

// Close ends builds, and what listens to the second level, and takes all plans out. After
// it, Get finds nothing, Add does nothing, and Load builds each time.
func (c *Cache[P]) Close() error {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.mu.Unlock()
	if already {
		return nil
	}
	c.stop()
	c.work.Wait()
	c.switching.Lock()
	defer c.switching.Unlock()
	g := newGeneration(c, c.current.Load().version)
	c.replace(g, Removed)
	g.retire()
	return nil
}

// tell counts entries that have left, and tells whoever wants to know.
func (c *Cache[P]) tell(left []departure[P]) {
	for _, d := range left {
		if d.entry.err != nil {
			continue
		}
		c.counts.left[d.cause].Add(1)
		if c.config.OnEvict != nil {
			c.config.OnEvict(d.entry.key, d.entry.plan, d.cause)
		}
	}
}
