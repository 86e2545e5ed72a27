package reader

import "testing"

// Memory is kept by its size, so that what a small result gets is no larger than four times what
// it needs.
func TestMemoriesBySize(t *testing.T) {
	for _, each := range []struct{ n, class int }{
		{1, 0}, {1024, 0}, {1025, 1}, {4096, 1}, {4097, 2}, {16 << 10, 2}, {16<<10 + 1, 3}, {64 << 10, 3},
		{64<<10 + 1, 4}, {256 << 10, 4}, {256<<10 + 1, 5},
	} {
		if got := sizeClass(each.n); got != each.class {
			t.Errorf("%d bytes are of class %d, not %d", each.n, got, each.class)
		}
	}
	var p memories
	large := &memory{data: make([]byte, 0, 1<<20)}
	for n := range 300 << 10 {
		m := p.get(n)
		if c := cap(m.data); c < min(n, 256<<10) || c > max(4*n, 1024) {
			t.Fatalf("%d bytes for %d", c, n)
		}
		p.put(m)
		p.put(large) // too large to be kept
	}
}

// What is kept is bounded, however much was in use at a time.
func TestMemoriesAreBounded(t *testing.T) {
	var p memories
	for n := range 5 {
		size := smallest << (2 * n)
		var used []*memory
		for range 1000 {
			used = append(used, p.get(size))
		}
		for _, m := range used {
			p.put(m)
		}
		if kept := len(p.kept[n]) * size; kept != keepBytes {
			t.Errorf("%d bytes of %d are kept, not %d", kept, size, keepBytes)
		}
	}
}

// A text that is kept keeps a KiB at most, however wide its row was.
func TestShortTextsAreBounded(t *testing.T) {
	r := &heldRows{memory: new(memory)}
	for range 200 {
		r.plans, r.values = append(r.plans, textPlan), append(r.values, make([]byte, 100))
	}
	if n := len(r.shortTexts()); n == 0 || n > maxShortTexts {
		t.Errorf("an allocation of %d bytes", n)
	}
}
