package plancache

import (
	"container/heap"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// epoch is what is cached for one version of the schema. A switch replaces it as a
// whole, so nothing of an old version can be found after it.
type epoch[P any] struct {
	cache   *Cache[P]
	version string
	table   atomic.Pointer[table[P]]
	clock   atomic.Int64 // calls of the cache until the last change
	flights flights[Key, P]

	mu       sync.Mutex // is locked before that of flights
	policy   policy[P]
	expiries expiries[P]
	failed   int         // how many entries are errors
	timer    *time.Timer // for the first of expiries
	retired  bool
	// What was deleted while a change of the schema prepares this epoch: some addresses, or all.
	deleted map[string]bool // nil: nothing is carried over
	purged  bool
}

// mostDeleted is how many deletions are remembered. Beyond it, nothing more is carried over.
const mostDeleted = 10_000

func newEpoch[P any](c *Cache[P], version string) *epoch[P] {
	g := &epoch[P]{cache: c, version: version}
	g.flights.tasks = &c.tasks
	g.policy = newPolicy[P](int64(c.options.Capacity), c.options.Bytes)
	g.table.Store(newTable[P](minSlots))
	return g
}

// put adds an entry, unless a condition holds when it comes in; nil never holds. One whose time is
// over already only takes the place of an older one. It reports whether the entry has come in.
func (g *epoch[P]) put(e *entry[P], unless func() bool) bool {
	e.expiry = -1
	g.mu.Lock()
	wall := time.Now()
	if !e.deadline.IsZero() && !e.deadline.After(wall) {
		g.mu.Unlock()
		g.discard(&e.key, unless)
		return false
	}
	if g.retired || unless != nil && unless() {
		g.mu.Unlock()
		return false
	}
	now := g.tick()
	t, old := g.table.Load().put(e)
	g.table.Store(t)
	if e.err != nil {
		g.failed++
	}
	var left []departure[P]
	var victims []*entry[P]
	if old != nil {
		victims = g.policy.replace(old, e, now)
		g.forget(old)
		left = append(left, departure[P]{old, Replaced})
	} else {
		victims = g.policy.add(e, now)
	}
	for _, v := range victims {
		t.remove(v)
		g.forget(v)
		left = append(left, departure[P]{v, Evicted})
	}
	if !e.deadline.IsZero() {
		e.expires = g.cache.jitter(e, wall)
		heap.Push(&g.expiries, e)
		if e.expiry == 0 {
			g.arm()
		}
	}
	g.mu.Unlock()
	g.cache.tell(left)
	return true
}

// tick brings the clock up to date.
func (g *epoch[P]) tick() int64 {
	hits, misses := g.cache.stats.sum()
	now := int64(hits + misses)
	g.clock.Store(now)
	return now
}

// forget notes that an entry is in neither the table nor the policy. It is called with
// the lock.
func (g *epoch[P]) forget(e *entry[P]) {
	e.gone = true
	if e.err != nil {
		g.failed--
	}
	if e.expiry >= 0 {
		first := e.expiry == 0
		heap.Remove(&g.expiries, e.expiry)
		if first {
			g.arm()
		}
	}
}

// remove takes an entry out, if it is in. It is called with the lock.
func (g *epoch[P]) remove(e *entry[P]) bool {
	if e.gone || g.retired {
		return false
	}
	g.table.Load().remove(e)
	g.policy.remove(e)
	g.forget(e)
	return true
}

// arm sets the timer for the first entry to expire. It is called with the lock.
func (g *epoch[P]) arm() {
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
func (g *epoch[P]) expire() {
	var left []departure[P]
	g.mu.Lock()
	now := time.Now()
	for !g.retired && len(g.expiries) > 0 && !g.expiries[0].expires.After(now) {
		e := g.expiries[0]
		if stale := g.cache.options.StaleFor; stale > 0 && e.err == nil && !e.stale.Load() {
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

// drop takes the plan of a canonical key out. A build that has begun does not bring it
// back.
func (g *epoch[P]) drop(key *Key) {
	g.mu.Lock()
	g.flights.forget(func(k Key) bool { g.cache.canonical(&k); return k == *key })
	e := g.table.Load().find(g.cache.hashOf(key), key)
	removed := e != nil && g.remove(e)
	if g.deleted != nil {
		g.note(g.cache.address(g.version, *key))
	}
	g.mu.Unlock()
	if removed {
		g.cache.tell([]departure[P]{{e, Removed}})
	}
}

// note remembers a key of an [Invalidator] that was deleted, as long as plans are carried over. It
// is called with the lock.
func (g *epoch[P]) note(key string) {
	switch {
	case g.deleted == nil:
	case len(g.deleted) >= mostDeleted || strings.HasSuffix(key, "*"):
		g.purged = true
	default:
		g.deleted[key] = true
	}
}

// carried forgets what was deleted: nothing is carried over any more.
func (g *epoch[P]) carried() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deleted = nil
}

// dropAddresses is drop for the plans that a key of an [Invalidator] covers.
func (g *epoch[P]) dropAddresses(key string) {
	which := func(k Key) bool { return covers(key, g.cache.address(g.version, k)) }
	g.mu.Lock()
	g.note(key) // Its plan may be on its way from the epoch before.
	g.mu.Unlock()
	g.flights.forget(func(k Key) bool { g.cache.canonical(&k); return which(k) })
	for _, e := range g.entries() {
		if which(e.key) {
			g.drop(&e.key)
		}
	}
}

// discard takes the plan of a canonical key out, unless a condition holds; nil never holds.
func (g *epoch[P]) discard(key *Key, unless func() bool) {
	g.mu.Lock()
	e := g.table.Load().find(g.cache.hashOf(key), key)
	removed := e != nil && (unless == nil || !unless()) && g.remove(e)
	g.mu.Unlock()
	if removed {
		g.cache.tell([]departure[P]{{e, Replaced}})
	}
}

// clear takes all plans out. Builds that have begun do not bring them back.
func (g *epoch[P]) clear(cause Cause) {
	g.mu.Lock()
	g.flights.forget(func(Key) bool { return true })
	g.purged = true
	all := g.take()
	if !g.retired {
		g.policy.empty()
		g.failed = 0
		g.table.Store(newTable[P](minSlots))
	}
	g.mu.Unlock()
	g.cache.leave(all, cause)
}

// retire ends the epoch, and returns its entries. Those who found it before they were
// taken out may still find them in it.
func (g *epoch[P]) retire() []*entry[P] {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.take()
	g.retired = true
	return all
}

// take marks all entries as gone, and returns them. It is called with the lock.
func (g *epoch[P]) take() []*entry[P] {
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.retired {
		return nil
	}
	all := g.policy.all()
	for _, e := range all {
		e.gone, e.expiry = true, -1
	}
	g.expiries = nil
	return all
}

// entries returns what is in, in no order.
func (g *epoch[P]) entries() []*entry[P] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return nil
	}
	return g.policy.all()
}

// hasPlan reports whether there is a plan, and no error, for a key. It is called with the
// lock.
func (g *epoch[P]) hasPlan(key *Key) bool {
	e := g.table.Load().find(g.cache.hashOf(key), key)
	return e != nil && e.err == nil
}

// has reports whether an entry is in.
func (g *epoch[P]) has(e *entry[P]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !e.gone
}
