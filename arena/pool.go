package arena

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// Pool is a [sync.Pool] for one type that prevents the three usual mistakes: what
// comes out is reset, what has grown too large does not go back in, and what was put
// twice or is used after Put belongs to no other caller. Its zero value is a pool of
// zero values. It is safe for concurrent use and must not be copied; its fields must
// not be changed after the first use.
//
// What a Pool keeps is what a T refers to: its slices, maps and buffers. Put moves
// them to a new T, which is the next that Get returns, and leaves a zero T in the old
// one. So a T should be small, must not contain a lock or a pointer into itself, and a
// Pool is of no use for a T that refers to nothing. Without a Reset it keeps nothing.
type Pool[T any] struct {
	// New makes a T when the pool is empty; new(T) if nil.
	New func() *T
	// Reset clears a T for its next user, when it is put back. If nil, nothing is
	// kept: every T is a new one.
	Reset func(*T)
	// Keep reports whether a T is worth keeping: not if its buffers have grown
	// beyond what most users need. It is called before Reset. If nil, all are.
	Keep func(*T) bool

	pool    sync.Pool // of *T that nobody else has seen
	spare   sync.Pool // of *shells[T]
	lent    registry
	gets    atomic.Uint64
	misses  atomic.Uint64
	dropped atomic.Uint64
}

// Get returns a T that nobody else has.
func (p *Pool[T]) Get() *T {
	p.gets.Add(1)
	v, _ := p.pool.Get().(*T)
	if v == nil {
		p.misses.Add(1)
		if p.New != nil {
			v = p.New()
		}
		if v == nil {
			v = new(T)
		}
	}
	p.lent.add(uintptr(unsafe.Pointer(v)), 0)
	return v
}

// Put takes back a T that Get has returned, and leaves it zero. Putting it again, even
// at the same time, or putting a T that is not the pool's does nothing; the debug build
// reports it. The pool remembers about a thousand values in use: beyond that, Put may
// rarely do nothing for one of its own. Nil is ignored.
func (p *Pool[T]) Put(v *T) {
	if v == nil {
		return
	}
	if _, ok := p.lent.claim(uintptr(unsafe.Pointer(v))); !ok {
		debugPoolPutAgain(v)
		p.dropped.Add(1)
		return
	}
	debugPoolPut(v)
	if p.Reset == nil {
		*v = *new(T)
		return
	}
	next := p.shell()
	*next, *v = *v, *new(T)
	if p.Keep != nil && !p.Keep(next) {
		p.dropped.Add(1)
		return
	}
	p.Reset(next)
	p.pool.Put(next)
}

// shells are zero values that were never lent.
type shells[T any] struct{ list []T }

// shellBytes is about how much of them is allocated at once. The garbage collector
// frees such a batch as a whole.
const shellBytes = 256

// shell returns one of them.
func (p *Pool[T]) shell() *T {
	s, _ := p.spare.Get().(*shells[T])
	if s == nil {
		s = new(shells[T])
	}
	if len(s.list) == 0 {
		s.list = make([]T, max(1, shellBytes/max(unsafe.Sizeof(*new(T)), 1)))
	}
	next := &s.list[0]
	s.list = s.list[1:]
	p.spare.Put(s)
	return next
}

// PoolStats are the counts of a [Pool] since it was made.
type PoolStats struct {
	Gets    uint64
	Misses  uint64 // Gets that made a new value
	Dropped uint64 // Puts that kept nothing: Keep refused, or it was no T that Get had lent
}

// Stats returns the counts so far.
func (p *Pool[T]) Stats() PoolStats {
	return PoolStats{Gets: p.gets.Load(), Misses: p.misses.Load(), Dropped: p.dropped.Load()}
}
