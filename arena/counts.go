package arena

import "sync/atomic"

// counts are those of a pool's buffers.
type counts struct {
	accepted atomic.Int64
	hits     atomic.Int64
	lost     atomic.Int64 // accepted, and then taken by the garbage collector
}

// held estimates the idle buffers, from above.
func (c *counts) held() int64 { return max(c.accepted.Load()-c.hits.Load()-c.lost.Load(), 0) }

// used counts the buffers that were taken in and lent.
func (c *counts) used() int64 { return c.accepted.Load() + c.hits.Load() }

// lose counts all idle buffers as lost, except those that are left, and reports whether there were
// any. Only one of several calls at the same time counts: they have all found the same buffers
// missing.
func (c *counts) lose(left int64) bool {
	lost := c.lost.Load()
	surplus := c.accepted.Load() - c.hits.Load() - lost - left
	return surplus > 0 && c.lost.CompareAndSwap(lost, lost+surplus)
}
