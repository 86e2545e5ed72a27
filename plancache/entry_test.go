package plancache

import (
	"errors"
	"strings"
	"testing"
)

// The first uses are counted one by one, again after each count; later ones by a sample, which is
// right in the mean. The time of each is known.
func TestUse(t *testing.T) {
	e := &entry[int]{}
	e.count(0)
	n := uint64(0)
	use := func(times int) int {
		before := e.uses.Load()
		for range times {
			n++
			if e.use(n, int64(n)); e.last.Load() != int64(n) {
				t.Fatalf("use %d was at %d", n, e.last.Load())
			}
		}
		return int(e.uses.Load() - before)
	}
	for range 2 {
		if got := use(exactly); got != exactly {
			t.Errorf("of the first %d, %d are counted", exactly, got)
		}
		if got := use(10); got%sampled != 0 {
			t.Errorf("of 10 more, %d are counted", got)
		}
		const many = 1000 * sampled
		if got := use(many); got < many*9/10 || got > many*11/10 {
			t.Errorf("of %d, %d are counted", many, got)
		}
		e.count(e.uses.Load())
	}
}

// An entry weighs what its key and plan do, and something besides; where nobody says what a plan
// weighs, it is a multiple of its key.
func TestEntryWeight(t *testing.T) {
	c := newTest(t, Options[int]{})
	key := func(bytes int) Key { return Key{Query: strings.Repeat("x", bytes)} }
	weight := func(bytes int) int64 { return c.entry(key(bytes), made[int]{}).weight }
	for _, bytes := range []int{1, 100, 1000} {
		k := key(bytes)
		own, failed := k.size(), c.failed(k, errors.New("no plan")).weight
		if got, least := weight(bytes), (planShare+1)*own; got < least+entryWeight || got > least+2*entryWeight {
			t.Errorf("with a key of %d bytes, an entry weighs %d", bytes, got)
		}
		if failed < own+entryWeight || failed > own+2*entryWeight {
			t.Errorf("with a key of %d bytes, an error weighs %d", bytes, failed)
		}
	}
}
