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

	slab = 32 // handles that are allocated at a time
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

	// What is handed out is cut from these and never handed out again: whoever has
	// kept it must not see a later owner's.
	documents                                         []Document
	requests                                          []Request
	operations                                        []Operation
	handedDocuments, handedRequests, handedOperations int

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
		return // Generations must not start anew.
	}
	memories.Put(m)
}

// document returns a new handle.
func (m *memory) document() *Document {
	if m.handedDocuments == len(m.documents) {
		m.moreDocuments()
	}
	d := &m.documents[m.handedDocuments]
	m.handedDocuments++
	d.generation = m.generation.Load()
	return d
}

// moreDocuments is apart so that document can be inlined.
func (m *memory) moreDocuments() {
	m.documents, m.handedDocuments = make([]Document, slab), 0
	for i := range m.documents {
		m.documents[i].memory = m
	}
}

// request returns a new request with room for n operations.
func (m *memory) request(doc Document, n int) *Request {
	if m.handedRequests == len(m.requests) {
		m.requests, m.handedRequests = make([]Request, slab), 0
	}
	if m.handedOperations+n > len(m.operations) {
		m.operations, m.handedOperations = make([]Operation, max(n, slab)), 0
	}
	r, from := &m.requests[m.handedRequests], m.handedOperations
	m.handedRequests++
	m.handedOperations += n
	r.Operations, r.doc = m.operations[from:from+n:from+n], doc
	return r
}

// parsePortable reads a text into the tape: see [readPortable].
func (m *memory) parsePortable(data []byte, maxDepth int) (why failure, offset int) {
	m.tape, m.open, why, offset = readPortable(m.tape[:0], m.open[:0], data, maxDepth)
	return why, offset
}
