package arena

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"
)

// grownPool holds buffers of any capacity. It is no bytebufferpool.Pool, because
// that discards the rare large ones, which are the dearest to make again.
type grownPool struct {
	pool sync.Pool // of *bytebufferpool.ByteBuffer
	counts
	size    atomic.Int64 // bytes of what it holds
	largest atomic.Int64 // bytes of the largest buffer that it got
	allowed atomic.Int64 // bytes that it may hold without asking
}

func (g *grownPool) bytes() int64 { return max(g.size.Load(), 0) }

func (g *grownPool) put(node *bytebufferpool.ByteBuffer) {
	capacity := int64(cap(node.B))
	if capacity > g.largest.Load() {
		g.largest.Store(capacity)
	}
	g.accepted.Add(1)
	g.size.Add(capacity)
	g.pool.Put(node)
}

// take returns a buffer, nil if there is none.
func (g *grownPool) take() *bytebufferpool.ByteBuffer {
	if g.held() == 0 {
		return nil
	}
	if node, _ := g.pool.Get().(*bytebufferpool.ByteBuffer); node != nil {
		g.size.Add(-int64(cap(node.B)))
		g.hits.Add(1)
		return node
	}
	// As in class.missed: what is left is what other threads keep to themselves.
	left := int64(runtime.GOMAXPROCS(0))
	if g.lose(left) {
		size := g.size.Load()
		g.size.CompareAndSwap(size, min(size, left*g.largest.Load()))
	}
	g.allowed.Store(g.bytes())
	return nil
}
