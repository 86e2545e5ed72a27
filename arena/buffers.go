package arena

import (
	"sync"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"
)

const defaultMaxRetained = 64 << 20

// Buffers is a pool of byte buffers of every size. Its zero value is ready. It
// is safe for concurrent use and must not be copied.
//
// Buffers are filed in classes by their capacity, a power of two each, with one
// [bytebufferpool.Pool] for each class. One pool for all sizes hands a large
// buffer to a caller that wants a small one, until all are large or, as
// bytebufferpool calibrates itself to the common size, allocates every large one
// again. A pool that sees a single size does neither.
//
// Callers that do not know the size ask for some and let the buffer grow. Buffers
// learns which sizes are asked for that way, and keeps the buffers that have grown
// for callers that ask for the same size again: see [Buffers.Get].
//
// A buffer is a handle: Put takes its memory away, and the same memory is lent again
// only in another handle. A handle that is kept after Put is an empty buffer.
type Buffers struct {
	// MaxRetained bounds the bytes of idle buffers that are kept, 64 MiB if 0.
	// A buffer that would exceed it is left to the garbage collector, which
	// also takes idle buffers that nobody wanted for two of its cycles.
	MaxRetained int64

	shards  sync.Pool    // of *shard
	sharded atomic.Int64 // bytes that shards may keep
	tallies tallies
	classes [classes]class
	spare   sync.Pool                // of *bytebufferpool.ByteBuffer without memory, for grown pools
	asked   atomic.Pointer[registry] // for which class a lent buffer was asked, where it may grow
	watch   atomic.Int32             // so many Gets note the class, to find out whose buffers grow

	audit audit

	unpooled  atomic.Uint64 // Gets above the largest class
	refused   atomic.Uint64 // Puts that were not kept
	discarded atomic.Uint64 // bytes of buffers that were not kept
}

// watched is how many Gets are watched when a buffer has grown and nobody knows
// which size it was asked for.
const watched = 256

// Get returns an empty buffer with a capacity of at least n bytes. The caller
// owns it, and gives it to Put when neither it nor any slice of its bytes is in
// use. A buffer that is never put is garbage collected.
//
// A caller that does not know the size asks for the smallest that makes sense, always
// the same one, and appends. If buffers that were asked for with such an n (rounded
// up to a power of two) have lately come back with more than that, Get returns one
// that has grown, or a new one of the size that most of them needed.
func (p *Buffers) Get(n int) *bytebufferpool.ByteBuffer {
	i := classFor(n)
	if i >= classes {
		p.unpooled.Add(1)
		return &bytebufferpool.ByteBuffer{B: make([]byte, 0, n)}
	}
	s := p.shard()
	c := &p.classes[i]
	var b *bytebufferpool.ByteBuffer
	mayGrow := false
	if most := c.size.most(); most > classSize(i) {
		b = p.getGrown(s, c, i)
		mayGrow = cap(b.B) < most
	} else {
		b = p.get(s, c, i, classSize(i))
	}
	p.shards.Put(s)
	if mayGrow || p.watch.Load() > 0 {
		p.note(b, i)
	}
	return b
}

// get lends a buffer of a class, or a new one of size bytes.
func (p *Buffers) get(s *shard, c *class, i, size int) *bytebufferpool.ByteBuffer {
	if memory := s.take(i); memory != nil {
		return s.lend(memory, i)
	}
	b := c.pool.Get()
	if isIdle(b.B) {
		c.hits.Add(1)
		b.B = lent(b.B, i)
		return b
	}
	c.missed()
	if cap(b.B) < size {
		b.B = make([]byte, 0, size)
	}
	b.B = lent(b.B, i)
	return b
}

// getGrown lends a buffer that grew when this class was asked for, or one that is
// as large as most of them became.
func (p *Buffers) getGrown(s *shard, c *class, i int) *bytebufferpool.ByteBuffer {
	if memory := s.takeGrown(i); memory != nil {
		return s.lend(memory, i)
	}
	if node := c.grown.take(); node != nil {
		return s.lend(p.unwrap(node), i)
	}
	return p.get(s, c, i, max(classSize(i), c.size.typical()))
}

// note remembers the class that a lent buffer was asked for.
func (p *Buffers) note(b *bytebufferpool.ByteBuffer, i int) {
	if p.watch.Load() > 0 {
		p.watch.Add(-1)
	}
	asked := p.asked.Load()
	if asked == nil {
		p.asked.CompareAndSwap(nil, new(registry))
		asked = p.asked.Load()
	}
	asked.add(addressOf(b), uint8(i))
}

// Put takes a buffer back, whether or not it came from this pool, and leaves the
// handle empty. No slice of its bytes may be used afterwards. The handle may be: it is
// as a new one, without memory. Putting it again, also at the same time or when its
// memory belongs to somebody else, does nothing; the debug build reports it. A nil
// buffer is ignored.
func (p *Buffers) Put(b *bytebufferpool.ByteBuffer) {
	if b == nil {
		return
	}
	memory := claim(b)
	if cap(memory) == 0 {
		debugPutAgain(b)
		p.refused.Add(1)
		return
	}
	debugPut(b)
	n := len(memory)
	i, state := readMark(memory, n)
	if state == markIdle { // A copy of the handle: the memory is in the pool already.
		p.refused.Add(1)
		return
	}
	known := state == markLent
	if asked := p.asked.Load(); asked != nil && !known {
		if class, ok := asked.claim(addressOf(b)); ok {
			i, known = int(class), true
		}
	}
	s := p.shard()
	known = known && cap(memory) >= classSize(i)
	switch c := &p.classes[i]; {
	case known && (n > classSize(i) || c.grows(i)):
		if c.size.saw(n, s.sampled()) {
			c.grown.allowed.Store(c.grown.bytes())
			s.allow(p, s.bytes)
		}
		p.putGrown(s, c, i, memory)
	default:
		if !known && n+markSize <= cap(memory) {
			// New memory, as its mark was not overwritten: the buffer has grown.
			p.watch.Store(watched)
		}
		p.put(s, memory)
	}
	p.shards.Put(s)
}

// put files memory by its capacity.
func (p *Buffers) put(s *shard, memory []byte) {
	capacity := cap(memory)
	i := classOf(capacity)
	tooSmall, tooLarge := i < 0, i >= classes || i == classes-1 && capacity > classSize(i)
	switch {
	case tooSmall || tooLarge:
		p.refuse(capacity)
	case s.put(p, i, memory):
	case p.classes[i].mayKeep(p, capacity):
		p.classes[i].put(s.handle(capacity), idle(memory, i))
	default:
		p.refuse(capacity)
	}
}

// putGrown files memory under the class that was asked for.
func (p *Buffers) putGrown(s *shard, c *class, i int, memory []byte) {
	capacity := cap(memory)
	switch {
	case classOf(capacity) == i:
		p.put(s, memory)
	case capacity > 2<<maxClassBits || c.size.outgrown(capacity):
		p.refuse(capacity)
	case s.putGrown(p, i, memory):
	case c.grown.mayKeep(p, int64(capacity)):
		c.grown.put(p.wrap(idle(memory, i)))
	default:
		p.refuse(capacity)
	}
}

// wrap puts memory into a ByteBuffer that only grown pools see.
func (p *Buffers) wrap(memory []byte) *bytebufferpool.ByteBuffer {
	node, _ := p.spare.Get().(*bytebufferpool.ByteBuffer)
	if node == nil {
		node = new(bytebufferpool.ByteBuffer)
	}
	node.B = memory
	return node
}

// unwrap is the reverse of wrap.
func (p *Buffers) unwrap(node *bytebufferpool.ByteBuffer) (memory []byte) {
	memory, node.B = node.B, nil
	p.spare.Put(node)
	return memory
}

func (p *Buffers) refuse(capacity int) {
	p.refused.Add(1)
	p.discarded.Add(uint64(capacity))
}

// BufferStats are the counts of a [Buffers] since it was made. Beyond the first thousand
// of a processor, Gets and Puts may be short by up to 63 each for it.
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
	hits, puts, bytes := p.tallies.counted()
	misses := p.unpooled.Load()
	s := BufferStats{
		Gets: hits + misses, Misses: misses,
		Puts: puts + p.refused.Load(), Discarded: p.discarded.Load(),
		Retained: bytes + p.shared(),
	}
	for i := range p.classes {
		c := &p.classes[i]
		s.Gets += uint64(c.hits.Load() + c.grown.hits.Load() + c.misses.Load())
		s.Misses += uint64(c.misses.Load())
		s.Puts += uint64(c.accepted.Load() + c.grown.accepted.Load())
	}
	return s
}
