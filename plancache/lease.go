package plancache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

var (
	// ErrLeased is returned by [Leaser] for a key whose lease somebody else has.
	ErrLeased = errors.New("plancache: somebody else has the lease")
	// ErrLeaseLost is returned by [Leaser] to a holder whose lease has ended: by its time, or
	// because the key was deleted.
	ErrLeaseLost = errors.New("plancache: the lease has ended")
)

// Leaser is a [Store] in which one cache of a fleet builds a plan while the others wait for it.
// It must be safe for concurrent use. Get returns [ErrNotFound] for a key that is leased, Set
// takes the place of a lease, and Delete ends it.
type Leaser interface {
	Store
	// Lease returns the value of a key. If there is none, the caller gets the lease of the key
	// for ttl, and a token that nobody else has; the error is [ErrLeased] if it is taken.
	Lease(ctx context.Context, key string, ttl time.Duration) (value []byte, token string, err error)
	// SetLeased is Set for the holder of a lease, which ends. The error is [ErrLeaseLost], and
	// nothing is kept, if the lease is not the token's any more: a late holder must not write.
	SetLeased(ctx context.Context, key, token string, value []byte, ttl time.Duration) error
	// Release ends a lease without a value. A lease that is not the token's stays.
	Release(ctx context.Context, key, token string) error
}

// LeaseStats holds the counts of Options.Lease.
type LeaseStats struct {
	Held    uint64 // leases that this cache got, to build for all
	Awaited uint64 // plans that came from another cache while it was waited for
	Overdue uint64 // plans that were built here, because the other cache took too long
	Lost    uint64 // leases that had ended when the plan was there, which was not shared then
}

type leaseCounts struct{ held, awaited, overdue, lost atomic.Uint64 }

func (n *leaseCounts) stats() LeaseStats {
	return LeaseStats{n.held.Load(), n.awaited.Load(), n.overdue.Load(), n.lost.Load()}
}

const (
	// leasePoll and leasePollMost are how long a cache waits until it asks again for a plan
	// that another one builds.
	leasePoll     = time.Millisecond
	leasePollMost = 32 * time.Millisecond
)

// checkLease returns an error for a lease that the store cannot give.
func (c *Options[P]) checkLease() error {
	switch {
	case c.Lease < 0:
		return fmt.Errorf("plancache: Lease is %v: it must not be negative", c.Lease)
	case c.Lease > 0:
		if _, ok := c.Store.(Leaser); !ok {
			return fmt.Errorf("plancache: Lease is set, and the Store is a %T, which is no Leaser", c.Store)
		}
	}
	return nil
}

// claim is what a cache may do with the plan that it builds.
type claim struct {
	token    string // of a lease; empty: none
	withheld bool   // the plan is another cache's to share
}

// obtain returns a plan from the second level, or the right to build it. With leases it waits
// for a plan that another cache builds. If that one is gone, its lease ends, and one of those
// who wait gets it; the wait is bounded all the same.
func (c *Cache[P]) obtain(ctx context.Context, g *epoch[P], key Key) (m made[P], mine claim, ok bool) {
	if c.options.Lease == 0 {
		m, ok = c.fetch(ctx, g, key)
		return m, claim{}, ok
	}
	bound := time.Now().Add(c.options.Lease + c.options.Lease/2)
	for pause := leasePoll; ; pause = min(2*pause, leasePollMost) {
		one, err := c.lease(ctx, g, key)
		switch {
		case err != nil: // Without the second level, plans are built as without it.
			return m, claim{}, false
		case one.token != "":
			c.level.leases.held.Add(1)
			return m, claim{token: one.token}, false
		case !one.taken:
			if pause > leasePoll {
				c.level.leases.awaited.Add(1)
			}
			return one.made, claim{}, true
		case time.Until(bound) <= 0:
			c.level.leases.overdue.Add(1)
			return m, claim{withheld: true}, false
		}
		if !sleep(ctx, min(pause, time.Until(bound))) {
			return m, claim{withheld: true}, false
		}
	}
}

// offer is what the second level has for a key: a plan, a lease, or neither.
type offer[P any] struct {
	made  made[P]
	token string
	taken bool // somebody else has the lease
}

func (c *Cache[P]) lease(ctx context.Context, g *epoch[P], key Key) (offer[P], error) {
	one, err := ask(ctx, c.level, func(ctx context.Context) (o offer[P], err error) {
		value, token, err := c.level.leaser.Lease(ctx, c.address(g.version, key), c.options.Lease)
		switch {
		case errors.Is(err, ErrLeased):
			return offer[P]{taken: true}, nil
		case err != nil || token != "":
			return offer[P]{token: token}, err
		}
		o.made, err = c.decode(g.version, key, value)
		return o, err
	})
	switch {
	case err == nil && one.token != "":
		c.level.misses.Add(1)
	case err == nil && !one.taken:
		c.level.hits.Add(1)
	case errors.Is(err, ErrNotFound): // What is there is over.
		c.level.misses.Add(1)
	}
	return one, err
}

// release ends a lease of which nothing has come, also while the cache is being closed.
func (c *Cache[P]) release(g *epoch[P], key Key, mine *claim) {
	if mine.token == "" {
		return
	}
	ctx := context.WithoutCancel(c.ctx)
	_, _ = ask(ctx, c.level, func(ctx context.Context) (struct{}, error) { // It has taken the error in.
		return struct{}{}, c.level.leaser.Release(ctx, c.address(g.version, key), mine.token)
	})
}

// store keeps a plan in the second level, by the lease if there is one. It reports whether the lease has ended: by this
// call, or before it, in which case the plan is not kept.
func (c *Cache[P]) store(
	ctx context.Context, address string, value []byte, ttl time.Duration, mine claim,
) (ended bool, err error) {
	if mine.token == "" {
		return false, c.level.store.Set(ctx, address, value, ttl)
	}
	err = c.level.leaser.SetLeased(ctx, address, mine.token, value, ttl)
	if errors.Is(err, ErrLeaseLost) {
		c.level.leases.lost.Add(1)
		return true, nil
	}
	return err == nil, err
}

// sleep waits, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
