package plancache

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// holdout are traces of other shapes than those of BenchmarkRatio, and for other sizes. They
// have shown that one half-life is not enough. The names in parentheses are of the traces of
// published papers whose shape is taken as it is described there.
var holdout = []trace{
	// Two pools in turn: an index that fits nearly, and records that do not (LRU-K and 2Q).
	{"2-pools", func(n int) []int {
		r, i := random(101), 0
		return repeat(func() int {
			if i++; i%2 == 0 {
				return r.IntN(n * 8 / 10)
			}
			return 1_000_000 + r.IntN(100*n)
		})
	}},
	// What was used lately is used again (sprite of LIRS).
	{"stack", func(n int) []int { return repeat(stack(102, n, 0.6, 0.06)) }},
	// The same, with a long tail.
	{"stack-wide", func(n int) []int { return repeat(stack(103, 2*n, 1.4, 0.1)) }},
	// Programs are compiled: each reads headers that many share, in their order, some of
	// them twice, and its own files once (cpp of LIRS).
	{"cpp", func(n int) []int { return compiles(104, n) }},
	// Loops of different lengths: shorter than the cache, a bit longer, much longer (cs, glimpse).
	{"loop-1.1", func(n int) []int { return loops(n * 11 / 10) }},
	{"loop-3", func(n int) []int { return loops(3 * n) }},
	{"loops", func(n int) []int { return loops(n/3, n*12/10, n/2, 4*n, n*9/10) }},
	// Joins: an inner table again and again, for parts of an outer one, under an index
	// (postgres of LIRS).
	{"joins", func(n int) []int { return joins(105, n) }},
	// Several of these at once (multi of LIRS).
	{"multi", func(n int) []int {
		return mixed(106, compiles(107, n/2), loops(n*3/2), repeat(stack(108, n, 0.6, 0.06)))
	}},
	// A workstation: half recency, and scans, and what is hot for long (P of ARC).
	{"workstation", func(n int) []int {
		return mixed(109, repeat(stack(110, n, 1, 0.05)), repeat(stack(111, n/3, 0.5, 0.02)),
			sequences(112, 50*n, 2*n), repeat(skewed(113, 0.9, 10*n)))
	}},
	// A storage benchmark: at random, in sequence, and hot spots that walk (SPC1 of ARC).
	{"spc1", func(n int) []int {
		return mixed(114, repeat(skewed(115, 0.2, 20*n)), repeat(hotspot(116, n, 20*n)), sequences(117, 20*n, 64))
	}},
	// Searches: skewed, over much more than there is room for, and nothing else (S of ARC).
	{"search", func(n int) []int { return repeat(skewed(118, 0.75, 60*n)) }},
	{"oltp", func(n int) []int {
		return mixed(119, repeat(skewed(120, 0.95, 30*n)), repeat(skewed(121, 1.1, 3*n)), loops(20*n))
	}},
	// Ranks change places, two at a time.
	{"ranks", func(n int) []int { return ranks(122, 0.95, 20*n, 10) }},
	// Two populations by day and by night.
	{"day-night", func(n int) []int {
		day, night, r, i := skewed(123, 1, 10*n), skewed(124, 1, 10*n), random(125), 0
		return repeat(func() int {
			i++
			if r.Float64() < 0.5+0.5*math.Sin(float64(i)*2*math.Pi/100_000) {
				return day()
			}
			return 1_000_000_000 + night()
		})
	}},
	// Clients are deployed: each release has queries of its own, and takes over slowly.
	{"releases", func(n int) []int { return releases(126, n/2, 60_000) }},
	// New things are hot at once, and less and less.
	{"news", func(n int) []int { return news(127, n) }},
	// What is new comes a few times, soon, and never again; the others are skewed.
	{"correlated", func(n int) []int { return correlated(128, n) }},
	// Half of all comes once.
	{"wonders", func(n int) []int {
		next, r, once := skewed(129, 1, 10*n), random(130), 1_000_000_000
		return repeat(func() int {
			if r.IntN(2) == 0 {
				once++
				return once
			}
			return next()
		})
	}},
	// All queries equally often: there is nothing to know.
	{"uniform", func(n int) []int { r := random(131); return repeat(func() int { return r.IntN(2 * n) }) }},
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(2, seed)) }

// skewed returns keys by Zipf's law with any exponent, at random places.
func skewed(seed uint64, s float64, keys int) func() int {
	r := random(seed)
	sums, sum := make([]float64, keys), 0.0
	for i := range sums {
		sum += math.Pow(float64(i+1), -s)
		sums[i] = sum
	}
	return func() int { return sort.SearchFloat64s(sums, r.Float64()*sum) }
}

// stack returns keys whose distance since their last use is distributed
// log-normally around a part of a cache's size, and new ones.
func stack(seed uint64, median int, sigma, fresh float64) func() int {
	r, base, next := random(seed), int(seed)*10_000_000, 0
	var last []int // the latest is last
	return func() int {
		at := len(last) - 1 - int(float64(median)/2*math.Exp(sigma*r.NormFloat64()))
		key := base + next
		if at < 0 || r.Float64() < fresh {
			next++
		} else {
			key = last[at]
			last = slices.Delete(last, at, at+1)
		}
		if last = append(last, key); len(last) > 8*median {
			last = slices.Clone(last[4*median:])
		}
		return key
	}
}

func compiles(seed uint64, n int) (list []int) {
	r, header, own := random(seed), skewed(seed+1000, 0.8, 3*n), 500_000_000
	for len(list) < traceLength {
		for range 3 + r.IntN(10) {
			first := header()
			for h := range 1 + r.IntN(8) { // What a header includes.
				list = append(list, first+h)
			}
			if r.IntN(3) == 0 {
				list = append(list, first)
			}
		}
		for range 1 + r.IntN(6) {
			own++
			list = append(list, own)
		}
	}
	return list[:traceLength]
}

// loops repeats loops of these lengths, each eight times before the next one.
func loops(lengths ...int) (list []int) {
	for len(list) < traceLength {
		for which, n := range lengths {
			for range 8 {
				for i := range n {
					list = append(list, which*10_000_000+i)
				}
			}
		}
	}
	return list[:traceLength]
}

func joins(seed uint64, n int) (list []int) {
	r, outer := random(seed), 100_000_000
	for len(list) < traceLength {
		inner := r.IntN(4) * 10_000_000
		for range 10 + r.IntN(20) {
			for i := range n * 6 / 10 {
				list = append(list, inner+i)
				if i%4 == 0 {
					outer++
					list = append(list, outer)
				}
				if i%8 == 0 {
					list = append(list, 90_000_000+r.IntN(n/8+1))
				}
			}
		}
	}
	return list[:traceLength]
}

// mixed takes calls from several traces, in runs.
func mixed(seed uint64, from ...[]int) (list []int) {
	r, at := random(seed), make([]int, len(from))
	for len(list) < traceLength {
		which := r.IntN(len(from))
		for range 1 + r.IntN(30) {
			list = append(list, from[which][at[which]%len(from[which])]*len(from)+which)
			at[which]++
		}
	}
	return list[:traceLength]
}

// sequences reads runs of up to most keys from random places.
func sequences(seed uint64, keys, most int) (list []int) {
	r := random(seed)
	for len(list) < traceLength {
		first := r.IntN(keys)
		for i := range 1 + r.IntN(most) {
			list = append(list, 200_000_000+first+i)
		}
	}
	return list[:traceLength]
}

// hotspot returns keys near a place that walks.
func hotspot(seed uint64, n, keys int) func() int {
	r, at := random(seed), keys/2
	return func() int {
		at = (at + r.IntN(5) - 2 + keys) % keys
		return 300_000_000 + (at+int(float64(n)/4*r.NormFloat64())+keys)%keys
	}
}

func ranks(seed uint64, s float64, keys, every int) []int {
	r, next, place, i := random(seed), skewed(seed+1000, s, keys), random(seed).Perm(keys), 0
	return repeat(func() int {
		if i++; i%every == 0 {
			a, b := next(), r.IntN(keys)
			place[a], place[b] = place[b], place[a]
		}
		return place[next()]
	})
}

func releases(seed uint64, size, calls int) []int {
	r, next, i := random(seed), skewed(seed+1000, 0.9, 2*size), 0
	return repeat(func() int {
		i++
		release := i / calls
		if r.Float64() > float64(i%calls)/float64(calls) {
			release-- // The older one.
		}
		if r.IntN(12) == 0 {
			return 700_000_000 + i // by hand
		}
		return (release+1)*10_000_000 + next()
	})
}

func news(seed uint64, n int) []int {
	r, old, i := random(seed), skewed(seed+1000, 1, 5*n), 0
	return repeat(func() int {
		i++
		if r.IntN(3) == 0 {
			return 500_000_000 + old()
		}
		return max(0, i/5-int(r.ExpFloat64()*r.ExpFloat64()*float64(n)/2))
	})
}

func correlated(seed uint64, n int) []int {
	r, next, once := random(seed), skewed(seed+1000, 1.05, 10*n), 500_000_000
	var soon []int
	return repeat(func() int {
		if len(soon) > 0 && r.IntN(3) > 0 {
			at := r.IntN(len(soon))
			key := soon[at]
			soon = slices.Delete(soon, at, at+1)
			return key
		}
		if r.IntN(6) == 0 {
			once++
			for range 1 + r.IntN(4) {
				soon = append(soon, once)
			}
			return once
		}
		return next()
	})
}
