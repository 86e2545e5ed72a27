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
)

// class is the pool of one capacity, and of what grew when it was asked for.
type class struct {
	pool bytebufferpool.Pool
	counts
	misses atomic.Int64
	_      [32]byte // Keeps neighbours' counters on other cache lines.

	size  learner
	_     [32]byte
	grown grownPool
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

// grows reports whether buffers that were asked for with this class have lately
// come back with more.
func (c *class) grows(i int) bool { return c.size.most() > classSize(i) }

// put keeps memory, in the handle that is lent next.
func (c *class) put(next *bytebufferpool.ByteBuffer, memory []byte) {
	c.accepted.Add(1)
	next.B = memory
	c.pool.Put(next)
}

// missed records that the pool was empty, except for what other threads hold in their
// own caches. The garbage collector has taken what it held before.
func (c *class) missed() {
	c.misses.Add(1)
	c.lose(int64(runtime.GOMAXPROCS(0)))
}
