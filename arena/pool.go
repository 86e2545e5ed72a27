package arena

import (
	"sync"
	"sync/atomic"
)

// Pool is a [sync.Pool] for one type that cannot be used wrongly in the two ways
// that one usually is: what comes out is reset, and what has grown too large
// does not go back in. Its zero value is a pool of zero values. It is safe for
// concurrent use and must not be copied; its fields must not be changed after
// the first use.
type Pool[T any] struct {
	// New makes a T when the pool is empty; new(T) if nil.
	New func() *T
	// Reset clears a T for its next user, when it is put back. If nil, the T is
	// set to its zero value, which also lets go of what it refers to.
	Reset func(*T)
	// Keep tells whether a T is worth keeping: not if its buffers have grown
	// beyond what most users need. It is called before Reset. If nil, all are.
	Keep func(*T) bool

	pool    sync.Pool
	gets    atomic.Uint64
	misses  atomic.Uint64
	dropped atomic.Uint64
}

// Get returns a T that nobody else has.
func (p *Pool[T]) Get() *T {
	p.gets.Add(1)
	if v := p.pool.Get(); v != nil {
		return v.(*T)
	}
	p.misses.Add(1)
	if p.New != nil {
		return p.New()
	}
	return new(T)
}

// Put takes a T back; it must not be used afterwards. Nil is ignored.
func (p *Pool[T]) Put(v *T) {
	if v == nil {
		return
	}
	if p.Keep != nil && !p.Keep(v) {
		p.dropped.Add(1)
		return
	}
	if p.Reset != nil {
		p.Reset(v)
	} else {
		*v = *new(T)
	}
	p.pool.Put(v)
}

// PoolStats are the counts of a [Pool] since it was made.
type PoolStats struct {
	Gets    uint64
	Misses  uint64 // Gets that made a new value
	Dropped uint64 // Puts that Keep refused
}

// Stats returns the counts so far.
func (p *Pool[T]) Stats() PoolStats {
	return PoolStats{Gets: p.gets.Load(), Misses: p.misses.Load(), Dropped: p.dropped.Load()}
}
