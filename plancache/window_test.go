package plancache

import (
	"slices"
	"testing"
)

// played is a cache of so many entries after calls for keys.
func played(t *testing.T, capacity int, keys []int) *Cache[int] {
	c := newTest(t, Options[int]{Capacity: capacity, TTL: Forever})
	for _, k := range keys {
		if _, ok := c.Get(t.Context(), Key{Query: query(k)}); !ok {
			c.Add(t.Context(), Key{Query: query(k)}, k)
		}
	}
	return c
}

// repeated are calls for keys that a cache for a hundred has room for, and for keys that come
// twice, the second time when so many others were new in between, and never again.
func repeated(after, n int) (keys []int) {
	for i := range n {
		switch i % 4 {
		case 1:
			keys = append(keys, 1000+i)
		case 3:
			keys = append(keys, 1000+i-2-4*after)
		default:
			keys = append(keys, i/2%60)
		}
	}
	return keys
}

// The window is wide where keys come again shortly after a narrow one has lost them, narrow where
// they do not, also when they have done so before.
func TestWindowAdapts(t *testing.T) {
	const capacity, n = 100, 40_000
	soon, late := repeated(2, n), repeated(30, n)
	for name, c := range map[string]struct {
		keys []int
		wide bool
	}{
		"soon":                {soon, true},
		"late":                {late, false},
		"soon, and then late": {slices.Concat(soon, late), false},
	} {
		p := &played(t, capacity, c.keys).current.Load().policy
		if p.wide() != c.wide {
			t.Errorf("%s: wide is %t, the shares are %.3f", name, p.wide(), p.duels[windows].shares)
		}
		if n, most := int64(len(p.window)), p.quota(); n > most {
			t.Errorf("%s: %d entries in a window for %d", name, n, most)
		}
	}
}

// The edge is the entry that as many others were used after as a narrow window has.
func TestEdge(t *testing.T) {
	for _, size := range []int64{1, 100, 400, 10_000} {
		p := newPolicy[int](size, 1<<40)
		p.sized()
		for i := range widening*p.narrow() + 1 {
			if got := p.edge(); (got != nil) != (i > p.narrow()) {
				t.Errorf("%d entries in the window, %d would be narrow: the edge is %v", i, p.narrow(), got)
			}
			e := &entry[int]{}
			e.last.Store(i * 7919 % 1009) // in no order
			p.window = append(p.window, e)
		}
		edge, later := p.edge(), int64(0)
		for _, e := range p.window {
			if e.last.Load() > edge.last.Load() {
				later++
			}
		}
		if later != p.narrow() {
			t.Errorf("%d entries were used after the edge, want %d", later, p.narrow())
		}
		if n := testing.AllocsPerRun(10, func() { p.edge() }); n > 0 {
			t.Errorf("%d entries in the window: %v allocations", len(p.window), n)
		}
	}
}
