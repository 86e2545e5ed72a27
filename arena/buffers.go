package arena

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"
)

const (
	minClassBits = 8  // 256 B
	maxClassBits = 24 // 16 MiB
	classes      = maxClassBits - minClassBits + 1

	defaultMaxRetained = 64 << 20
)

// Buffers is a pool of byte buffers of every size. Its zero value is ready. It
// is safe for concurrent use and must not be copied.
//
// Buffers are filed in classes by their capacity, a power of two each, with one
// [bytebufferpool.Pool] for each class. One pool for all sizes hands a large
// buffer to whoever wants a small one, until all are large or, as
// bytebufferpool calibrates itself to the common size, allocates every large one
// anew. A pool that sees a single size does neither.
type Buffers struct {
	// MaxRetained bounds the bytes of idle buffers that are kept, 64 MiB if 0.
	// A buffer that would exceed it is left to the garbage collector, which
	// also takes idle buffers that nobody wanted for two of its cycles.
	MaxRetained int64

	classes [classes]class

	unpooled  atomic.Uint64 // Gets above the largest class
	refused   atomic.Uint64 // Puts that were not kept
	discarded atomic.Uint64 // bytes of buffers that were not kept
}

// class is the pool of one capacity.
type class struct {
	pool     bytebufferpool.Pool
	hits     atomic.Int64
	misses   atomic.Int64
	accepted atomic.Int64
	lost     atomic.Int64 // accepted, and then taken by the garbage collector
	_        [24]byte     // Keeps neighbours' counters on other cache lines.
}

// classFor returns the smallest class whose buffers hold n bytes.
func classFor(n int) int {
	if n <= 1<<minClassBits {
		return 0
	}
	return bits.Len(uint(n-1)) - minClassBits
}

// classOf returns the largest class that a capacity satisfies, -1 if none.
func classOf(capacity int) int { return bits.Len(uint(capacity)) - 1 - minClassBits }

func classSize(class int) int { return 1 << (class + minClassBits) }

// pooledMark is written behind the contents of a buffer in the pool, where a new
// buffer has a zero: it tells a reused buffer from one that the pool has made.
const pooledMark = 0xA5

// Get returns an empty buffer with a capacity of at least n bytes. Whoever has
// it owns it, and gives it to Put when neither it nor any slice of its bytes is
// used any more. A buffer that is never put is simply collected.
func (p *Buffers) Get(n int) *bytebufferpool.ByteBuffer {
	i := classFor(n)
	if i >= classes {
		p.unpooled.Add(1)
		return &bytebufferpool.ByteBuffer{B: make([]byte, 0, n)}
	}
	c := &p.classes[i]
	b := c.pool.Get()
	if last := cap(b.B) - 1; last >= 0 && b.B[:last+1][last] == pooledMark {
		c.hits.Add(1)
		debugGot(p, b)
		return b
	}
	c.missed()
	if cap(b.B) < classSize(i) {
		b.B = make([]byte, 0, classSize(i))
	}
	return b
}

// missed notes that the pool was empty, but for what other threads keep to
// themselves. What it held before, the garbage collector has taken.
func (c *class) missed() {
	c.misses.Add(1)
	if surplus := c.held() - int64(runtime.GOMAXPROCS(0)); surplus > 0 {
		c.lost.Add(surplus)
	}
}

// held estimates the idle buffers of a class, from above.
func (c *class) held() int64 {
	return max(c.accepted.Load()-c.hits.Load()-c.lost.Load(), 0)
}

// Put takes a buffer back, whether or not it came from this pool, and files it
// by the capacity that it has now. Neither the buffer nor its bytes may be used
// afterwards. A nil buffer is ignored.
func (p *Buffers) Put(b *bytebufferpool.ByteBuffer) {
	if b == nil {
		return
	}
	capacity := cap(b.B)
	i := classOf(capacity)
	tooSmall, tooLarge := i < 0, i >= classes || i == classes-1 && capacity > classSize(i)
	if tooSmall || tooLarge || !p.mayKeep(&p.classes[i], int64(capacity)) {
		p.refused.Add(1)
		p.discarded.Add(uint64(capacity))
		return
	}
	c := &p.classes[i]
	c.accepted.Add(1)
	// The pool calibrates itself by length: let it see the capacity, the size
	// that it is for, not how much of it the last user needed.
	b.B = b.B[:capacity]
	debugPut(p, b)
	b.B[capacity-1] = pooledMark
	c.pool.Put(b)
}

// mayKeep sums up all classes only if this one holds more than its small part of
// an eighth of what is allowed: so much is set aside for those that do not look.
func (p *Buffers) mayKeep(c *class, capacity int64) bool {
	limit := p.MaxRetained
	if limit == 0 {
		limit = defaultMaxRetained
	}
	reserve := limit / 8
	if (c.held()+1)*capacity <= reserve/classes {
		return true
	}
	return p.retained()+capacity <= limit-reserve
}

func (p *Buffers) retained() (bytes int64) {
	for i := range p.classes {
		bytes += p.classes[i].held() * int64(classSize(i))
	}
	return bytes
}

// BufferStats are the counts of a [Buffers] since it was made.
type BufferStats struct {
	Gets      uint64
	Misses    uint64 // Gets that allocated
	Puts      uint64
	Discarded uint64 // bytes of buffers that Put did not keep
	// Retained estimates the bytes of idle buffers. What the garbage collector
	// takes is noticed at the next miss; a buffer that append has grown counts
	// with the size of its class, which is more than half of its own.
	Retained int64
}

// Stats returns the counts so far.
func (p *Buffers) Stats() BufferStats {
	s := BufferStats{Misses: p.unpooled.Load(), Puts: p.refused.Load(), Discarded: p.discarded.Load(), Retained: p.retained()}
	s.Gets = s.Misses
	for i := range p.classes {
		c := &p.classes[i]
		s.Gets += uint64(c.hits.Load() + c.misses.Load())
		s.Misses += uint64(c.misses.Load())
		s.Puts += uint64(c.accepted.Load())
	}
	return s
}
