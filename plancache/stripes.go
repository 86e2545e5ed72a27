package plancache

import (
	"sync/atomic"
	"unsafe"
)

// stripes count what happens on every call, each on a cache line that few goroutines
// share.
type stripes [16]stripe

type stripe struct {
	hits, misses atomic.Uint64
	_            [48]byte
}

// mine returns the stripe of this goroutine: stacks lie apart.
func (s *stripes) mine() *stripe {
	var here byte
	return &s[uint64(uintptr(unsafe.Pointer(&here))>>11)*mix>>60]
}

func (s *stripes) sum() (hits, misses uint64) {
	for i := range s {
		hits += s[i].hits.Load()
		misses += s[i].misses.Load()
	}
	return hits, misses
}
