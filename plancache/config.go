package plancache

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	defaultCapacity     = 1000
	defaultBytes        = 64 << 20
	bytesEach           = 64 << 10
	mostBytes           = math.MaxInt64 / 8 // so that sums of weights do not overflow
	defaultTTL          = time.Hour
	defaultStoreTimeout = 50 * time.Millisecond
	// Forever as a TTL keeps plans until they are evicted.
	Forever time.Duration = -1
)

// Key identifies a plan. Two keys share a plan only if all of their fields are
// equal, byte by byte.
type Key struct {
	Query     string // the whole text
	Operation string // the operation's name, if plans depend on it
	Extra     string // what else plans depend on, such as a client's set of features
}

func (k *Key) size() int64 { return int64(len(k.Query) + len(k.Operation) + len(k.Extra)) }

// Options configures a [Cache]. Zero fields have defaults.
//
// Its functions and interfaces may call the cache, may panic and may block. No lock is held
// while they run. A function that panics or returns nonsense is reported to OnError, and its
// plan is not cached.
type Options[P any] struct {
	// Capacity is the number of plans: 1000 by default, or any number if Bytes is set.
	Capacity int
	// Bytes bounds the memory: the sum of what Weigh returns, of the keys, and of 256 bytes
	// for each plan. By default it is 64 MiB, or 64 KiB for each plan of Capacity if that is
	// more. A plan that is larger than the bound is cached alone.
	Bytes int64
	// Weigh returns the bytes of a plan, without those of its key. Without it, which Bytes
	// does not allow, plans count as 32 times their key: what gqlparser makes of a query. A
	// plan with a negative weight is not cached.
	Weigh func(Key, P) int64
	// TTL is how long a plan is good, an hour by default. [Forever] is no bound.
	TTL time.Duration
	// Expire returns another TTL for a plan; 0 is TTL. A plan with a negative one, other
	// than [Forever], is over already and is not cached.
	Expire func(Key, P) time.Duration
	// Jitter is the share of its TTL by which a plan may end earlier, so that plans that
	// were built together do not end together. 0 is 0.1, below 0 is none.
	Jitter float64
	// StaleFor is how long after its TTL a plan is still served, while Load builds a
	// new one in the background. 0 is not at all. The context of such a build ends after
	// StaleFor, or when those who have come to wait for it have left.
	StaleFor time.Duration
	// ErrorTTL is how long Load returns the error of a build without another try, unless
	// there is a plan by then. 0 is not at all.
	ErrorTTL time.Duration
	// Schema is the version of the schema that plans are for at first.
	Schema string
	// PlanVersion is the version of what makes plans and of Codec. Caches share plans through
	// a Store, and Restore adds them, only if it is the same: change it when a plan means
	// something else than before, or is encoded in another way.
	PlanVersion string
	// Normalize makes queries share a plan that differ in white space, commas and
	// comments only, see [Normalize].
	Normalize bool
	// Codec makes plans bytes, for Save, Restore and Store.
	Codec Codec[P]
	// Store is a second level, which a fleet shares. Load asks it before it builds.
	Store Store
	// Invalidator carries deletions between caches, instead of the Store if there is
	// one, such as a [bus.Link]. Beside a Store it must take what it deletes out of that before
	// it tells anyone: see Before in the options of the link.
	//
	// [bus.Link]: https://pkg.go.dev/github.com/gqlboost/gqlboost/plancache/bus#Link
	Invalidator Invalidator
	// Lease lets one cache of a fleet build a plan while the others wait for it, which needs a
	// Store that is a [Leaser]. It is how long a cache may build until another one takes over,
	// and should be longer than builds take: what takes longer is not shared. The others wait
	// for half as long again at most, and then build for themselves. They ask after a millisecond,
	// and then less and less often, so it is for plans that take longer than that. Plans that are
	// built again because they are stale take no lease. 0 is no leases.
	Lease time.Duration
	// StoreTimeout bounds a call of Store or Invalidator, 50 ms by default, also of one that
	// ignores its context. Deletions of a whole version take as long as their context.
	StoreTimeout time.Duration
	// OnEvict is called with each plan that leaves the cache, after it has left, by one
	// goroutine at a time. The call that has made the plan leave waits for it, but no longer
	// than 50 ms. If calls block until plans wait for theirs that weigh as much as the cache
	// may, further plans leave without one; Stats counts them.
	OnEvict func(Key, P, Cause)
	// OnError is called, as OnEvict is, with the errors that no caller gets: a panic of
	// another function of the configuration, an invalid weight, a failure of Store.
	OnError func(error)
}

// Codec makes plans bytes and back. It must be safe for concurrent use.
type Codec[P any] interface {
	Encode(P) ([]byte, error)
	// Decode must not keep data. It must return an error for what Encode has not written.
	Decode(data []byte) (P, error)
}

// Cause is why a plan has left a cache.
type Cause uint8

// Causes.
const (
	Evicted  Cause = iota // for another plan
	Expired               // its TTL has ended
	Replaced              // by a new plan for the same key
	Removed               // by Delete, Purge or an invalidation
	Outdated              // the schema has changed
)

// String returns "evicted", "expired" and so on.
func (c Cause) String() string {
	if int(c) < len(causes) {
		return causes[c]
	}
	return fmt.Sprintf("Cause(%d)", c)
}

var causes = [...]string{"evicted", "expired", "replaced", "removed", "outdated"}

var (
	// ErrNoCodec is returned by what needs Options.Codec.
	ErrNoCodec = errors.New("plancache: Options.Codec is not set")
	// ErrClosed is returned after Close by what cannot do without the cache.
	ErrClosed = errors.New("plancache: closed")
)

// check returns an error for what cannot work, and sets defaults.
func (c *Options[P]) check() error {
	switch {
	case c.Capacity < 0:
		return fmt.Errorf("plancache: Capacity is %d: it must not be negative", c.Capacity)
	case c.Bytes < 0:
		return fmt.Errorf("plancache: Bytes is %d: it must not be negative", c.Bytes)
	case c.Bytes > 0 && c.Weigh == nil:
		return errors.New("plancache: Bytes is set without Weigh, which says what a plan weighs")
	case c.Jitter >= 1 || math.IsNaN(c.Jitter):
		return fmt.Errorf("plancache: Jitter is %v: it must be below 1", c.Jitter)
	case c.TTL < 0 && c.TTL != Forever:
		return fmt.Errorf("plancache: TTL is %v: it must be positive or Forever", c.TTL)
	case c.StaleFor < 0 || c.ErrorTTL < 0 || c.StoreTimeout < 0:
		return fmt.Errorf("plancache: a duration is negative: StaleFor %v, ErrorTTL %v, StoreTimeout %v",
			c.StaleFor, c.ErrorTTL, c.StoreTimeout)
	case c.Store != nil && c.Codec == nil:
		return fmt.Errorf("plancache: Store: %w", ErrNoCodec)
	}
	if err := c.checkLease(); err != nil {
		return err
	}
	c.bound()
	c.TTL = cmp.Or(c.TTL, defaultTTL)
	c.Jitter = cmp.Or(c.Jitter, 0.1)
	c.StoreTimeout = cmp.Or(c.StoreTimeout, defaultStoreTimeout)
	return nil
}

// bound sets both bounds.
func (c *Options[P]) bound() {
	switch {
	case c.Capacity == 0 && c.Bytes == 0:
		c.Capacity = defaultCapacity
	case c.Capacity == 0:
		c.Capacity = math.MaxInt
	}
	if c.Bytes == 0 {
		c.Bytes = max(defaultBytes, min(int64(c.Capacity), mostBytes/bytesEach)*bytesEach)
	}
	c.Bytes = min(c.Bytes, mostBytes)
}

// carrier returns what carries deletions to other caches, or nil.
func (c *Options[P]) carrier() Invalidator {
	if c.Invalidator != nil || c.Store == nil {
		return c.Invalidator
	}
	return c.Store
}
