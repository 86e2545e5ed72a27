package arena

import "unsafe"

// Alloc returns a pointer to a zero T in the arena. As every function of this file
// it uses the heap if the arena is nil or was freed.
func Alloc[T any](a *Arena) *T {
	m := a.owned()
	if m == nil {
		return new(T)
	}
	m.guard.enter()
	s := slabFor[T](&m.values)
	if len(s.open) == cap(s.open) && !s.grow(m, 1) {
		m.heaped++
		m.guard.leave()
		return new(T)
	}
	s.open = s.open[:len(s.open)+1]
	last := &s.open[len(s.open)-1]
	m.guard.leave()
	return last
}

// Slice returns a slice of n zero values with a capacity of at least capacity.
// Appending to it beyond that moves it to the heap; [Append] keeps it in the
// arena. It panics as make does if n is negative or above capacity.
func Slice[T any](a *Arena, n, capacity int) []T {
	if n < 0 || n > capacity {
		panic("arena: Slice: length out of range")
	}
	if capacity == 0 {
		return []T{}
	}
	m := a.owned()
	if m == nil {
		return make([]T, n, capacity)
	}
	m.guard.enter()
	s := room(m, slabFor[T](&m.lists), capacity)
	m.guard.leave()
	return s[:n]
}

// Append is append with growth in the arena. The slice may come from anywhere;
// as with append, only the result may be used afterwards.
func Append[T any](a *Arena, s []T, values ...T) []T {
	n := len(s) + len(values)
	if n <= cap(s) {
		return append(s, values...)
	}
	m := a.owned()
	if m == nil {
		return append(s, values...)
	}
	m.guard.enter()
	defer m.guard.leave()
	slab := slabFor[T](&m.lists)
	if extended, ok := slab.extend(s, n); ok {
		return append(extended, values...)
	}
	grown := room(m, slab, max(n, 2*cap(s), 4))[:n]
	copy(grown, s)
	copy(grown[len(s):], values)
	return grown
}

// extend gives s room for n values in all where it is, if it was the last to be
// taken from the open chunk.
func (slab *slabOf[T]) extend(s []T, n int) ([]T, bool) {
	end, more := len(slab.open), n-cap(s)
	if cap(s) == 0 || end < cap(s) || end+more > cap(slab.open) || unsafe.Sizeof(*new(T)) == 0 {
		return nil, false
	}
	start := end - cap(s)
	if unsafe.SliceData(s) != &slab.open[start] {
		return nil, false
	}
	slab.open = slab.open[:end+more]
	return slab.open[start : start+len(s) : start+n], true
}

// room returns n zero values from the slab, or from the heap if the limit says so.
func room[T any](m *memory, slab *slabOf[T], n int) []T {
	values, ok := slab.take(m, n)
	if !ok {
		m.heaped++
		return make([]T, n)
	}
	return values
}

// Bytes returns a copy of b in the arena; its capacity is its length.
func (a *Arena) Bytes(b []byte) []byte {
	m := a.owned()
	if m == nil {
		return append(make([]byte, 0, len(b)), b...)
	}
	m.guard.enter()
	start := len(m.bytes.open)
	end := start + len(b)
	var copied []byte
	if end <= cap(m.bytes.open) { // The way of nearly every call.
		m.bytes.open = m.bytes.open[:end]
		copied = m.bytes.open[start:end:end]
	} else {
		copied = room(m, &m.bytes, len(b))
	}
	m.guard.leave()
	copy(copied, b)
	return copied
}

// String returns a copy of b in the arena. It is a string only until Reset or
// Free: its bytes change then.
func (a *Arena) String(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	copied := a.Bytes(b)
	return unsafe.String(&copied[0], len(copied))
}
