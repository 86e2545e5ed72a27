package plancache

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/gqlboost/gqlboost/internal/wait"
)

// lru is the hits of a cache that lets the plan leave that was not used for longest.
func lru(calls []int, capacity int) (hits int) {
	var order []int // the latest one last
	for _, k := range calls {
		if at := slices.Index(order, k); at >= 0 {
			order = slices.Delete(order, at, at+1)
			hits++
		}
		if order = append(order, k); len(order) > capacity {
			order = order[1:]
		}
	}
	return hits
}

// Where what is used changes at once the policy is nearly as good as LRU, and where LRU has
// no hits at all, or few, it is better by far.
func TestPolicyAdapts(t *testing.T) {
	const capacity, calls = 100, 30_000
	const caches = 5 // Each hashes in its own way: the mean of several is what the policy does.
	random := rand.New(rand.NewPCG(1, 1))
	once := 1_000_000
	sets := func(size, phase int) func(int) int {
		return func(i int) int {
			if once++; random.IntN(10) == 0 {
				return once
			}
			return i/phase*size + random.IntN(size)
		}
	}
	zipf := rand.NewZipf(random, 1.1, 1, 5000)
	for name, c := range map[string]struct {
		next func(int) int
		over float64 // the share of hits over that of LRU
	}{
		"burst": {sets(capacity/2, 8*capacity), -0.03},
		"swap":  {sets(capacity*9/10, 40*capacity), 0},
		"return": {func(i int) int {
			if once++; random.IntN(10) == 0 {
				return once
			}
			return i/(20*capacity)%2*capacity + random.IntN(capacity*8/10)
		}, 0},
		"loop": {func(i int) int { return i % (capacity * 3 / 2) }, 0.6},
		"zipf": {func(int) int { return int(zipf.Uint64()) }, 0.05},
	} {
		keys := make([]int, calls)
		for i := range keys {
			keys[i] = c.next(i)
		}
		hits := 0
		for range caches {
			cache := newTest(t, Options[int]{Capacity: capacity, TTL: Forever})
			for _, k := range keys {
				if _, ok := cache.Get(t.Context(), Key{Query: query(k)}); ok {
					hits++
				} else {
					cache.Add(t.Context(), Key{Query: query(k)}, k)
				}
			}
		}
		got, least := float64(hits)/(caches*calls), float64(lru(keys, capacity))/calls+c.over
		t.Logf("%s: %.3f, at least %.3f", name, got, least)
		if got < least {
			t.Errorf("%s: %.3f are hits, want %.3f", name, got, least)
		}
	}
}

// The side wins a duel whose choice to stay is asked for first, and nobody else does.
func TestDuelIsWonByTheFirst(t *testing.T) {
	const size, begun = 100, 1000
	up := int64(begun + rules[admissions].patience*size)
	for name, c := range map[string]struct {
		used, leaves bool  // the one that stays: asked for, and then out
		back, later  int64 // when the other comes back, and when the next duel begins
		won          [2]bool
	}{
		"nobody comes":                      {later: up},
		"the one that stays":                {used: true, later: up, won: [2]bool{true, false}},
		"the one that stays, and leaves":    {used: true, leaves: true, later: up, won: [2]bool{true, false}},
		"the other one, at once":            {back: begun + 1, won: [2]bool{false, true}},
		"the other one, once both are out":  {leaves: true, back: begun + 1, won: [2]bool{false, true}},
		"the other one, as the second":      {used: true, back: begun + 1, won: [2]bool{true, false}},
		"the other one, and then the first": {back: begun + 1, later: up, won: [2]bool{false, true}},
		"the other one, too late":           {back: up, later: up},
	} {
		d := duels[int]{question: admissions}
		stays, leaves := &entry[int]{hash: 1, factor: 1}, &entry[int]{hash: 2, factor: 1}
		d.begin(stays, leaves, residents, begun, size)
		if c.used {
			stays.uses.Add(1)
		}
		if c.leaves {
			d.leave(stays)
		}
		if c.back > 0 {
			d.back(int(leaves.left[admissions]), leaves.hash, c.back, size)
		}
		if c.back == begun+1 {
			stays.uses.Add(1) // That is too late.
		}
		if c.later > 0 {
			d.next = 0 // as after all the others
			d.begin(&entry[int]{}, &entry[int]{}, residents, c.later, size)
		}
		for side, won := range c.won {
			if (d.shares[side] > 0) != won {
				t.Errorf("%s: shares are %v, want winners %v", name, d.shares, c.won)
			}
		}
	}
}

// What has left is not kept in memory by what the policy knows of it.
func TestPolicyLetsGo(t *testing.T) {
	c := newTest(t, Options[*[1 << 10]byte]{Capacity: 50, TTL: Forever})
	random := rand.New(rand.NewPCG(2, 2))
	var all []weak.Pointer[[1 << 10]byte]
	for range 20_000 {
		q := query(random.IntN(120))
		if _, ok := c.Get(t.Context(), Key{Query: q}); !ok {
			plan := new([1 << 10]byte)
			all = append(all, weak.Make(plan))
			c.Add(t.Context(), Key{Query: q}, plan)
		}
	}
	for question, d := range c.current.Load().policy.duels {
		if len(d.ring) == 0 {
			t.Errorf("there was no duel of question %d", question)
		}
	}
	wait.Until(t, "plans that have left are collected", func() bool {
		runtime.GC()
		live := 0
		for _, p := range all {
			if p.Value() != nil {
				live++
			}
		}
		return live <= 50
	})
	runtime.KeepAlive(c)
}
