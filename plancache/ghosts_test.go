package plancache

import "testing"

// What has left is known until it comes back, or another has its place, also when the cache grows.
func TestGhosts(t *testing.T) {
	var l ghosts
	if _, ok := l.find(1); ok {
		t.Error("there is one in nothing")
	}
	left := func(hash uint64) ghost { return ghost{hash: hash, used: int64(hash), was: [terms]float32{1, 2}} }
	back := func(hash uint64) bool {
		g, ok := l.find(hash)
		if ok && g != left(hash) {
			t.Errorf("of %d is known %+v", hash, g)
		}
		return ok
	}
	l.put(left(63), 1)
	if back(0) || back(1) || back(63+64) {
		t.Error("there is one that has not left")
	}
	l.put(left(3), 1000)
	if !back(63) || !back(3) {
		t.Error("one is forgotten")
	}
	if back(63) || back(3) {
		t.Error("one is a ghost that has come back")
	}
	l.put(left(5), 1000)
	l.put(left(5+1<<20), 1000) // It has the same place, in any size.
	if back(5) || !back(5+1<<20) {
		t.Error("the later one is not remembered")
	}
}

// There are ghostShare of them for each entry, up to a power of two, and within bounds. They take new
// memory only when the cache grows.
func TestGhostsGrow(t *testing.T) {
	for size, want := range map[int64]int{1: 64, 8: 64, 9: 128, 16: 128, 1000: 8192, 1 << 17: mostGhosts, 1 << 40: mostGhosts} {
		var l ghosts
		l.put(ghost{}, size)
		if got := len(l.places); got != want {
			t.Errorf("%d for %d entries, want %d", got, size, want)
		}
		if n := testing.AllocsPerRun(10, func() { l.put(ghost{}, size) }); n > 0 {
			t.Errorf("%d entries: one more is %v allocations", size, n)
		}
	}
}
