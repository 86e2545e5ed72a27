package plancache

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestDuelsLead(t *testing.T) {
	d := duels[int]{shares: [2]float64{0.5, 0.25}}
	for _, c := range []struct {
		side         int
		factor, more float64
		want         bool
	}{
		{residents, 1, 0, true},
		{residents, 1.5, 0, true},
		{residents, 2, 0, false},
		{residents, 1, 0.125, true},
		{residents, 1, 0.25, false},
		{candidates, 1, 0, false},
		{candidates, 0.25, 0, true},
		{candidates, 0.25, 0.125, false},
	} {
		if got := d.leads(c.side, c.factor, c.more); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// The number of duels goes by the size of the cache, within bounds, also when the cache grows.
func TestDuelsGrow(t *testing.T) {
	var all [questions]duels[int]
	for _, c := range []struct {
		question int
		size     int64
		want     int
	}{
		{halfLives, 1, 64}, {halfLives, 100, 100}, {halfLives, 150, 150}, {halfLives, 10, 150}, {halfLives, 1 << 40, mostDuels},
		{windows, 1, 8}, {windows, 1000, 50}, {windows, 100, 50}, {windows, 1 << 40, mostDuels / 20},
	} {
		d := &all[c.question]
		d.question = c.question
		d.begin(&entry[int]{}, &entry[int]{}, residents, 0, c.size)
		if len(d.ring) != c.want {
			t.Errorf("question %d: %d duels in a cache of %d entries, want %d", c.question, len(d.ring), c.size, c.want)
		}
	}
	// Entries know the last place of the largest ring by its number.
	d, e := &all[halfLives], &entry[int]{}
	d.next = len(d.ring) - 1
	d.begin(&entry[int]{}, e, residents, 0, 1<<40)
	if n := int(e.left[halfLives]); n != len(d.ring) {
		t.Errorf("the number of the last of %d duels is %d", len(d.ring), n)
	}
}

// Shares come nearer to the worth of a win with each duel, and to 0 for the side that loses. One
// duel does not decide.
func TestDuelsShare(t *testing.T) {
	for question, rule := range rules {
		rate := rule.rate
		if rate <= 0 || rate > 0.1 {
			t.Errorf("question %d: one duel moves shares by %v of the way", question, rate)
		}
		d := duels[int]{question: question, shares: [2]float64{0.5, 0.5}}
		want := d.shares
		for i, side := range []int{residents, candidates, candidates} {
			stays, leaves := &entry[int]{factor: 2}, &entry[int]{hash: 1, factor: 3}
			d.begin(stays, leaves, side, 0, 100)
			stays.uses.Add(1)
			d.end(&d.ring[i], false)
			want[side], want[1-side] = want[side]*(1-rate)+2*rate, want[1-side]*(1-rate)
		}
		stays, leaves := &entry[int]{factor: 2}, &entry[int]{hash: 1, factor: 3}
		d.begin(stays, leaves, candidates, 0, 100)
		d.back(int(leaves.left[question]), 1, 1, 100)
		want[residents], want[candidates] = want[residents]*(1-rate)+3*rate, want[candidates]*(1-rate)
		for side := range want {
			if math.Abs(d.shares[side]-want[side]) > 1e-9 {
				t.Errorf("question %d: shares %v, want %v", question, d.shares, want)
			}
		}
	}
}

// When all places are taken a duel begins where the oldest is, once that is over.
func TestDuelsTakeTurns(t *testing.T) {
	size := rules[admissions].least
	d := duels[int]{question: admissions}
	begin := func(now int64) (stays, leaves *entry[int]) {
		stays, leaves = &entry[int]{hash: 1, factor: 1}, &entry[int]{hash: uint64(now) + 100, factor: 1}
		d.begin(stays, leaves, residents, now, int64(size))
		return stays, leaves
	}
	var last *entry[int]
	for i := range int64(size) {
		stays, leaves := begin(0)
		if n := uint16(i) + 1; stays.stays[admissions] != n || leaves.left[admissions] != n {
			t.Errorf("duel %d is at %d and %d", n, stays.stays[admissions], leaves.left[admissions])
		}
		last = leaves
	}
	for _, number := range []int{0, size + 1, size + 100} { // of another ring, or none
		d.back(number, last.hash, 1, int64(size))
	}
	d.back(size, last.hash+1, 1, int64(size)) // the place is that of another
	if d.shares != [2]float64{} {
		t.Errorf("somebody has won: %v", d.shares)
	}
	if d.back(size, last.hash, 1, int64(size)); d.shares[candidates] == 0 {
		t.Error("the last one has not won")
	}
	if stays, _ := begin(1); stays.stays[admissions] != 0 {
		t.Errorf("a duel has begun at %d, where one goes on", stays.stays[admissions])
	}
	if stays, _ := begin(int64(size)); stays.stays[admissions] != 1 {
		t.Errorf("a duel has begun at %d, want 1", stays.stays[admissions])
	}
}

// An entry that leaves is forgotten by all of its duels, but not that it was asked for. Another
// entry may have the place of an earlier duel.
func TestDuelsForget(t *testing.T) {
	d := duels[int]{question: admissions}
	e, other := &entry[int]{}, &entry[int]{}
	size := int64(rules[admissions].least)
	begin := func(stays *entry[int], now int64) { d.begin(stays, &entry[int]{}, residents, now, size) }
	begin(e, 0)
	for range size - 1 {
		begin(&entry[int]{}, 0)
	}
	begin(other, size) // where e was
	begin(e, size)
	e.uses.Add(1)
	begin(e, size)
	d.leave(e)
	for i, want := range []struct {
		stayed *entry[int]
		used   bool
	}{{other, false}, {nil, true}, {nil, false}} {
		if got := d.ring[i]; got.stayed != want.stayed || got.used != want.used {
			t.Errorf("duel %d: %p stayed, used %v", i, got.stayed, got.used)
		}
	}
	if e.stays[admissions] != 0 {
		t.Errorf("it still has a duel at %d", e.stays[admissions])
	}
	d.leave(&entry[int]{}) // It has no duel.
}

// Entries know where they are in the heap, and leave it in order.
func TestExpiries(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var h expiries[int]
	start := time.Unix(0, 0)
	in := func() {
		t.Helper()
		for i, e := range h {
			if e.expiry != i || i > 0 && e.expires.Before(h[(i-1)/2].expires) {
				t.Fatalf("at %d is one that is at %d, and expires at %v", i, e.expiry, e.expires)
			}
		}
	}
	for range 1000 {
		switch n := len(h); {
		case n == 0 || random.IntN(2) == 0:
			heap.Push(&h, &entry[int]{expires: start.Add(time.Duration(random.IntN(100)))})
		default:
			e := h[random.IntN(n)]
			heap.Remove(&h, e.expiry)
			if e.expiry != -1 || h[:n][n-1] != nil {
				t.Fatalf("one that has left is at %d; the heap has %v in its place", e.expiry, h[:n][n-1])
			}
		}
		in()
	}
	for before := start; len(h) > 0; {
		e := heap.Pop(&h).(*entry[int])
		if e.expires.Before(before) {
			t.Fatalf("%v after %v", e.expires, before)
		}
		before = e.expires
	}
}
