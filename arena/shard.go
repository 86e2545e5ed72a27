package arena

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"
)

// shard is what one processor keeps of a Buffers for itself: buffers that were given back
// last, and handles. Lending them again writes to no memory that other processors use. A
// sync.Pool gives a shard to one goroutine at a time, and leaves those of idle processors
// to the garbage collector. What does not fit into a shard goes to the shared pools of
// its class.
type shard struct {
	known   [shardClasses]idleStack
	grown   [classes][]byte // by the class that was asked for
	handles *headers        // for the next buffers
	lent    int             // so many of them were lent
	bytes   int64           // of the idle buffers
	allowed int64           // bytes that it may keep without asking
	samples uint8           // counts the buffers that have grown
	hits    uint64
	puts    uint64
	tally   *tally
}

const (
	// shardClasses is the number of classes of which a shard keeps buffers of their own
	// capacity, up to 32 KiB: writing to larger ones takes longer than lending them.
	shardClasses = 8
	shardDepth   = 4

	// batchBelow is the capacity of buffers that share handles' memory.
	batchBelow = 64 << 10
)

// headers are handles that are allocated together, in 512 bytes. The garbage collector frees them together
// as well, so large buffers have handles of their own.
type headers [21]bytebufferpool.ByteBuffer

// idleStack holds idle buffers of a class.
type idleStack struct {
	n    int
	list [shardDepth][]byte
}

// handle returns a handle that was never lent.
func (s *shard) handle(capacity int) *bytebufferpool.ByteBuffer {
	if capacity >= batchBelow {
		return new(bytebufferpool.ByteBuffer)
	}
	if s.lent == len(s.handles) {
		s.handles, s.lent = new(headers), 0
	}
	b := &s.handles[s.lent]
	s.lent++
	return b
}

// lend returns a buffer with memory that a pool held.
func (s *shard) lend(memory []byte, i int) *bytebufferpool.ByteBuffer {
	b := s.handle(cap(memory))
	b.B = lent(memory, i)
	return b
}

// take returns idle memory of a class, nil if there is none.
func (s *shard) take(i int) (memory []byte) {
	if i >= shardClasses || s.known[i].n == 0 {
		return nil
	}
	k := &s.known[i]
	k.n--
	memory, k.list[k.n] = k.list[k.n], nil
	return s.took(memory)
}

// takeGrown returns memory that grew when the class was asked for, nil if there is none.
func (s *shard) takeGrown(i int) (memory []byte) {
	if s.grown[i] == nil {
		return nil
	}
	memory, s.grown[i] = s.grown[i], nil
	return s.took(memory)
}

func (s *shard) took(memory []byte) []byte {
	s.bytes -= int64(cap(memory))
	s.hits++
	s.publish(s.hits)
	return memory
}

// put reports whether the shard keeps memory that is filed under class i.
func (s *shard) put(p *Buffers, i int, memory []byte) bool {
	if i >= shardClasses || s.known[i].n == shardDepth || !s.mayKeep(p, cap(memory)) {
		return false
	}
	k := &s.known[i]
	k.list[k.n] = idle(memory, i)
	k.n++
	s.kept(memory)
	return true
}

// putGrown reports whether the shard keeps memory that grew when class i was asked for.
func (s *shard) putGrown(p *Buffers, i int, memory []byte) bool {
	if s.grown[i] != nil || !s.mayKeep(p, cap(memory)) {
		return false
	}
	s.grown[i] = idle(memory, i)
	s.kept(memory)
	return true
}

func (s *shard) kept(memory []byte) {
	s.bytes += int64(cap(memory))
	s.puts++
	s.publish(s.puts)
}

// sampled reports whether a buffer that has grown is one to learn from.
func (s *shard) sampled() bool {
	s.samples++
	return s.samples%sampleOf == 0
}

// mayKeep reports whether the shard may keep that many bytes more.
func (s *shard) mayKeep(p *Buffers, capacity int) bool {
	more := s.bytes + int64(capacity) - s.allowed
	if more <= 0 {
		return true
	}
	if all, _ := p.limits(); !p.fits(more, all) {
		return false
	}
	s.allow(p, s.allowed+more)
	return true
}

// allow sets the bytes that the shard may keep without asking.
func (s *shard) allow(p *Buffers, bytes int64) {
	p.sharded.Add(bytes - s.allowed)
	s.allowed = bytes
	s.tally.allowed.Store(bytes)
	s.tally.bytes.Store(s.bytes)
}

// tally is what others see of a shard. It counts on when the garbage collector has
// taken the shard, for the next one.
type tally struct {
	hits, puts     atomic.Uint64
	bytes, allowed atomic.Int64
	_              [32]byte // Keeps others' tallies on other cache lines.
}

// exactly is the count up to which a tally is up to date. Beyond, it is so at every
// publishedEach calls: a store that others see takes as long as the rest of a Get.
const (
	exactly       = 1 << 10
	publishedEach = 1 << 6
)

func (s *shard) publish(count uint64) {
	if count > exactly && count%publishedEach != 0 {
		return
	}
	s.tally.hits.Store(s.hits)
	s.tally.puts.Store(s.puts)
	s.tally.bytes.Store(s.bytes)
}

// tallies are those of all shards there were.
type tallies struct {
	sync.Mutex
	all  []*tally
	free []*tally // of shards that are gone
}

// shard takes a shard out of the pool, into which the caller puts it again.
func (p *Buffers) shard() *shard {
	if s, _ := p.shards.Get().(*shard); s != nil {
		return s
	}
	return p.newShard()
}

func (p *Buffers) newShard() *shard {
	p.tallies.Lock()
	defer p.tallies.Unlock()
	var t *tally
	if last := len(p.tallies.free) - 1; last >= 0 {
		t, p.tallies.free = p.tallies.free[last], p.tallies.free[:last]
	} else {
		t = new(tally)
		p.tallies.all = append(p.tallies.all, t)
	}
	s := &shard{handles: new(headers), tally: t, hits: t.hits.Load(), puts: t.puts.Load()}
	runtime.AddCleanup(s, p.collected, t)
	return s
}

// collected notes that the garbage collector has taken a shard with all that it kept.
func (p *Buffers) collected(t *tally) {
	p.sharded.Add(-t.allowed.Swap(0))
	t.bytes.Store(0)
	p.tallies.Lock()
	defer p.tallies.Unlock()
	p.tallies.free = append(p.tallies.free, t)
}

// counted adds up what shards have published.
func (t *tallies) counted() (hits, puts uint64, bytes int64) {
	t.Lock()
	defer t.Unlock()
	for _, each := range t.all {
		hits += each.hits.Load()
		puts += each.puts.Load()
		bytes += each.bytes.Load()
	}
	return hits, puts, bytes
}
