package reader

import (
	"math/bits"
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
)

// memory is what held rows use again.
type memory struct {
	data   []byte // of each row its values: length, -1 for null, and bytes
	values [][]byte
	plans  []pgtype.ScanPlan
	dests  []reflect.Type
	text   []byte // the short texts of a row
}

// noMemory is that of rows that are closed. Nothing is written to it.
var noMemory = new(memory)

// memories keep memory for other rows: of up to 1 KiB of data, 4 KiB and so on up to 256 KiB, of
// each size half a MiB at most. More is not kept. Were they one, each memory would have the size
// of the largest result in the end; a sync.Pool would give them up with each collection of
// garbage, which they then cause.
type memories struct {
	mu   sync.Mutex
	kept [5][]*memory
}

const (
	smallest  = 1 << 10
	keepBytes = 512 << 10
)

// sizeClass returns which of the memories has n bytes of data, at least one.
func sizeClass(n int) int { return max(bits.Len(uint(n-1))-9, 0) / 2 }

// get returns memory for about n bytes of data.
func (p *memories) get(n int) *memory {
	c := min(sizeClass(max(n, 1)), len(p.kept)-1)
	if m := p.take(c); m != nil {
		return m
	}
	return &memory{data: make([]byte, 0, smallest<<(2*c))} // Others need not wait for it.
}

// take returns memory of a class that is kept; nil if there is none.
func (p *memories) take(c int) *memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.kept[c]) - 1
	if last < 0 {
		return nil
	}
	m := p.kept[c][last]
	p.kept[c][last], p.kept[c] = nil, p.kept[c][:last]
	return m
}

// put keeps memory that nobody uses any more.
func (p *memories) put(m *memory) {
	c := sizeClass(max(cap(m.data), 1))
	if c >= len(p.kept) {
		return
	}
	clear(m.values[:cap(m.values)])
	clear(m.plans[:cap(m.plans)])
	clear(m.dests[:cap(m.dests)])
	m.data, m.values, m.plans, m.dests = m.data[:0], m.values[:0], m.plans[:0], m.dests[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept[c]) < keepBytes/smallest>>(2*c) {
		p.kept[c] = append(p.kept[c], m)
	}
}
