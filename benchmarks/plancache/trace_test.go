package plancache

import "math/rand/v2"

// traceLength is how many calls a trace has.
const traceLength = 400_000

// traces are what caches are compared on. Each is the same every time.
var traces = []struct {
	name string
	keys func(capacity int) []int
}{
	{"zipf1.01", func(int) []int { return repeat(zipf(1, 1.01, 50_000)) }},
	{"zipf1.2", func(int) []int { return repeat(zipf(2, 1.2, 50_000)) }},
	// After each 5000 calls come queries that nobody asks for again, twice as many as
	// there is room for.
	{"scans", func(capacity int) (list []int) {
		next, once := zipf(3, 1.1, 20_000), 1_000_000
		for len(list) < traceLength {
			for range 5000 {
				list = append(list, next())
			}
			for range 2 * capacity {
				list = append(list, once)
				once++
			}
		}
		return list[:traceLength]
	}},
	// Every 20 000 calls the 150 hottest queries are no more.
	{"shifting", func(int) []int {
		next, i := zipf(4, 1.1, 20_000), 0
		return repeat(func() int { i++; return next() + i/20_000*150 })
	}},
	// One and a half times as long as there is room for.
	{"loop", func(capacity int) []int {
		i := 0
		return repeat(func() int { i++; return i % (capacity * 3 / 2) })
	}},
}

func repeat(next func() int) []int {
	list := make([]int, traceLength)
	for i := range list {
		list[i] = next()
	}
	return list
}

func zipf(seed uint64, s float64, keys uint64) func() int {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, seed)), s, 1, keys-1)
	return func() int { return int(z.Uint64()) }
}

// belady returns the hit ratio of a cache that knows the future, in which what will be
// asked for last leaves, be it the newest: no cache can do better.
func belady(keys []int, capacity int) float64 {
	next := make([]int, len(keys))
	seen := map[int]int{}
	for i := len(keys) - 1; i >= 0; i-- {
		next[i] = len(keys)
		if at, ok := seen[keys[i]]; ok {
			next[i] = at
		}
		seen[keys[i]] = i
	}
	cached := map[int]int{} // the next use
	hits := 0
	for i, k := range keys {
		if _, ok := cached[k]; ok {
			hits++
		}
		cached[k] = next[i]
		if len(cached) > capacity {
			last := k
			for key, use := range cached {
				if use > cached[last] {
					last = key
				}
			}
			delete(cached, last)
		}
	}
	return float64(hits) / float64(len(keys))
}
