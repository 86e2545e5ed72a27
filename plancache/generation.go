package plancache

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// generation is what is cached for one version of the schema. A switch replaces it as a
// whole, so nothing of an old version can be found after it.
type generation[P any] struct {
	cache   *Cache[P]
	version string
	table   atomic.Pointer[table[P]]
	clock   atomic.Int64 // calls of the cache until the last change

	mu       sync.Mutex
	policy   policy[P]
	expiries expiries[P]
	timer    *time.Timer // for the first of expiries
	calls    map[Key]*call[P]
	retired  bool
}

func newGeneration[P any](c *Cache[P], version string) *generation[P] {
	g := &generation[P]{cache: c, version: version, calls: map[Key]*call[P]{}}
	g.policy.capacity = int64(c.config.Capacity)
	if c.config.Bytes > 0 {
		g.policy.capacity = c.config.Bytes
	}
	g.table.Store(newTable[P](minSlots))
	return g
}

// departure is an entry that has left, and why.
type departure[P any] struct {
	entry *entry[P]
	cause Cause
}

// put adds an entry.
func (g *generation[P]) put(e *entry[P], ttl time.Duration) {
	e.weight = 1
	if g.cache.config.Bytes > 0 && e.err == nil {
		e.weight = max(1, g.cache.config.Weigh(e.key, e.plan)) + int64(len(e.key.Query)+len(e.key.Operation)+len(e.key.Extra))
	}
	g.mu.Lock()
	if g.retired {
		g.mu.Unlock()
		return
	}
	now := g.tick()
	t, old := g.table.Load().put(e)
	g.table.Store(t)
	var left []departure[P]
	var victims []*entry[P]
	if old != nil {
		victims = g.policy.replace(old, e, now, nil)
		g.forget(old)
		left = append(left, departure[P]{old, Replaced})
	} else {
		victims = g.policy.add(e, now, nil)
	}
	for _, v := range victims {
		t.remove(v)
		g.forget(v)
		left = append(left, departure[P]{v, Evicted})
	}
	e.expiry = -1
	if ttl > 0 {
		if jitter := g.cache.config.Jitter; jitter > 0 && e.err == nil {
			ttl -= time.Duration(rand.Float64() * jitter * float64(ttl))
		}
		e.expires = time.Now().Add(ttl)
		heap.Push(&g.expiries, e)
		g.arm()
	}
	g.mu.Unlock()
	g.cache.tell(left)
}

// tick brings the clock up to date.
func (g *generation[P]) tick() int64 {
	hits, misses := g.cache.stats.sum()
	now := int64(hits + misses)
	g.clock.Store(now)
	return now
}

// forget takes in that an entry is in neither the table nor the policy. It is called with
// the lock.
func (g *generation[P]) forget(e *entry[P]) {
	e.gone = true
	if e.expiry >= 0 {
		first := e.expiry == 0
		heap.Remove(&g.expiries, e.expiry)
		if first {
			g.arm()
		}
	}
}

// remove takes an entry out, if it is in. It is called with the lock.
func (g *generation[P]) remove(e *entry[P]) bool {
	if e.gone || g.retired {
		return false
	}
	g.table.Load().remove(e)
	g.policy.remove(e)
	g.forget(e)
	return true
}

// arm sets the timer for the first entry to expire. It is called with the lock.
func (g *generation[P]) arm() {
	switch {
	case len(g.expiries) == 0:
		if g.timer != nil {
			g.timer.Stop()
		}
	case g.timer == nil:
		g.timer = time.AfterFunc(time.Until(g.expiries[0].expires), g.expire)
	default:
		g.timer.Reset(time.Until(g.expiries[0].expires))
	}
}

// expire takes out what is over, and marks what may be served stale.
func (g *generation[P]) expire() {
	var left []departure[P]
	g.mu.Lock()
	now := time.Now()
	for !g.retired && len(g.expiries) > 0 && !g.expiries[0].expires.After(now) {
		e := g.expiries[0]
		if stale := g.cache.config.StaleFor; stale > 0 && e.err == nil && !e.stale.Load() {
			e.stale.Store(true)
			e.expires = e.expires.Add(stale)
			heap.Fix(&g.expiries, 0)
			continue
		}
		if g.remove(e) {
			left = append(left, departure[P]{e, Expired})
		}
	}
	if !g.retired {
		g.arm()
	}
	g.mu.Unlock()
	g.cache.tell(left)
}

// retire ends the generation, and returns its entries.
func (g *generation[P]) retire() (left []*entry[P]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.retired {
		return nil
	}
	g.retired = true
	return append(append(left, g.policy.window...), g.policy.main...)
}

// entries returns what is in, in no order.
func (g *generation[P]) entries() (list []*entry[P]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return nil
	}
	return append(append(list, g.policy.window...), g.policy.main...)
}
