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

	slab = 64 // handles that are allocated at a time
)

// memory is what documents are made of, one after another. It has one owner at a
// time: the call that parses, then the handle of its generation, then the pool.
type memory struct {
	// generation is that of the handle that may use the memory. Only closing that
	// handle changes it.
	generation atomic.Uint32

	data    []byte // the text
	copied  []byte // room for a copied text
	tape    []word
	open    []frame // used while parsing
	cursor  cursor  // likewise
	scratch []byte  // unescaped texts of a request
	shard   *shard  // where it is counted
	closed  firstClose

	// What is handed out is cut from these and never handed out again: whoever has
	// kept it must not see a later owner's.
	documents  []Document
	requests   []Request
	operations []Operation
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
	if cap(m.tape) > keepWords || cap(m.copied) > keepBytes || cap(m.scratch) > keepBytes || cap(m.open) > defaultMaxDepth {
		m.tape, m.copied, m.scratch, m.open = nil, nil, nil, nil
	}
	if m.generation.Load() == math.MaxUint32 {
		return // Generations must not start anew.
	}
	memories.Put(m)
}

// document returns a new handle.
func (m *memory) document() *Document {
	if len(m.documents) == 0 {
		m.documents = make([]Document, slab)
	}
	d := &m.documents[0]
	m.documents = m.documents[1:]
	*d = m.handle()
	return d
}

// handle returns the handle of the memory's generation.
func (m *memory) handle() Document {
	return Document{memory: m, generation: m.generation.Load()}
}

// request returns a new request with room for n operations.
func (m *memory) request(doc Document, n int) *Request {
	if len(m.requests) == 0 {
		m.requests = make([]Request, slab)
	}
	if len(m.operations) < n {
		m.operations = make([]Operation, max(n, slab))
	}
	r := &m.requests[0]
	m.requests = m.requests[1:]
	r.Operations, m.operations = m.operations[:n:n], m.operations[n:]
	r.doc = doc
	return r
}

// parseIndexed reads a text into the tape: see [cursor.parse].
func (m *memory) parseIndexed(k kernel, data, source []byte, maxDepth int) (ok bool) {
	m.cursor.start(data, source, k)
	m.tape, m.open, ok = m.cursor.parse(m.tape[:0], m.open[:0], data, maxDepth)
	return ok
}

// parsePortable reads a text into the tape: see [readPortable].
func (m *memory) parsePortable(data []byte, maxDepth int) (why failure, offset int) {
	m.tape, m.open, why, offset = readPortable(m.tape[:0], m.open[:0], data, maxDepth)
	return why, offset
}
