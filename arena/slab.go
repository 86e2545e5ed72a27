package arena

import "unsafe"

const (
	firstChunk = 1 << 10  // bytes of a slab's first chunk
	maxChunk   = 64 << 10 // bytes of a chunk, unless one slice needs more
	slots      = 32
)

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
func (s *slabOf[T]) take(m *memory, n int) ([]T, bool) {
	if len(s.open)+n > cap(s.open) && !s.grow(m, n) {
		return nil, false
	}
	start := len(s.open)
	s.open = s.open[:start+n]
	return s.open[start : start+n : start+n], true
}

// grow opens a chunk with room for n values: one that a Reset left, or a new one
// of twice the size of the last.
func (s *slabOf[T]) grow(m *memory, n int) bool {
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
	room := (m.limit - m.taken) / int64(size)
	if int64(length) > room {
		length = n
		if int64(n) > room {
			s.open = nil
			return false
		}
	}
	s.open = make([]T, 0, length)
	m.taken += int64(length) * int64(size)
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
