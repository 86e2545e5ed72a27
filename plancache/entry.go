package plancache

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// entry is a plan in the cache, or an error. What readers see does not change, but for
// the atomics.
type entry[P any] struct {
	key  Key
	hash uint64
	plan P
	err  error // of a build, instead of a plan

	uses  atomic.Uint32 // hits
	limit atomic.Uint32 // up to how many of them each is counted
	last  atomic.Int64  // when it was used last, on the policy's clock
	stale atomic.Bool   // its TTL has ended

	// The rest is guarded by the epoch's lock, except for what does not change. Fields lie
	// so that there is little between them.
	counted  uint32            // how many of uses the heat has
	told     uint32            // how many of uses the fleet has been told; modulo 2^32
	heat     heat              // as it was at a time
	heated   int64             // that time, on the policy's clock
	factor   float64           // what cost makes a use worth
	left     [questions]uint16 // the last duel in which it has left; 0: none
	stays    [questions]uint16 // the last duel in which it has stayed; 0: none
	place    int               // in the policy's window or main region
	expires  time.Time         // here, which is not after deadline
	expiry   int               // the place in the heap; -1: none
	cost     time.Duration     // to build it; 0: not known; does not change
	weight   int64             // bytes; does not change
	deadline time.Time         // of the plan, wherever it is kept; zero: none; does not change
	fresh    bool              // it is in the policy's window
	gone     bool              // it is not in the cache any more
}

// Up to exactly uses, each is counted. Beyond, one in sampled is
// counted for all: writing what all cores read costs more than the rest of a hit.
const (
	exactly = 64
	sampled = 64
)

// use counts a hit, which is the nth that some cores have seen, at a time of the
// policy's clock.
func (e *entry[P]) use(n uint64, now int64) {
	if e.last.Load() != now {
		e.last.Store(now)
	}
	if e.uses.Load() < e.limit.Load() {
		e.uses.Add(1)
	} else if n*mix>>58 == 0 { // One in 64, without a period.
		e.uses.Add(sampled)
	}
}

// count notes that its heat has so many uses.
func (e *entry[P]) count(uses uint32) {
	e.counted = uses
	e.limit.Store(uses + exactly)
}

// entryWeight is what an entry weighs without its key and plan, and planShare by how much
// a plan without Weigh is heavier than its key.
const (
	entryWeight = 256
	planShare   = 32
)

// entry makes an entry of a plan, or returns nil if it cannot be cached.
func (c *Cache[P]) entry(key Key, m made[P]) *entry[P] {
	weight, ok := planShare*key.size(), !m.lost
	if c.options.Weigh != nil && ok {
		weight, ok = guard(c.report, "Weigh", func() int64 { return c.options.Weigh(key, m.plan) })
	}
	if ok && weight < 0 {
		c.report(fmt.Errorf("plancache: Weigh returned %d for %.60q", weight, key.Query))
		ok = false
	}
	if !ok {
		return nil
	}
	return &entry[P]{
		key: key, hash: c.hashOf(&key), plan: m.plan, cost: m.cost, deadline: m.deadline,
		// What weighs more than the bound counts as the bound: sums must not overflow.
		weight: min(min(weight, c.options.Bytes)+key.size()+entryWeight, c.options.Bytes),
	}
}

// failed makes an entry of a build's error.
func (c *Cache[P]) failed(key Key, err error) *entry[P] {
	return &entry[P]{
		key: key, hash: c.hashOf(&key), err: err,
		weight: min(key.size()+entryWeight, c.options.Bytes), deadline: time.Now().Add(c.options.ErrorTTL),
	}
}

// made is a plan that was built, fetched or added.
type made[P any] struct {
	plan     P
	cost     time.Duration // of the build; 0 if it came from the second level
	deadline time.Time     // zero: none
	lost     bool          // it cannot be cached: nobody knows for how long
}

// dated returns a plan with its deadline.
func (c *Cache[P]) dated(key Key, plan P, cost time.Duration) made[P] {
	m, ttl, ok := made[P]{plan: plan, cost: cost}, c.options.TTL, true
	if c.options.Expire != nil {
		var own time.Duration
		if own, ok = guard(c.report, "Expire", func() time.Duration { return c.options.Expire(key, plan) }); own != 0 {
			ttl = own
		}
	}
	m.lost = !ok || ttl < 0 && ttl != Forever
	if ttl >= 0 {
		m.deadline = time.Now().Add(ttl)
	}
	return m
}

// earlier returns the earlier one of two deadlines, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// jitter returns when an entry ends here: at its deadline, or up to a share of the
// time that is left earlier.
func (c *Cache[P]) jitter(e *entry[P], now time.Time) time.Time {
	if c.options.Jitter <= 0 || e.err != nil {
		return e.deadline
	}
	left := float64(e.deadline.Sub(now))
	return e.deadline.Add(-time.Duration(rand.Float64() * c.options.Jitter * left))
}
