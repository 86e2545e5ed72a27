package plancache

import (
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

	uses  atomic.Uint32 // fading, see policy
	last  atomic.Int64  // when it was used last, on the policy's clock
	stale atomic.Bool   // its TTL has ended

	// The rest is guarded by the generation's lock.
	cost      time.Duration // to build it; 0: not known
	factor    float64       // what that makes a use worth
	weight    int64
	fresh     bool // it is in the policy's window
	place     int  // in the policy's window or main region
	expires   time.Time
	expiry    int  // the place in the heap; -1: none
	gone      bool // it is not in the cache any more
	refreshes bool // a new plan is being built in the background
}

// exactly is up to how many uses each is counted. Of those beyond, one in sampled is
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
	if e.uses.Load() < exactly {
		e.uses.Add(1)
	} else if n*mix>>58 == 0 { // One in 64, without a period.
		e.uses.Add(sampled)
	}
}
