package plancache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// ErrNotFound is returned by a [Store] for a key that it does not have.
var ErrNotFound = errors.New("plancache: not found")

// Store is a second level, which many caches share. Keys are of letters, digits and
// colons, below 100 bytes. It must be safe for concurrent use. Its errors are never those
// of callers of a cache.
type Store interface {
	Invalidator
	// Get returns a value, or [ErrNotFound].
	Get(ctx context.Context, key string) ([]byte, error)
	// Set keeps a value for ttl, or forever if it is 0.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
}

// Invalidator tells caches of each other's deletions. It must be safe for concurrent use.
// A [Store] is one.
type Invalidator interface {
	// Delete removes a value, and notifies all watchers. A key that ends with an
	// asterisk is all keys that begin with the rest; an asterisk alone is all that
	// there is.
	Delete(ctx context.Context, key string) error
	// Watch returns the keys that are deleted, by anybody, from when it has returned. The
	// channel is closed when the context ends, or when keys may have been missed; then
	// the cache takes all plans out and watches again.
	Watch(ctx context.Context) (<-chan string, error)
}

// BatchInvalidator is an [Invalidator] that takes many keys at a time, as a result's many tags are.
// With any other, they are deleted one after the other.
type BatchInvalidator interface {
	Invalidator
	// DeleteEach is Delete for all of the keys. Its error says that some may not have been deleted.
	DeleteEach(ctx context.Context, keys []string) error
}

// StoreStats holds the counts of the second level.
type StoreStats struct {
	Hits, Misses, Errors uint64
	Skipped              uint64 // calls that were not made, because calls had failed
	Invalidations        uint64 // that have come from it
	Leases               LeaseStats
}

// address is the key of a plan in the second level. Plans of other planners have others.
func (c *Cache[P]) address(version string, key Key) string {
	if c.options.PlanVersion == "" {
		return storeKey(version, key)
	}
	sum := sha256.Sum256([]byte(c.options.PlanVersion))
	return versionKey(version) + hex.EncodeToString(sum[:4]) + ":" + keyHash(key)
}

// storeKey is address for a planner without a version.
func storeKey(version string, key Key) string { return versionKey(version) + keyHash(key) }

func keyHash(key Key) string {
	h := sha256.New()
	for _, part := range []string{key.Query, key.Operation, key.Extra} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// versionKey is the prefix of a version's keys.
func versionKey(version string) string {
	sum := sha256.Sum256([]byte(version))
	return hex.EncodeToString(sum[:8]) + ":"
}

// fetch gets a plan from the second level.
func (c *Cache[P]) fetch(ctx context.Context, g *epoch[P], key Key) (m made[P], ok bool) {
	if c.level == nil || c.level.store == nil {
		return m, false
	}
	m, err := ask(ctx, c.level, func(ctx context.Context) (made[P], error) {
		value, err := c.level.store.Get(ctx, c.address(g.version, key))
		if err != nil {
			return made[P]{}, err
		}
		return c.decode(g.version, key, value)
	})
	switch {
	case err == nil:
		c.level.hits.Add(1)
	case errors.Is(err, ErrNotFound):
		c.level.misses.Add(1)
	}
	return m, err == nil
}

// decode reads a plan that comes from the second level.
func (c *Cache[P]) decode(version string, key Key, value []byte) (m made[P], err error) {
	r, err := decodeRecord(value)
	if err == nil && (r.version != version || r.planVersion != c.options.PlanVersion || r.key != key) {
		err = errors.New("a plan for another key")
	}
	if err == nil {
		m, err = c.revive(key, r)
	}
	if err == nil && m.lost {
		err = ErrNotFound
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		err = badValue{err}
	}
	return m, err
}

// revive makes a plan of a record. It is good for no longer than it was when it was made,
// nor than a plan that is made now.
func (c *Cache[P]) revive(key Key, r record) (m made[P], err error) {
	if r.over() {
		return m, ErrNotFound
	}
	plan, err := protect(c.ctx, func(context.Context) (P, error) { return c.options.Codec.Decode(r.plan) })
	if err != nil {
		return m, err
	}
	m = c.dated(key, plan, 0)
	if !r.deadline.IsZero() {
		// On the monotonic clock, as all others: it may wait in one heap with them, and the other clock may be set.
		now := time.Now()
		m.deadline = earlier(m.deadline, now.Add(r.deadline.Sub(now)))
	}
	return m, nil
}

// share gives what a call has made to the second level, if that is this cache's to do.
func (l *load[P]) share(one *call[Key, P], m made[P], mine *claim) {
	c, g, key := l.cache, l.g, l.key
	if c.level == nil || c.level.store == nil || mine.withheld || c.ctx.Err() != nil {
		return
	}
	address := c.address(g.version, key)
	up := c.level.uploads.begin(address) // before the last look at whether it was deleted
	if !one.current() || !c.has(g, key) {
		c.level.uploads.end(up)
		return
	}
	one.finish(m.plan, nil) // Nobody waits for the second level to take it.
	// A lease ends with its key.
	if mine.token == "" && !c.level.uploads.settle(c.ctx, up) {
		c.level.uploads.end(up)
		return
	}
	// A store that ignores its context may still be at it when others go on. The last of both ends the upload.
	by := *mine
	var over atomic.Bool
	leased, err := ask(c.ctx, c.level, func(ctx context.Context) (leased bool, err error) { // It has taken the error in.
		defer func() {
			if over.Swap(true) {
				c.arrived(up, leased)
			}
		}()
		data, err := protect(ctx, func(context.Context) ([]byte, error) { return c.options.Codec.Encode(m.plan) })
		if err != nil {
			return false, badValue{err}
		}
		var ttl time.Duration
		if !m.deadline.IsZero() {
			if ttl = time.Until(m.deadline); ttl <= 0 {
				return false, nil
			}
		}
		value := encodeRecord(record{
			version: g.version, planVersion: c.options.PlanVersion, key: key,
			cost: m.cost, deadline: m.deadline, plan: data,
		})
		return c.store(ctx, address, value, ttl, by)
	})
	if leased {
		mine.token = ""
	}
	switch {
	case errors.Is(err, errBroken):
		c.level.uploads.end(up) // It has not gone.
	case over.Swap(true):
		c.arrived(up, leased)
	}
}

// arrived ends an upload. What was deleted meanwhile must not stay. What was evicted here may. A lease ends with its
// key: what came by one is new, and what is there after a lost one is the next holder's.
func (c *Cache[P]) arrived(up *upload, leased bool) {
	switch {
	case leased:
		c.level.uploads.end(up)
	case c.level.uploads.arrive(up):
		c.undo(up.address)
	}
}

// undo removes plans from the second level that may have arrived behind their deletion. What is not there was removed
// behind its arrival.
func (c *Cache[P]) undo(addresses ...string) {
	there := slices.DeleteFunc(addresses, func(address string) bool {
		_, err := ask(c.ctx, c.level, func(ctx context.Context) ([]byte, error) { return c.level.store.Get(ctx, address) })
		return errors.Is(err, ErrNotFound)
	})
	_ = c.level.deleteEach(c.ctx, there)
}

// has reports whether a plan is there for a canonical key, in an epoch that is current.
func (c *Cache[P]) has(g *epoch[P], key Key) bool {
	return c.current.Load() == g && g.table.Load().find(c.hashOf(&key), &key) != nil
}

// InvalidateSchema takes all plans of a version out, here, in the second level and in all
// caches that use it. It takes as long as its context at most.
func (c *Cache[P]) InvalidateSchema(ctx context.Context, version string) error {
	if ctx == nil {
		return missing(ctx, false)
	}
	here := func(g *epoch[P]) {
		if g.version == version {
			g.clear(Removed)
		}
	}
	c.everywhere(here)
	if c.level == nil {
		return nil
	}
	c.level.uploads.invalidate(versionKey(version) + "*")
	err := c.level.deleteAll(ctx, c.ctx, versionKey(version)+"*")
	c.everywhere(here) // Meanwhile plans may have been found there.
	return err
}
