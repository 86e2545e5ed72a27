package arena

import (
	"sync"
	"sync/atomic"
)

const (
	// defaultLimit is what an arena takes before it leaves the rest to the heap.
	defaultLimit = 64 << 20
	// poolLimit is the largest arena that Free keeps: one large request must not
	// pin its memory in the pool.
	poolLimit = 4 << 20
	// handles is how many arenas are allocated at once.
	handles = 64
)

// Arena hands out memory by moving an index, and takes all of it back at once.
// It is for values that live and die together: those of one request or batch.
//
// An arena is not safe for concurrent use; only Free may be called by several
// goroutines, once the others have ended. What it has handed out is the caller's
// until Reset or Free, and must not be used, read or kept after it: not a pointer,
// not a slice, not a string. Copy what must outlive it ([strings.Clone]). Builds
// with the tag gqlboost_debug detect concurrent use, and overwrite what Reset takes
// back so that a stale read is noticed.
//
// An Arena is a handle for one life of its memory. After Free it owns none, however
// long somebody keeps it: it then allocates on the heap, as a nil arena and the zero
// Arena do, and can never reach the memory of another one.
//
// The garbage collector sees every pointer in an arena: chunks are ordinary
// slices of the type that they hold.
type Arena struct {
	trace  freeTrace              // what the debug build knows of Free
	memory atomic.Pointer[memory] // nil after Free
}

// memory is what arenas share in turn.
type memory struct {
	values table        // of Alloc
	lists  table        // of Slice and Append
	bytes  slabOf[byte] // of Bytes and String
	limit  int64
	taken  int64  // bytes of all chunks
	heaped uint64 // allocations that the limit sent to the heap
	resets uint64
	guard  guard
	// unused are handles for the next lives. None is used twice: nobody knows who
	// still holds one that was freed.
	unused []Arena
}

var memories = sync.Pool{New: func() any {
	counters.made.Add(1)
	return new(memory)
}}

// counters are the package's own, for Source.
var counters struct {
	made, taken, freed, dropped atomic.Uint64
}

// New returns an empty arena with the memory of a freed one if there is any. Its
// limit is 64 MiB.
func New() *Arena {
	m := memories.Get().(*memory)
	counters.taken.Add(1)
	m.limit = defaultLimit
	if len(m.unused) == 0 {
		m.unused = make([]Arena, handles)
	}
	a := &m.unused[0]
	m.unused = m.unused[1:]
	a.memory.Store(m)
	return a
}

// owned returns the arena's memory, nil if it has none.
func (a *Arena) owned() *memory {
	if a == nil {
		return nil
	}
	return a.memory.Load()
}

// SetLimit bounds the memory that the arena takes, in bytes. What no longer fits
// is allocated on the heap, where it is an ordinary value: a limit costs speed,
// never correctness. It is for a new arena: one that has handed out more already
// keeps what it has.
func (a *Arena) SetLimit(bytes int64) {
	m := a.owned()
	if m == nil {
		return
	}
	m.limit = bytes
	if m.taken > bytes && m.stats().Used == 0 {
		m.values, m.lists, m.bytes, m.taken = table{}, table{}, slabOf[byte]{}, 0
	}
}

// Reset takes back everything that the arena has handed out. The arena keeps its
// memory and hands it out again, zeroed. After Free it does nothing.
func (a *Arena) Reset() {
	if m := a.owned(); m != nil {
		m.guard.enter()
		m.reset()
		m.guard.leave()
	}
}

func (m *memory) reset() {
	for _, s := range m.values.all {
		s.reset()
	}
	for _, s := range m.lists.all {
		s.reset()
	}
	m.bytes.rewind(reuse) // Bytes and String overwrite what they take.
	m.resets++
	m.heaped = 0
}

// Free is Reset for an arena that is no longer needed: it gives its memory to the
// arenas that New returns. Freeing it again, even at the same time or when its
// memory belongs to another arena, or freeing a nil arena, does nothing; the debug
// build reports the stacks of both calls.
func (a *Arena) Free() {
	if a == nil {
		return
	}
	m := a.memory.Swap(nil)
	if m == nil {
		a.trace.again()
		return
	}
	a.trace.first()
	m.guard.enter()
	m.reset()
	m.guard.leave()
	counters.freed.Add(1)
	if m.taken > poolLimit {
		counters.dropped.Add(1)
		return
	}
	memories.Put(m)
}

// ArenaStats holds the figures of an arena.
type ArenaStats struct {
	Used   int64  // bytes handed out since the last Reset
	Taken  int64  // bytes of its chunks
	Heaped uint64 // allocations since the last Reset that went to the heap because of the limit
	Resets uint64 // of its memory, in all of its lives
}

// Stats returns the arena's figures, zeros after Free.
func (a *Arena) Stats() ArenaStats {
	if m := a.owned(); m != nil {
		return m.stats()
	}
	return ArenaStats{}
}

func (m *memory) stats() ArenaStats {
	s := ArenaStats{Used: m.bytes.used(), Taken: m.taken, Heaped: m.heaped, Resets: m.resets}
	for _, each := range m.values.all {
		s.Used += each.used()
	}
	for _, each := range m.lists.all {
		s.Used += each.used()
	}
	return s
}
