package plancache

import (
	"bufio"
	"compress/gzip"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// traceLength is how many calls a trace has.
const traceLength = 400_000

// trace makes the calls of a cache. Each is the same every time.
type trace struct {
	name string
	keys func(capacity int) []int
}

// traces are what caches are compared on, and what the policy was made for.
var traces = []trace{
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
	// The hot queries move on by one every 20 calls: each is hot for a while.
	{"drift", func(int) []int {
		next, i := zipf(5, 1.05, 20_000), 0
		return repeat(func() int { i++; return next() + i/20 })
	}},
	// All that is hot changes at once, 40 calls of each query later. It would fit.
	{"swap", func(capacity int) []int {
		return hot(6, capacity*9/10, 40*capacity, func(phase int) int { return phase })
	}},
	// Half as many, for a shorter time.
	{"burst", func(capacity int) []int { return hot(8, capacity/2, 8*capacity, func(phase int) int { return phase }) }},
	// The same, but for what was hot before: two sets in turn.
	{"return", func(capacity int) []int {
		return hot(7, capacity*8/10, 20*capacity, func(phase int) int { return phase % 2 })
	}},
	// One and a half times as long as there is room for.
	{"loop", func(capacity int) []int {
		i := 0
		return repeat(func() int { i++; return i % (capacity * 3 / 2) })
	}},
	// Blocks of a file system under glimpse, which reads its index in loops: a trace of
	// Jiang and Zhang's paper on LIRS, as ristretto ships it.
	{"glimpse", func(int) []int { return glimpse() }},
}

// hot returns calls of which one in ten is for a query that does not come again, and the
// others are for a set of so many, which is another one after so many calls.
func hot(seed uint64, size, calls int, set func(phase int) int) []int {
	random := rand.New(rand.NewPCG(1, seed))
	i, once := 0, 100_000_000
	return repeat(func() int {
		i++
		if random.IntN(10) == 0 {
			once++
			return once
		}
		return set(i/calls)*size + random.IntN(size)
	})
}

// glimpse reads the trace from the module of ristretto.
func glimpse() (list []int) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dgraph-io/ristretto/v2").Output()
	if err != nil {
		panic(err)
	}
	file, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "sim", "gli.lirs.gz"))
	if err != nil {
		panic(err)
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			list = append(list, n)
		}
	}
	return list
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
