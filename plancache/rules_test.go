package plancache

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// hot is an entry with so much heat at time 0.
func hot(uses float64) *entry[int] {
	return &entry[int]{heat: heat{uses, uses}, factor: 1, weight: entryWeight}
}

// regions is a policy with entries in its window and its main region.
func regions(size int64, window, main []*entry[int]) policy[int] {
	p := heated(size)
	for _, e := range append(slices.Clone(window), main...) {
		e.fresh, e.place = true, len(p.window)
		p.window = append(p.window, e)
		p.weight += e.weight
		if slices.Contains(main, e) {
			p.move(e)
		}
	}
	return p
}

// What leaves the window stays only if it is worth more than the least of the others and one use of
// that. Where it is in doubt, the duels say.
func TestVictim(t *testing.T) {
	const one = 1.0
	for name, c := range map[string]struct {
		candidate, least float64 // worth
		factor           float64 // of a use of the least
		shares           [2]float64
		stays, duel      bool // the candidate stays; it was in doubt
	}{
		"worth more":                  {candidate: 10, least: 8.5, factor: one, stays: true},
		"by one use":                  {candidate: 10, least: 9, factor: one, duel: true},
		"worth less":                  {candidate: 1, least: 9, factor: one, duel: true},
		"by a cheap use":              {candidate: 10, least: 9, factor: 0.5, stays: true},
		"by less than a costly use":   {candidate: 10, least: 8, factor: 4, duel: true},
		"in doubt, candidates lead":   {candidate: 1, least: 9, factor: one, shares: [2]float64{0.1, 0.2}, stays: true, duel: true},
		"in doubt, by less than bias": {candidate: 1, least: 9, factor: one, shares: [2]float64{0.1, 0.11}, duel: true},
	} {
		candidate, fresh, e, least := hot(c.candidate), hot(100), hot(100), hot(c.least/c.factor)
		least.factor = c.factor
		fresh.last.Store(1)
		p := regions(100, []*entry[int]{fresh, candidate, e}, []*entry[int]{least, hot(1000)})
		p.duels[admissions].shares = c.shares
		got, duels := p.victim(e, 0), &p.duels[admissions]
		want, side, stayed := candidate, residents, least
		if c.stays {
			want, side, stayed = least, candidates, candidate
		}
		if got != want || candidate.fresh == c.stays {
			t.Errorf("%s: the candidate leaves: %v, the least: %v; in the window: %v", name, got == candidate, got == least, candidate.fresh)
		}
		if begun := len(duels.ring) > 0; begun != c.duel {
			t.Errorf("%s: a duel has begun: %v", name, begun)
		} else if begun && (duels.ring[0].stayed != stayed || duels.ring[0].side != side) {
			t.Errorf("%s: the duel is %+v", name, duels.ring[0])
		}
	}
}

// The window gives up what it has too much, its oldest first; the entry that has come stays.
func TestVictimRegions(t *testing.T) {
	e, old, young, main := hot(1), hot(1), hot(1), hot(1)
	old.last.Store(5)
	young.last.Store(6)
	for name, c := range map[string]struct {
		window, main []*entry[int]
		want         *entry[int]
	}{
		"the window is not too large":   {[]*entry[int]{e, young}, []*entry[int]{main}, main},
		"there is nothing else":         {[]*entry[int]{e, young, old}, nil, old},
		"it is alone among the others":  {[]*entry[int]{young, old}, []*entry[int]{e}, old},
		"it is the oldest":              {[]*entry[int]{young, e}, nil, young},
		"it is the least of the others": {[]*entry[int]{young}, []*entry[int]{e, main}, main},
	} {
		p := regions(100, c.window, c.main)
		if got := p.victim(e, 10); got != c.want {
			t.Errorf("%s: %p leaves, want %p of window %p and main %p", name, got, c.want, c.window, c.main)
		}
	}
}

// A hand takes the entries of the main region in turn, a sample at a time, and the least of each
// sample is found, whatever has been used since.
func TestLeast(t *testing.T) {
	var all []*entry[int]
	for i := range 2*sampleSize + 8 {
		all = append(all, hot(10+float64(i)))
	}
	p := regions(100, nil, all)
	for _, want := range []int{1, 1 + sampleSize, 0, 9} { // The third sample comes round.
		if got := p.least(nil, brief, 0); got != all[want] {
			t.Errorf("got %d, want %d", slices.Index(all, got), want)
		}
	}
	few := all[:4]
	p = regions(100, nil, few)
	if got := p.least(few[0], brief, 0); got != few[1] {
		t.Errorf("got %d but for 0", slices.Index(few, got))
	}
	few[0].uses.Store(100)
	few[0].last.Store(1000)
	if got := p.least(nil, brief, 1000); got != few[1] {
		t.Errorf("got %d, and 0 was used since", slices.Index(few, got))
	}
	if n := len(p.duels[halfLives].ring); n > 0 {
		t.Errorf("%d duels, and both half-lives say the same", n)
	}
}

// Where the half-lives would have different entries leave, that is a duel.
func TestLeastByHalfLives(t *testing.T) {
	for term := range terms {
		lately, long := hot(0), hot(0)
		lately.heat, long.heat = heat{5, 6}, heat{4, 7}
		p := regions(100, nil, []*entry[int]{hot(100), lately, long})
		leaves, stays := long, lately
		if term == lasting {
			leaves, stays = lately, long
		}
		if got := p.least(nil, term, 0); got != leaves {
			t.Errorf("half-life %d: another one leaves", term)
		}
		if ring := p.duels[halfLives].ring; len(ring) == 0 || ring[0].stayed != stays || ring[0].side != term {
			t.Errorf("half-life %d: the duels are %+v", term, ring)
		}
	}
}

// The brief half-life counts unless the lasting one is ahead by the preference.
func TestTerm(t *testing.T) {
	p := heated(100)
	for _, c := range []struct {
		shares [2]float64
		want   int
	}{{[2]float64{}, brief}, {[2]float64{1, 0}, brief}, {[2]float64{1, 1.3}, brief}, {[2]float64{1, 1.5}, lasting}} {
		if p.duels[halfLives].shares = c.shares; p.term() != c.want {
			t.Errorf("shares %v: got %d", c.shares, p.term())
		}
	}
}

// A cache has room for as many entries as its bounds allow, if all weigh as those that it has.
func TestSize(t *testing.T) {
	for _, c := range []struct {
		capacity, bytes, entries, weight, want int64
	}{
		{1000, 1 << 40, 0, 0, 1000},
		{1000, 100 * entryWeight, 0, 0, 100}, // none: as without a plan
		{1000, 100_000, 2, 2000, 100},
		{1000, 100_000, 1, 500, 200},
		{50, 100_000, 2, 2000, 50},
		{50, 100, 2, 2000, 2}, // those that it has
		{50, 100, 0, 0, 1},
		{50, 100, 2, 0, 50}, // they weigh nothing
	} {
		p := newPolicy[int](c.capacity, c.bytes)
		p.window, p.weight = make([]*entry[int], c.entries), c.weight
		if got := p.size(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A narrow window has a share of the cache, one place at least, and no more than makes sense; a wide
// one has widening times as much. It is wide where that is better by the bias.
func TestQuota(t *testing.T) {
	for size, want := range map[int64]int64{1: 1, 10: 1, 100: 2, 400: 8, 800: windowMost, 100_000: windowMost} {
		p := heated(size)
		for _, c := range []struct {
			shares [2]float64
			want   int64
		}{
			{[2]float64{}, want}, {[2]float64{0.2, 0.2}, want}, {[2]float64{0.2, 0.21}, want},
			{[2]float64{0.2, 0.22}, widening * want}, {[2]float64{0.22, 0.2}, want},
		} {
			p.duels[windows].shares = c.shares
			if got := p.quota(); got != c.want {
				t.Errorf("%d entries, shares %v: %d, want %d", size, c.shares, got, c.want)
			}
		}
	}
}

// An entry that comes back is as hot as when it left, less what has faded since, and with one more use.
func TestComesBack(t *testing.T) {
	const size, left, now = 1000, 1000, 3000
	p, life := heated(size), lives(size)
	p.ghosts.put(ghost{hash: 7, used: left, was: [terms]float32{4, 4}}, size)
	var want heat
	for i := range want {
		want[i] = 4*later(now-left, life[i]) + 1
	}
	back, fresh, used := &entry[int]{hash: 7}, &entry[int]{hash: 8}, &entry[int]{hash: 9}
	used.uses.Store(2) // as a file says
	for e, want := range map[*entry[int]]heat{back: want, fresh: {1, 1}, used: {3, 3}} {
		uses := e.uses.Load() + 1
		p.add(e, now)
		if !near(e.heat, want) || e.heated != now || e.last.Load() != now {
			t.Errorf("entry %d: heat %v of %d, used at %d; want %v", e.hash, e.heat, e.heated, e.last.Load(), want)
		}
		if e.uses.Load() != uses || e.counted != uses {
			t.Errorf("entry %d: %d uses, of which %d are counted; want %d", e.hash, e.uses.Load(), e.counted, uses)
		}
	}
}

// A plan that takes the place of another for its key has its heat and its uses, and one more.
func TestReplace(t *testing.T) {
	const size, now = 1000, 2000
	life := lives(size)
	for name, place := range map[string]int{"window": 0, "main": 1} {
		old, other := hot(6), hot(1)
		old.uses.Store(8)
		old.counted = 8
		groups := [2][]*entry[int]{{other}, {other}}
		groups[place] = []*entry[int]{other, old}
		groups[1-place] = []*entry[int]{hot(1)}
		p := regions(size, groups[0], groups[1])
		e := &entry[int]{weight: 2 * entryWeight}
		if out := p.replace(old, e, now); len(out) > 0 {
			t.Errorf("%s: %d leave", name, len(out))
		}
		want := heat{6*later(now, life[brief]) + 1, 6*later(now, life[lasting]) + 1}
		if !near(e.heat, want) || e.uses.Load() != 9 || e.counted != 9 || p.weight != 4*entryWeight {
			t.Errorf("%s: heat %v, want %v; %d uses; all weigh %d", name, e.heat, want, e.uses.Load(), p.weight)
		}
		if all := p.all(); !slices.Contains(all, e) || slices.Contains(all, old) || len(all) != 3 || e.fresh != (place == 0) {
			t.Errorf("%s: it is not in its place", name)
		}
	}
}

// They are halved also where nothing new comes, but plans are built again.
func TestAgeOfAFixedSet(t *testing.T) {
	const size = 100
	old := hot(1)
	old.uses.Store(8)
	old.counted = 8
	p := regions(size, []*entry[int]{old}, nil)
	e := &entry[int]{weight: entryWeight}
	if p.replace(old, e, size*agePeriods); e.uses.Load() != 5 {
		t.Errorf("%d uses, want half of 8 and one", e.uses.Load())
	}
}

// The uses that are reported are halved after agePeriods calls for each entry, and again after as many.
func TestAge(t *testing.T) {
	for size, period := range map[int64]int64{100: 100 * agePeriods, 3: 10 * agePeriods} {
		e, main := hot(1), hot(1)
		e.uses.Store(9)
		e.counted = 9
		main.uses.Store(4)
		main.counted = 4
		p := regions(size, []*entry[int]{e}, []*entry[int]{main})
		for _, c := range []struct {
			now  int64
			want [2]uint32
		}{{period - 1, [2]uint32{9, 4}}, {period, [2]uint32{5, 2}}, {2*period - 1, [2]uint32{5, 2}}, {2 * period, [2]uint32{3, 1}}} {
			p.age(c.now)
			if got := [2]uint32{e.uses.Load(), main.uses.Load()}; got != c.want || e.counted != got[0] {
				t.Errorf("%d entries, %d calls: %v, want %v; %d are counted", size, c.now, got, c.want, e.counted)
			}
		}
	}
}

// Whatever comes and leaves, entries are where they say, all are accounted for, and both bounds hold.
func TestPolicyKeepsItsBounds(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 11))
		p := newPolicy[int](1+random.Int64N(200), 1+random.Int64N(100_000))
		in := map[*entry[int]]bool{}
		for now := range int64(3000) {
			e := &entry[int]{hash: uint64(random.IntN(400)), weight: random.Int64N(2000), cost: time.Duration(random.IntN(1000))}
			var out []*entry[int]
			all := p.all()
			switch n := random.IntN(10); {
			case n == 0 && len(all) > 0:
				p.remove(all[0])
				delete(in, all[0])
				continue
			case n == 1 && len(all) > 0:
				out = p.replace(all[0], e, now)
				delete(in, all[0])
			default:
				out = p.add(e, now)
			}
			in[e] = true
			for _, left := range out {
				if left == e || !in[left] {
					t.Fatalf("seed %d: what leaves is new, or has left", seed)
				}
				delete(in, left)
			}
			checkPolicy(t, &p, in)
		}
	}
}

func checkPolicy(t *testing.T, p *policy[int], in map[*entry[int]]bool) {
	t.Helper()
	var weight int64
	for i, e := range p.all() {
		at := i
		if !e.fresh {
			at -= len(p.window)
		}
		if !in[e] || e.place != at || e.fresh != (i < len(p.window)) {
			t.Fatalf("entry %d is at %d, in the window: %v, known: %v", i, e.place, e.fresh, in[e])
		}
		weight += e.weight
	}
	if n := p.count(); n != int64(len(in)) || n > p.capacity || weight != p.weight || weight > p.bytes && n > 1 {
		t.Fatalf("%d entries of %d, room for %d; %d bytes, said to be %d, bound %d", n, len(in), p.capacity, weight, p.weight, p.bytes)
	}
	if n := int64(len(p.window)); n > p.quota() {
		t.Fatalf("%d entries in a window for %d", n, p.quota())
	}
}

// All that the bounds allow stays, and one entry in any case.
func TestBoundsAreUsed(t *testing.T) {
	const n = 10
	for name, bounds := range map[string][2]int64{"entries": {n, 1 << 40}, "bytes": {1000, n * entryWeight}, "both": {n, n * entryWeight}} {
		p := newPolicy[int](bounds[0], bounds[1])
		for i := range int64(n) {
			if out := p.add(hot(0), i); len(out) > 0 {
				t.Errorf("%s: one has left for number %d of %d", name, i+1, n)
			}
		}
		if out := p.add(hot(0), n); len(out) != 1 {
			t.Errorf("%s: %d have left for one too many", name, len(out))
		}
	}
	p := newPolicy[int](n, entryWeight/2)
	if out := p.add(hot(0), 0); len(out) > 0 || p.count() != 1 {
		t.Errorf("one is larger than all may be: %d have left, %d are there", len(out), p.count())
	}
}

// The least is what saves least: its heat now, times what a use saves.
func TestLeastByWorth(t *testing.T) {
	const size, now = 1000, 4000
	costly, cheap := hot(0), hot(0)
	costly.heat, costly.factor = heat{2, 3}, 8
	cheap.heat, cheap.factor = heat{4, 4}, 0.5
	before, lately := hot(10), hot(6)
	lately.heated, lately.fresh = now, true
	for name, c := range map[string]struct{ other, want *entry[int] }{
		"what a use saves": {costly, cheap}, "the time since": {lately, before},
	} {
		for term := range terms {
			p := regions(size, nil, []*entry[int]{c.other, c.want})
			if got := p.least(nil, term, now); got != c.want {
				t.Errorf("%s: by half-life %d it is another one", name, term)
			}
		}
	}
	p, life := heated(size), lives(size)
	want := heat{16 * later(now, life[brief]), 24 * later(now, life[lasting])}
	if got := p.worth(costly, now); !near(got, want) {
		t.Errorf("one is worth %v, want %v", got, want)
	}
}

// While the window is wide, what leaves is in a duel with what a narrow window would let go instead.
func TestStayWide(t *testing.T) {
	for name, c := range map[string]struct {
		narrow bool
		leaves int // in the order of the window
		duel   bool
	}{"another one": {leaves: 0, duel: true}, "the same": {leaves: 1}, "the window is narrow": {narrow: true, leaves: 0}} {
		var window []*entry[int]
		for i := range 4 { // A narrow one has room for 2.
			e := hot(1)
			e.last.Store(int64(i))
			window = append(window, e)
		}
		p := regions(100, window, nil)
		if !c.narrow {
			p.duels[windows].shares = [2]float64{0, 1}
		}
		p.stayWide(window[c.leaves], 10)
		ring := p.duels[windows].ring
		if (len(ring) > 0) != c.duel {
			t.Errorf("%s: there is a duel: %v", name, len(ring) > 0)
		} else if c.duel && (ring[0].stayed != window[1] || ring[0].side != wide) {
			t.Errorf("%s: the duel is %+v", name, ring[0])
		}
	}
}
