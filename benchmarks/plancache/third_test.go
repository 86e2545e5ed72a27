package plancache

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// The third set has traces by other generators than the first two. It is in two halves, by
// family and by seed: the policy was developed on the open one, and run on the sealed one
// when it was done. Families that both have differ in more than the seed.
var (
	open = []trace{
		// Loops of different lengths beside popular queries, in runs.
		{"multi", func(n int) []int {
			r := chacha(1)
			return calls(n, mingle(r, 20, cycle(n/3), cycle(n*4/5), cycle(3*n), popular(r, 8*n)))
		}},
		// A query comes a few times at once, and again much later if it is popular.
		{"correlated", func(n int) []int {
			r := chacha(2)
			return calls(n, echoes(r, popular(r, 20*n), 0.4, 30))
		}},
		// Three sets in turn, of which two fit nearly.
		{"return", func(n int) []int {
			r := chacha(3)
			return calls(n, once(r, 0.1, sets(r, n*6/10, 12*n, func(phase int) int { return phase % 3 })))
		}},
		// What is hot lies around a place that walks on.
		{"drift", func(n int) []int { r := chacha(4); return calls(n, walk(r, float64(n)/3, 0.02)) }},
		// Other sets each time, of different sizes.
		{"swap", func(n int) []int {
			r := chacha(5)
			return calls(n, once(r, 0.05, sets(r, n*7/10, 15*n, func(phase int) int { return phase })))
		}},
		{"loop+zipf", func(n int) []int {
			r := chacha(6)
			return calls(n, mingle(r, 3, cycle(n*13/10), popular(r, 10*n)))
		}},
		{"bursts", func(n int) []int {
			r := chacha(7)
			return calls(n, scanned(r, popular(r, 15*n), 10*n, n, false))
		}},
		{"nested", func(n int) []int { return calls(n, nested(20, 3, n/2)) }},
	}
	sealed = []trace{
		{"multi", func(n int) []int {
			r := chacha(11)
			return calls(n, mingle(r, 60, cycle(n/2), cycle(n*14/10), popular(r, 4*n), popular(r, 30*n)))
		}},
		{"correlated", func(n int) []int {
			r := chacha(12)
			return calls(n, once(r, 0.15, echoes(r, popular(r, 8*n), 0.6, n/10+1)))
		}},
		{"return", func(n int) []int {
			r := chacha(13)
			return calls(n, once(r, 0.1, sets(r, n/2, 8*n, func(int) int { return r.IntN(4) })))
		}},
		{"drift", func(n int) []int {
			r := chacha(14)
			return calls(n, mingle(r, 5, walk(r, float64(n)/5, 0.005), popular(r, 10*n)))
		}},
		{"swap", func(n int) []int {
			r := chacha(15)
			return calls(n, mingle(r, 2, popular(r, 5*n), sets(r, n*4/10, 25*n, func(phase int) int { return phase })))
		}},
		// The root, inner pages, leaves and records of an index.
		{"index", func(n int) []int { r := chacha(16); return calls(n, index(r, 40*n)) }},
		// Populations around the clock, each awake for a third of a day.
		{"diurnal", func(n int) []int { r := chacha(17); return calls(n, diurnal(r, n, 50*n)) }},
		// Clients, each of which goes through the queries of a screen.
		{"sessions", func(n int) []int { r := chacha(18); return calls(n, sessions(r, n)) }},
		// Jobs, each with a period of its own, beside popular queries.
		{"cron", func(n int) []int {
			r := chacha(19)
			return calls(n, mingle(r, 4, cron(r, 2*n), popular(r, 5*n)))
		}},
		// The same tables are read in full from time to time.
		{"reports", func(n int) []int {
			r := chacha(20)
			return calls(n, scanned(r, popular(r, 6*n), 4*n, n*8/10, true))
		}},
	}
	openSizes   = []int{100, 1000, 10_000}
	sealedSizes = []int{200, 2000, 10_000}
)

func chacha(seed uint64) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.New(rand.NewChaCha8(key))
}

// calls makes a trace that is long enough for a cache of so many.
func calls(n int, next func() int) []int {
	list := make([]int, max(traceLength, 80*n))
	for i := range list {
		list[i] = next()
	}
	return list
}

// mingle takes calls from several sources, in runs of a mean length.
func mingle(r *rand.Rand, mean int, sources ...func() int) func() int {
	which := 0
	return func() int {
		if r.IntN(mean) == 0 {
			which = r.IntN(len(sources))
		}
		return sources[which]()*len(sources) + which
	}
}

// once replaces a share of calls by queries that come once.
func once(r *rand.Rand, share float64, next func() int) func() int {
	fresh := 0
	return func() int {
		if r.Float64() < share {
			fresh++
			return 1_000_000_000 + fresh
		}
		return next()
	}
}

func cycle(length int) func() int {
	i := 0
	return func() int { i = (i + 1) % max(length, 1); return i }
}

// popular returns keys whose logarithm is spread evenly.
func popular(r *rand.Rand, keys int) func() int {
	return func() int { return int(math.Pow(float64(keys), r.Float64())) }
}

// echoes repeats a share of the calls, within so many calls after them.
func echoes(r *rand.Rand, next func() int, share float64, within int) func() int {
	later := map[int]int{}
	i := 0
	return func() int {
		i++
		key, ok := later[i]
		if delete(later, i); !ok {
			key = next()
		}
		if r.Float64() < share {
			later[i+1+r.IntN(within)] = key
		}
		return key
	}
}

// sets returns keys of sets of up to a size, which change after up to twice so many calls.
func sets(r *rand.Rand, size, calls int, set func(phase int) int) func() int {
	phase, left, now := -1, 0, 0
	return func() int {
		if left--; left < 0 {
			phase++
			now, left = set(phase), calls/2+r.IntN(calls)
		}
		some := size * (4 + now*7%5) / 8 // Each has a size of its own.
		return now*size + int(float64(some)*math.Sqrt(r.Float64()))
	}
}

// walk returns keys around a place, at exponentially distributed distances, while it moves on
// by a speed.
func walk(r *rand.Rand, wide, speed float64) func() int {
	at := 100_000_000.0
	return func() int {
		at += speed * r.ExpFloat64()
		return int(at - wide*r.ExpFloat64())
	}
}

// scanned reads up to so many others in sequence, after so many calls: what comes once, or
// one of five tables.
func scanned(r *rand.Rand, next func() int, calls, most int, again bool) func() int {
	left, at, fresh := 0, 0, 10_000_000
	return func() int {
		if left == 0 && r.IntN(calls) == 0 {
			left, at = 1+r.IntN(most), fresh
			if fresh += left; again {
				at, left = 20_000_000+10_000_000*r.IntN(5), most
			}
		}
		if left == 0 {
			return next()
		}
		left--
		at++
		return at
	}
}

// nested reads an outer table, for each part of it a middle one in full, and for each part of
// that an inner one.
func nested(outer, middle, inner int) func() int {
	i := -1
	return func() int {
		i++
		switch a, b, c := i/(middle*inner), i/inner, i%inner; {
		case c == 0 && b%middle == 0:
			return 3*(a%(outer*inner)) + 1
		case c == 0:
			return 3*(b%middle) + 2
		case c%5 == 0: // What belongs to this part of the outer table only.
			return 3 * (10_000_000 + a%outer*inner + c)
		default:
			return 3 * c
		}
	}
}

// index returns the pages on the way to records, whose popular ones lie anywhere.
func index(r *rand.Rand, records int) func() int {
	next := popular(r, records)
	var path []int
	return func() int {
		if len(path) == 0 {
			record := next() * 7919 % records
			for level, fan := range []int{1, 10, 100, records} {
				path = append(path, 4*(record/fan)+level)
			}
		}
		key := path[len(path)-1]
		path = path[:len(path)-1]
		return key
	}
}

func diurnal(r *rand.Rand, n, day int) func() int {
	const populations = 6
	var next [populations]func() int
	for i := range next {
		next[i] = popular(r, 3*n)
	}
	i := 0
	return func() int {
		i++
		// The hour of a call, a few hours around now.
		hour := float64(i%day)/float64(day) + r.NormFloat64()/12
		which := int((hour-math.Floor(hour))*populations) % populations
		return next[which]()*populations + which
	}
}

func sessions(r *rand.Rand, n int) func() int {
	type client struct{ screen, step int }
	clients := make([]client, 50)
	screen, length := popular(r, n), func(screen int) int { return 3 + screen*31%13 }
	return func() int {
		c := &clients[r.IntN(len(clients))]
		if c.step++; c.step >= length(c.screen) {
			*c = client{screen: screen()}
		}
		return c.screen*16 + c.step
	}
}

// cron returns so many jobs when they are due, each after its period, more or less.
func cron(r *rand.Rand, jobs int) func() int {
	type due struct{ at, period, key int }
	wheel := make([][]due, 64*jobs)
	for i := range jobs {
		period := int(float64(jobs) * math.Exp(1.2*r.NormFloat64()))
		first := r.IntN(period + 1)
		wheel[first%len(wheel)] = append(wheel[first%len(wheel)], due{first, max(period, 2), i})
	}
	now := 0
	return func() int {
		for ; ; now++ {
			slot := &wheel[now%len(wheel)]
			at := slices.IndexFunc(*slot, func(d due) bool { return d.at <= now })
			if at < 0 {
				continue
			}
			d := (*slot)[at]
			*slot = slices.Delete(*slot, at, at+1)
			d.at = now + 1 + d.period*(9+r.IntN(3))/10
			wheel[d.at%len(wheel)] = append(wheel[d.at%len(wheel)], d)
			return d.key
		}
	}
}
