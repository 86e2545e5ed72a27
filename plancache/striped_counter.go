package plancache

import (
	"sync/atomic"
	"unsafe"
)

// stripedCounter counts what happens on every call, each on a cache line that few goroutines
// share.
type stripedCounter struct {
	_    [128]byte // What lies before is read on every call.
	list [16]stripe
}

type stripe struct {
	hits, misses atomic.Uint64
	_            [112]byte // Processors fetch cache lines in pairs.
}

// mine returns the stripe of this goroutine: stacks lie apart.
func (s *stripedCounter) mine() *stripe {
	var here byte
	return &s.list[uint64(uintptr(unsafe.Pointer(&here))>>11)*mix>>60]
}

func (s *stripedCounter) sum() (hits, misses uint64) {
	for i := range s.list {
		hits += s.list[i].hits.Load()
		misses += s.list[i].misses.Load()
	}
	return hits, misses
}
