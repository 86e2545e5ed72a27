package plancache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTest[P any](t testing.TB, config Options[P]) *Cache[P] {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func query(i int) string { return fmt.Sprintf("query Q%d { user(id: %d) { name } }", i, i) }

func TestGetAfterAdd(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 10, 1000} {
		c := newTest(t, Options[int]{Capacity: capacity})
		for i := range 5000 {
			c.Add(t.Context(), Key{Query: query(i)}, i)
			if got, ok := c.Get(t.Context(), Key{Query: query(i)}); !ok || got != i {
				t.Fatalf("capacity %d: just after Add(%d) there is %d, %v", capacity, i, got, ok)
			}
			if n := c.Len(); n > capacity {
				t.Fatalf("%d plans, and there is room for %d", n, capacity)
			}
		}
		if got, ok := c.Get(t.Context(), Key{Query: "query other"}); ok {
			t.Errorf("got %d for what was never added", got)
		}
	}
}

func TestKeys(t *testing.T) {
	c := newTest(t, Options[int]{})
	keys := []Key{{Query: "q"}, {Query: "q", Operation: "a"}, {Query: "q", Extra: "a"}, {Query: "qa"}, {Operation: "q"}, {}, {Query: "q", Operation: "a", Extra: "a"}}
	for i, k := range keys {
		c.Add(t.Context(), k, i)
	}
	for i, k := range keys {
		if got, ok := c.Get(t.Context(), k); !ok || got != i {
			t.Errorf("%+v: got %d, %v, want %d", k, got, ok, i)
		}
	}
	if err := c.Delete(t.Context(), keys[1]); err != nil {
		t.Error(err)
	}
	if _, ok := c.Get(t.Context(), keys[1]); ok || c.Len() != len(keys)-1 {
		t.Errorf("it is still there, of %d", c.Len())
	}
}

// Plans that have the same hash are told apart: the cache has what was added and has neither
// been deleted nor left, and nothing else.
func TestCollisions(t *testing.T) {
	for _, capacity := range []int{100, 1000} { // There are 600 keys.
		synctest.Test(t, func(t *testing.T) {
			model := map[string]int{}
			c := newTest(t, Options[int]{Capacity: capacity, OnEvict: func(key Key, plan int, _ Cause) {
				if model[key.Query] == plan {
					delete(model, key.Query)
				}
			}})
			c.hash = func(k Key) uint64 { return uint64(len(k.Query) % 2) }
			random := rand.New(rand.NewPCG(1, 1))
			found := 0
			for i := 1; i < 20_000; i++ {
				q := strings.Repeat("x", random.IntN(2)) + fmt.Sprint(random.IntN(300))
				switch random.IntN(8) {
				case 0:
					delete(model, q)
					if err := c.Delete(t.Context(), Key{Query: q}); err != nil {
						t.Fatal(err)
					}
				case 1, 2, 3:
					model[q] = i
					c.Add(t.Context(), Key{Query: q}, i)
					if model[q] != i {
						t.Fatalf("%d: %s has left at once", i, q)
					}
				default:
					want, in := model[q]
					got, ok := c.Get(t.Context(), Key{Query: q})
					if ok != in || got != want {
						t.Fatalf("%d: %s has %d, %v; want %d, %v", i, q, got, ok, want, in)
					}
					if ok {
						found++
					}
				}
				if c.Len() != len(model) {
					t.Fatalf("%d: %d plans, want %d", i, c.Len(), len(model))
				}
			}
			if found < 1000 || len(model) < 90 {
				t.Errorf("%d plans were found, %d are there: nothing was tested", found, len(model))
			}
		})
	}
}

// Random operations against a map, which loses what the cache says that it has lost.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { testModel(t, seed) })
	}
}

func testModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	left := map[Cause]int{}
	model := map[string]string{}
	c := newTest(t, Options[string]{Capacity: 1 + random.IntN(60), OnEvict: func(key Key, plan string, cause Cause) {
		left[cause]++
		if model[key.Query] == plan {
			delete(model, key.Query)
		}
	}})
	added := 0
	for i := range 5000 {
		q := query(random.IntN(120))
		switch random.IntN(40) {
		case 0:
			_ = c.Delete(t.Context(), Key{Query: q})
			delete(model, q)
		case 1:
			if random.IntN(20) == 0 {
				c.Purge()
				clear(model)
			}
		case 2:
			if random.IntN(10) == 0 {
				if err := c.SetSchema(t.Context(), fmt.Sprint(i), Switch[string]{}); err != nil {
					t.Fatal(err)
				}
				clear(model)
			}
		case 3, 4, 5, 6, 7, 8, 9, 10:
			model[q] = fmt.Sprint(i)
			c.Add(t.Context(), Key{Query: q}, model[q])
			added++
			if got, ok := c.Get(t.Context(), Key{Query: q}); !ok || got != model[q] {
				t.Fatalf("seed %d, %d: just added, and it has %q, %v", seed, i, got, ok)
			}
		case 11, 12:
			plan, err := c.Load(t.Context(), Key{Query: q}, func(context.Context) (string, error) { added++; model[q] = fmt.Sprint(i); return model[q], nil })
			if err != nil || plan != model[q] {
				t.Fatalf("seed %d, %d: loaded %q, %v; want %q", seed, i, plan, err, model[q])
			}
		default:
			if got, ok := c.Get(t.Context(), Key{Query: q}); ok != (model[q] != "") || got != model[q] {
				t.Fatalf("seed %d, %d: got %q, %v, want %q", seed, i, got, ok, model[q])
			}
		}
		if n, room := c.Len(), c.options.Capacity; n > room || n != len(model) {
			t.Fatalf("%d plans, room for %d, %d in the model", n, room, len(model))
		}
	}
	sum := c.Len()
	for _, n := range left {
		sum += n
	}
	if sum != added {
		t.Errorf("seed %d: %d were added, %d have left or are there: %v", seed, added, sum, left)
	}
}

// Readers, writers, loads and schema changes at the same time: each plan is of its query
// and of the version that was current when it was asked for, or later.
func TestConcurrent(t *testing.T) {
	c := newTest(t, Options[string]{Capacity: 64, Schema: "0"})
	var current atomic.Int64
	var wrong atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	build := func(ctx context.Context, q string) (string, error) { return SchemaVersion(ctx) + "/" + q, nil }
	check := func(q, plan string, before int64) {
		version, text, _ := strings.Cut(plan, "/")
		var v int64
		fmt.Sscan(version, &v)
		if text != q || v < before {
			wrong.Add(1)
			t.Errorf("%q for %q, and the version was %d", plan, q, before)
		}
	}
	for i := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 3))
			for ctx.Err() == nil && wrong.Load() == 0 {
				q := query(random.IntN(200))
				before := current.Load()
				if random.IntN(2) == 0 {
					plan, err := c.Load(context.Background(), Key{Query: q}, func(ctx context.Context) (string, error) { return build(ctx, q) })
					if err != nil {
						t.Error(err)
					}
					check(q, plan, before)
				} else if plan, ok := c.Get(ctx, Key{Query: q}); ok {
					check(q, plan, before)
				}
			}
		})
	}
	for v := int64(1); ctx.Err() == nil; v++ {
		var s Switch[string]
		if v%2 > 0 {
			s.Rebuild = func(ctx context.Context, key Key) (string, error) { return build(ctx, key.Query) }
		}
		if err := c.SetSchema(context.Background(), fmt.Sprint(v), s); err != nil {
			t.Error(err)
		}
		current.Store(v)
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expired := 0
		c, err := New(Options[int]{TTL: time.Minute, Jitter: -1, Expire: func(_ Key, p int) time.Duration {
			return map[int]time.Duration{1: time.Second, 2: Forever}[p]
		}, OnEvict: func(_ Key, _ int, cause Cause) {
			if cause == Expired {
				expired++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		has := func(want ...bool) {
			t.Helper()
			synctest.Wait()
			for i, w := range want {
				if _, ok := c.Get(t.Context(), Key{Query: query(i)}); ok != w {
					t.Errorf("plan %d: %v, want %v", i, ok, w)
				}
			}
		}
		for i := range 3 {
			c.Add(t.Context(), Key{Query: query(i)}, i)
		}
		time.Sleep(time.Second - 1)
		has(true, true, true)
		time.Sleep(time.Nanosecond)
		has(true, false, true)
		time.Sleep(30 * time.Second)
		c.Add(t.Context(), Key{Query: query(0)}, 0) // It begins again.
		time.Sleep(59 * time.Second)
		has(true, false, true)
		time.Sleep(time.Second)
		has(false, false, true)
		time.Sleep(1000 * time.Hour)
		has(false, false, true)
		if expired != 2 || c.Stats().Expired != 2 {
			t.Errorf("%d have expired, %d in the statistics", expired, c.Stats().Expired)
		}
	})
}

// With jitter plans do not end together, and none ends late.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{TTL: time.Minute, Jitter: 0.5})
		defer c.Close()
		for i := range 1000 {
			c.Add(t.Context(), Key{Query: query(i)}, i)
		}
		time.Sleep(30*time.Second - 1)
		if n := c.Len(); n != 1000 {
			t.Errorf("%d of 1000 before any may end", n)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := c.Len(); n < 400 || n > 600 {
			t.Errorf("%d of 1000 when half should have ended", n)
		}
		time.Sleep(15*time.Second + 1)
		synctest.Wait()
		if n := c.Len(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// The bound on bytes holds, and the newest plan is there even if it is larger.
func TestBytes(t *testing.T) {
	c := newTest(t, Options[int]{Bytes: 10_000, Weigh: func(_ Key, p int) int64 { return int64(p) }})
	random := rand.New(rand.NewPCG(4, 4))
	for i := range 3000 {
		size := 1 + random.IntN(900)
		if i%500 == 499 {
			size = 20_000
		}
		q := query(random.IntN(100))
		c.Add(t.Context(), Key{Query: q}, size)
		if got, ok := c.Get(t.Context(), Key{Query: q}); !ok || got != size {
			t.Fatalf("%d: got %d, %v", i, got, ok)
		}
		if w := c.current.Load().policy.weight; w > 10_000 && c.Len() > 1 {
			t.Fatalf("%d: %d bytes in %d plans", i, w, c.Len())
		}
	}
}

// A default configuration bounds bytes as well as plans, and a large Capacity has room for
// plans of a usual size.
func TestBytesByDefault(t *testing.T) {
	c := newTest(t, Options[string]{})
	long := strings.Repeat("x", 1<<20)
	for i := range 200 {
		q := query(i) + long
		c.Add(t.Context(), Key{Query: q}, q)
		if _, ok := c.Get(t.Context(), Key{Query: q}); !ok {
			t.Fatalf("%d: it was just added", i)
		}
		if n := c.Len(); n<<20 > defaultBytes {
			t.Fatalf("%d plans of 1 MiB", n)
		}
	}
	for i := range 2000 {
		c.Add(t.Context(), Key{Query: query(i)}, "plan")
	}
	if n := c.Len(); n < 990 || n > 1000 {
		t.Errorf("%d small plans, and there is room for 1000", n)
	}
	c = newTest(t, Options[string]{Capacity: 5000})
	for i := range 5000 {
		c.Add(t.Context(), Key{Query: query(i) + long[:1500]}, "plan")
	}
	if n := c.Len(); n != 5000 {
		t.Errorf("%d plans of 1.5 KB, and there is room for 5000", n)
	}
	// Both bounds hold if both are set.
	c = newTest(t, Options[string]{Capacity: 10, Bytes: 4000, Weigh: func(_ Key, p string) int64 { return int64(len(p)) }})
	for i := range 100 {
		c.Add(t.Context(), Key{Query: query(i)}, "plan")
	}
	if n := c.Len(); n != 10 {
		t.Errorf("%d small plans, and there is room for 10", n)
	}
	for i := range 100 {
		c.Add(t.Context(), Key{Query: query(i)}, long[:1000])
	}
	if n := c.Len(); n != 3 {
		t.Errorf("%d plans of 1000 bytes, and there is room for 3", n)
	}
}

// At equal use, what took long to build stays.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{Capacity: 100, TTL: Forever})
		defer c.Close()
		random := rand.New(rand.NewPCG(5, 5))
		var slow, fast [2]int // hits and calls
		for range 40_000 {
			i := random.IntN(400)
			cost, n := 100*time.Microsecond, &fast
			if i%4 == 0 {
				cost, n = 200*time.Millisecond, &slow
			}
			n[1]++
			hit := true
			_, _ = c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (int, error) { hit = false; time.Sleep(cost); return i, nil })
			if hit {
				n[0]++
			}
		}
		slowRatio, fastRatio := float64(slow[0])/float64(slow[1]), float64(fast[0])/float64(fast[1])
		if slowRatio < 0.8 || fastRatio > 0.2 {
			t.Errorf("of slow plans %.2f were there, of fast ones %.2f", slowRatio, fastRatio)
		}
	})
}

func TestConfig(t *testing.T) {
	for name, config := range map[string]Options[int]{
		"capacity": {Capacity: -1}, "bytes": {Bytes: -1}, "weigh": {Bytes: 1}, "jitter": {Jitter: 1}, "store": {Store: newMemory()}, "duration": {StaleFor: -1},
	} {
		if c, err := New(config); err == nil {
			c.Close()
			t.Errorf("%s: there is no error", name)
		}
	}
	c := newTest(t, Options[int]{})
	if c.options.Capacity != 1000 || c.options.TTL != time.Hour {
		t.Errorf("the defaults are %d and %v", c.options.Capacity, c.options.TTL)
	}
}

func TestClosed(t *testing.T) {
	c := newTest(t, Options[int]{})
	c.Add(t.Context(), Key{Query: "q"}, 1)
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	c.Add(t.Context(), Key{Query: "q"}, 1)
	if _, ok := c.Get(t.Context(), Key{Query: "q"}); ok {
		t.Error("a closed cache has a plan")
	}
	for want := range 3 {
		if got, err := c.Load(t.Context(), Key{Query: "q"}, func(context.Context) (int, error) { return want, nil }); err != nil || got != want {
			t.Errorf("got %d, %v", got, err)
		}
	}
	if err := c.SetSchema(t.Context(), "2", Switch[int]{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestHitsDoNotAllocate(t *testing.T) {
	c := newTest(t, Options[*int]{})
	q, ctx := query(1), t.Context()
	c.Add(ctx, Key{Query: q}, new(int))
	if n := testing.AllocsPerRun(1000, func() { c.Get(ctx, Key{Query: q}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	k := Key{q, "a", "b"}
	c.Add(ctx, k, new(int))
	if n := testing.AllocsPerRun(1000, func() { c.Get(ctx, k) }); n != 0 {
		t.Errorf("%v allocations with all of the key", n)
	}
}

func TestStats(t *testing.T) {
	c := newTest(t, Options[int]{Capacity: 10})
	for i := range 20 {
		_, _ = c.Load(t.Context(), Key{Query: query(i % 10)}, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return i, nil })
	}
	_, _ = c.Load(t.Context(), Key{Query: "bad"}, func(context.Context) (int, error) { return 0, errors.New("no") })
	c.Get(t.Context(), Key{Query: query(3)})
	s := c.Stats()
	if s.Hits != 11 || s.Misses != 11 || s.Builds != 11 || s.BuildErrors != 1 || s.Len != 10 || s.HitRatio() != 0.5 || s.Saved < 9*time.Millisecond {
		t.Errorf("got %+v", s)
	}
	hot := c.Hot(1)
	if len(hot) != 1 || hot[0].Signature != "query Q3{user(id:0){name}}" || hot[0].Uses != 3 {
		t.Errorf("got %+v", hot)
	}
	if slow := c.Slow(5); len(slow) != 5 || slow[0].BuildTime < time.Millisecond {
		t.Errorf("got %+v", slow)
	}
	names := map[string]float64{}
	for m := range c.Metrics() {
		if m.Unit == "" || m.Help == "" {
			t.Errorf("got %+v", m)
		}
		for _, a := range m.Attrs {
			m.Name += " " + a.Value
		}
		names[m.Name] = m.Value
	}
	if names["gqlboost.plancache.lookups hit"] != 11 || names["gqlboost.plancache.builds error"] != 1 {
		t.Errorf("got %v", names)
	}
}
