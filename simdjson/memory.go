package simdjson

import (
	"math"
	"sync"
	"sync/atomic"
)

const (
	// keepWords and keepBytes bound what memory may hold on its way back into the
	// pool: a large document must not pin its memory.
	keepWords = 2 << 20
	keepBytes = 16 << 20

	slab = 32 // handles or operations that are allocated at a time
)

// memory is what documents are made of, one after another. It has one owner at a
// time: the call that parses, then the handle of its generation, then the pool.
type memory struct {
	data    []byte // the text
	copied  []byte // room for a copied text
	tape    []word
	open    []frame // used while parsing
	cursor  cursor  // likewise
	scratch []byte  // unescaped texts of a request
	shard   *shard  // where it is counted
	//lint:ignore U1000 the debug build uses it
	closed firstClose

	// What is handed out of these is never handed out again: an owner that has kept
	// it must not see a later owner's.
	operations []Operation

	// generation is that of the handle that may use the memory. Only closing that
	// handle changes it.
	generation atomic.Uint32
}

var memories = sync.Pool{New: func() any { return &memory{shard: counters.shard()} }}

// release gives the memory back when no handle can reach it any more, or none was
// made.
func (m *memory) release() {
	m.data, m.cursor.data, m.cursor.source = nil, nil, nil
	if debugging {
		m.poison()
		return
	}
	if cap(m.tape) > keepWords || cap(m.copied) > keepBytes ||
		cap(m.scratch) > keepBytes || cap(m.open) > defaultMaxDepth {
		m.tape, m.copied, m.scratch, m.open = nil, nil, nil, nil
	}
	if m.generation.Load() == math.MaxUint32 {
		return // Generations must not start again.
	}
	memories.Put(m)
}

// batch returns room for n operations.
func (m *memory) batch(n int) []Operation {
	if n > slab {
		// The memory must not pin it: what is left of a slice pins all of it.
		return make([]Operation, n)
	}
	if n > len(m.operations) {
		m.operations = make([]Operation, slab)
	}
	list := m.operations[:n:n]
	m.operations = m.operations[n:]
	return list
}

// parsePortable reads a text into the tape: see [readPortable].
func (m *memory) parsePortable(data []byte, maxDepth int) (why failure, offset int) {
	m.tape, m.open, why, offset = readPortable(m.tape[:0], m.open[:0], data, maxDepth)
	return why, offset
}
