package arena

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	firstChunk = 1 << 10  // bytes of a slab's first chunk
	maxChunk   = 64 << 10 // bytes of a chunk, unless one slice needs more
	// defaultLimit is what an arena takes before it leaves the rest to the heap.
	defaultLimit = 64 << 20
	// poolLimit is the largest arena that Free keeps: one large request must not
	// pin its memory in the pool.
	poolLimit = 4 << 20
	slots     = 32
)

// Arena hands out memory by moving an index, and takes all of it back at once.
// It is for values that live and die together: those of one request or batch.
//
// An arena is not safe for concurrent use. What it has handed out is the
// caller's until Reset or Free, and must not be used, read or kept after it: not
// a pointer, not a slice, not a string. Copy what must outlive it
// ([strings.Clone]). Builds with the tag gqlboost_debug detect concurrent use,
// and overwrite what Reset takes back so that a stale read is noticed.
//
// The garbage collector sees every pointer in an arena: chunks are ordinary
// slices of the type that they hold.
type Arena struct {
	values table        // of Alloc
	lists  table        // of Slice and Append
	bytes  slabOf[byte] // of Bytes and String
	limit  int64
	taken  int64  // bytes of all chunks
	heaped uint64 // allocations that the limit sent to the heap
	resets uint64
	freed  bool
	guard  guard
}

// slab is a *slabOf[T].
type slab interface {
	reset()
	used() int64
}

// slabOf is the chunks of one type. Memory behind the length of a chunk is zero.
type slabOf[T any] struct {
	chunks [][]T
	active int // index of the chunk that is being filled
	open   []T // that chunk, with its current length
}

var arenas = sync.Pool{New: func() any {
	counters.made.Add(1)
	return new(Arena)
}}

// counters are the package's own, for Source.
var counters struct {
	made, taken, freed, dropped atomic.Uint64
}

// New returns an empty arena, a used one if there is one. Its limit is 64 MiB.
func New() *Arena {
	a := arenas.Get().(*Arena)
	counters.taken.Add(1)
	a.freed = false
	a.limit = defaultLimit
	return a
}

// SetLimit bounds the memory that the arena takes, in bytes. What does not fit
// any more is allocated on the heap, where it is an ordinary value: a limit costs
// speed, never correctness. It is for a new arena: one that has handed out more
// already keeps what it has.
func (a *Arena) SetLimit(bytes int64) {
	a.limit = bytes
	if a.taken > bytes && a.Stats().Used == 0 {
		a.values, a.lists, a.bytes, a.taken = table{}, table{}, slabOf[byte]{}, 0
	}
}

// Reset takes back everything that the arena has handed out. The arena keeps its
// memory and hands it out again, zeroed.
func (a *Arena) Reset() {
	a.guard.enter()
	a.reset()
	a.guard.leave()
}

func (a *Arena) reset() {
	for _, s := range a.values.all {
		s.reset()
	}
	for _, s := range a.lists.all {
		s.reset()
	}
	a.bytes.rewind(reuse) // Bytes and String overwrite what they take.
	a.resets++
	a.heaped = 0
}

// Free is Reset for an arena that is not needed any more: it gives its memory to
// the arenas that New returns. The arena must not be used afterwards. Freeing it
// again, or a nil arena, does nothing.
func (a *Arena) Free() {
	if a == nil || a.freed {
		return
	}
	a.guard.enter()
	a.freed = true
	a.reset()
	a.guard.leave()
	counters.freed.Add(1)
	if a.taken > poolLimit {
		counters.dropped.Add(1)
		return
	}
	arenas.Put(a)
}

// ArenaStats tell what an arena holds.
type ArenaStats struct {
	Used   int64  // bytes handed out since the last Reset
	Taken  int64  // bytes of its chunks
	Heaped uint64 // allocations since the last Reset that went to the heap because of the limit
	Resets uint64
}

// Stats returns the arena's figures.
func (a *Arena) Stats() ArenaStats {
	s := ArenaStats{Used: a.bytes.used(), Taken: a.taken, Heaped: a.heaped, Resets: a.resets}
	for _, each := range a.values.all {
		s.Used += each.used()
	}
	for _, each := range a.lists.all {
		s.Used += each.used()
	}
	return s
}

// table finds the slab of a type.
type table struct {
	// recent has the slab that was last asked for among the types of one size,
	// which the compiler knows: nearly always it is the right one.
	recent [slots]slab
	all    []slab
}

func slot[T any]() uintptr { return unsafe.Sizeof(*new(T)) / 8 % slots }

func slabFor[T any](t *table) *slabOf[T] {
	if s, ok := t.recent[slot[T]()].(*slabOf[T]); ok {
		return s
	}
	return findSlab[T](t)
}

func findSlab[T any](t *table) *slabOf[T] {
	var found *slabOf[T]
	for _, s := range t.all {
		if s, ok := s.(*slabOf[T]); ok {
			found = s
			break
		}
	}
	if found == nil {
		found = new(slabOf[T])
		t.all = append(t.all, found)
	}
	t.recent[slot[T]()] = found
	return found
}

// take returns room for n more values, zeroed, or false if the limit forbids it.
// Their capacity is n.
func (s *slabOf[T]) take(a *Arena, n int) ([]T, bool) {
	if len(s.open)+n > cap(s.open) && !s.grow(a, n) {
		return nil, false
	}
	start := len(s.open)
	s.open = s.open[:start+n]
	return s.open[start : start+n : start+n], true
}

// grow opens a chunk with room for n values: one that a Reset left, or a new one
// of twice the size of the last.
func (s *slabOf[T]) grow(a *Arena, n int) bool {
	if s.active < len(s.chunks) {
		s.chunks[s.active] = s.open
		s.active++
	}
	for ; s.active < len(s.chunks); s.active++ {
		if chunk := s.chunks[s.active]; cap(chunk) >= n {
			s.open = chunk[:0]
			return true
		}
	}
	size := int(max(unsafe.Sizeof(*new(T)), 1))
	length := firstChunk / size
	if last := len(s.chunks) - 1; last >= 0 {
		length = min(2*cap(s.chunks[last]), maxChunk/size)
	}
	length = max(length, n, 1)
	bytes := int64(length) * int64(size)
	if bytes > a.limit-a.taken {
		length, bytes = n, int64(n)*int64(size)
		if bytes > a.limit-a.taken {
			s.open = nil
			return false
		}
	}
	a.taken += bytes
	s.open = make([]T, 0, length)
	s.chunks = append(s.chunks, s.open)
	s.active = len(s.chunks) - 1
	return true
}

func (s *slabOf[T]) reset() { s.rewind(recycle) }

// rewind empties all chunks, each in the given way.
func (s *slabOf[T]) rewind(empty func([]T) []T) {
	if s.active < len(s.chunks) {
		s.chunks[s.active] = s.open
	}
	for i, chunk := range s.chunks {
		s.chunks[i] = empty(chunk)
	}
	s.active, s.open = 0, nil
	if len(s.chunks) > 0 {
		s.open = s.chunks[0]
	}
}

func (s *slabOf[T]) used() (bytes int64) {
	n := len(s.open)
	for i, chunk := range s.chunks {
		if i != s.active {
			n += len(chunk)
		}
	}
	return int64(n) * int64(unsafe.Sizeof(*new(T)))
}
