package plancache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// ErrNotFound is what a [Store] returns for a key that it does not have.
var ErrNotFound = errors.New("plancache: not found")

// Store is a second level, which many caches share. Keys are of letters, digits and
// colons, below 100 bytes. It must be safe for concurrent use. Its errors are never those
// of callers of a cache.
type Store interface {
	Invalidator
	// Get returns a value, or [ErrNotFound].
	Get(ctx context.Context, key string) ([]byte, error)
	// Set keeps a value for as long as ttl, or for ever if it is 0.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
}

// Invalidator tells caches of each other's deletions. It must be safe for concurrent use.
// A [Store] is one.
type Invalidator interface {
	// Delete removes a value, and tells all who watch. A key that ends with an asterisk
	// is all keys that begin with the rest; an asterisk alone is all that there is.
	Delete(ctx context.Context, key string) error
	// Watch returns the keys that are deleted, by anybody, from when it has returned. The
	// channel is closed when the context ends, or when keys may have been missed; then
	// the cache takes all plans out and watches again.
	Watch(ctx context.Context) (<-chan string, error)
}

// StoreStats is what the second level has done.
type StoreStats struct {
	Hits, Misses, Errors uint64
	Skipped              uint64 // calls that were not made, because calls had failed
	Invalidations        uint64 // that have come from it
}

// storeKey is the key of a plan in the second level.
func storeKey(version string, key Key) string {
	h := sha256.New()
	for _, part := range []string{key.Query, key.Operation, key.Extra} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return versionKey(version) + hex.EncodeToString(h.Sum(nil)[:20])
}

// versionKey is with what keys of a version begin.
func versionKey(version string) string {
	sum := sha256.Sum256([]byte(version))
	return hex.EncodeToString(sum[:8]) + ":"
}

// level is the second level as a cache uses it: with a bound on its time, and with a
// breaker, which does not ask for a while after failures.
type level struct {
	carrier Invalidator
	store   Store // nil if plans are not shared
	timeout time.Duration

	failures  atomic.Int32 // in a row
	openUntil atomic.Int64 // nanoseconds since 1970

	hits, misses, errors, skipped, invalidations atomic.Uint64
}

const (
	breakAfter = 3 // failures in a row
	breakFirst = 100 * time.Millisecond
	breakMost  = 10 * time.Second
)

// open tells whether the second level is not to be asked now. When a break is over, one
// caller asks, and the others go on without for as long as that may take.
func (l *level) open() bool {
	until := l.openUntil.Load()
	if until == 0 {
		return false
	}
	now := time.Now()
	if now.UnixNano() < until || !l.openUntil.CompareAndSwap(until, now.Add(l.timeout).UnixNano()) {
		l.skipped.Add(1)
		return true
	}
	return false
}

// call calls the second level, unless it is broken. skipped is an error of its own.
func (l *level) call(ctx context.Context, f func(context.Context) error) error {
	if l.open() {
		return errBroken
	}
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err := shield(limited, f)
	switch {
	case err == nil || errors.Is(err, ErrNotFound):
		l.failures.Store(0)
		l.openUntil.Store(0)
	case ctx.Err() == nil: // Else it is not its fault.
		l.errors.Add(1)
		if n := l.failures.Add(1); n >= breakAfter {
			pause := min(breakFirst<<min(n-breakAfter, 10), breakMost)
			l.openUntil.Store(time.Now().Add(pause/2 + rand.N(pause)).UnixNano())
		}
	}
	return err
}

var errBroken = errors.New("plancache: the second level has failed lately and is not asked")

// shield makes a panic of a store an error.
func shield(ctx context.Context, f func(context.Context) error) error {
	_, err := protect(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

func (l *level) get(ctx context.Context, key string) (value []byte, ok bool) {
	err := l.call(ctx, func(ctx context.Context) (err error) { value, err = l.store.Get(ctx, key); return err })
	if errors.Is(err, ErrNotFound) {
		l.misses.Add(1)
	}
	return value, err == nil
}

func (l *level) delete(ctx context.Context, key string) error {
	return l.call(ctx, func(ctx context.Context) error { return l.carrier.Delete(ctx, key) })
}

func (l *level) stats() StoreStats {
	return StoreStats{l.hits.Load(), l.misses.Load(), l.errors.Load(), l.skipped.Load(), l.invalidations.Load()}
}

// fetch gets a plan from the second level.
func (c *Cache[P]) fetch(ctx context.Context, g *generation[P], key Key) (plan P, ok bool) {
	if c.level == nil || c.level.store == nil {
		return plan, false
	}
	value, ok := c.level.get(ctx, storeKey(g.version, key))
	if !ok {
		return plan, false
	}
	r, err := decodeRecord(value)
	if err == nil && (r.version != g.version || r.key != key) {
		err = errors.New("a plan for another key")
	}
	if err == nil {
		plan, err = protect(ctx, func(context.Context) (P, error) { return c.config.Codec.Decode(r.plan) })
	}
	if err != nil {
		c.level.errors.Add(1)
		return plan, false
	}
	c.level.hits.Add(1)
	return plan, true
}

// share gives a plan to the second level.
func (c *Cache[P]) share(g *generation[P], key Key, plan P) {
	if c.level == nil || c.level.store == nil || c.ctx.Err() != nil || !c.has(g, key) {
		return
	}
	// What is invalidated while it is on its way must not stay.
	defer func() {
		if now := c.current.Load(); now.version == g.version && !c.has(now, key) {
			_ = c.level.delete(c.ctx, storeKey(g.version, key))
		}
	}()
	ttl := c.ttl(key, plan)
	_ = c.level.call(c.ctx, func(ctx context.Context) error { // The breaker has taken its error in.
		data, err := c.config.Codec.Encode(plan)
		if err != nil {
			return err
		}
		return c.level.store.Set(ctx, storeKey(g.version, key), encodeRecord(record{version: g.version, key: key, plan: data}), max(ttl, 0))
	})
}

// has tells whether a plan is there for a canonical key, in a generation that is current.
func (c *Cache[P]) has(g *generation[P], key Key) bool {
	return c.current.Load() == g && g.table.Load().find(c.hashOf(&key), &key) != nil
}

// InvalidateSchema takes all plans of a version out, here, in the second level and in all
// caches that use it.
func (c *Cache[P]) InvalidateSchema(ctx context.Context, version string) error {
	if version == c.Schema() {
		c.Purge()
	}
	if c.level == nil {
		return nil
	}
	// It may take a look at all keys, and it is worth a try in any case.
	return shield(ctx, func(ctx context.Context) error { return c.level.carrier.Delete(ctx, versionKey(version)+"*") })
}

// listen takes in what the second level says, until the context ends.
func (c *Cache[P]) listen(ctx context.Context) {
	pause := breakFirst
	for missed := false; ctx.Err() == nil; missed = true {
		var keys <-chan string
		err := shield(ctx, func(ctx context.Context) (err error) { keys, err = c.level.carrier.Watch(ctx); return err })
		if err == nil {
			if missed {
				c.Purge() // Nobody knows what has been deleted meanwhile.
			}
			pause = breakFirst
			for key := range keys {
				c.level.invalidations.Add(1)
				c.invalidate(key)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, breakMost)
	}
}

// invalidate takes out what has been deleted from the second level.
func (c *Cache[P]) invalidate(key string) {
	g := c.current.Load()
	mine := versionKey(g.version)
	if prefix, all := strings.CutSuffix(key, "*"); all && strings.HasPrefix(mine, prefix) {
		c.Purge()
		return
	}
	if !strings.HasPrefix(key, mine) {
		return
	}
	g.mu.Lock()
	for k := range g.calls {
		if storeKey(g.version, k) == key {
			delete(g.calls, k) // What it builds may be what was deleted.
		}
	}
	g.mu.Unlock()
	for _, e := range g.entries() {
		if e.err == nil && storeKey(g.version, e.key) == key {
			c.drop(g, &e.key)
			return
		}
	}
}
