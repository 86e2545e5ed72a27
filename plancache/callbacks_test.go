package plancache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func planned(context.Context, Key) (string, error) { return "plan", nil }

// uses are the ways to use a cache that callbacks may choose from.
var uses = map[string]func(*Cache[string], int){
	"Add":    func(c *Cache[string], n int) { c.Add(context.Background(), Key{Query: query(n)}, "plan") },
	"Get":    func(c *Cache[string], n int) { c.Get(context.Background(), Key{Query: query(n)}) },
	"Delete": func(c *Cache[string], n int) { _ = c.Delete(context.Background(), Key{Query: query(n % 3)}) },
	"Purge":  func(c *Cache[string], _ int) { c.Purge() },
	"Load": func(c *Cache[string], n int) {
		_, _ = c.Load(context.Background(), Key{Query: query(n)}, func(context.Context) (string, error) { return "plan", nil })
	},
	"SetSchema": func(c *Cache[string], n int) {
		_ = c.SetSchema(context.Background(), fmt.Sprint(n), Switch[string]{Rebuild: planned})
	},
	"Warm": func(c *Cache[string], n int) {
		_, _ = c.Warm(context.Background(), slices.Values([]Key{{Query: query(n)}}), planned)
	},
	"Save":  func(c *Cache[string], _ int) { _ = c.Save(io.Discard) },
	"Stats": func(c *Cache[string], _ int) { _ = c.Stats(); c.Hot(3) },
	"Close": func(c *Cache[string], _ int) { _ = c.Close() },
}

// Whatever is done, and whatever a callback does meanwhile, all come to their end.
func TestCallbacksUseTheCache(t *testing.T) {
	for _, callback := range []string{"OnEvict", "OnError", "Weigh", "Expire", "Encode", "Build", "Rebuild", "Keep", "Progress"} {
		for outer, use := range uses {
			for inner, again := range uses {
				t.Run(callback+"/"+outer+"/"+inner, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { nest(t, callback, use, again) })
				})
			}
		}
	}
}

func nest(t *testing.T, callback string, use, again func(*Cache[string], int)) {
	var c *Cache[string]
	var left atomic.Int64
	left.Store(20)
	call := func(name string) {
		if name == callback && c != nil && left.Add(-1) > 0 {
			again(c, 100+int(left.Load()))
		}
	}
	c, err := New(Options[string]{
		Capacity: 3, Schema: "first", Codec: callingCodec(call),
		OnEvict: func(Key, string, Cause) { call("OnEvict") },
		OnError: func(error) { call("OnError") },
		Expire:  func(Key, string) time.Duration { call("Expire"); return 0 },
		Weigh: func(Key, string) int64 {
			call("Weigh")
			if callback == "OnError" {
				return -1
			}
			return 1
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c.Add(t.Context(), Key{Query: query(i)}, "plan")
	}
	use(c, 10)
	_, _ = c.Load(t.Context(), Key{Query: query(11)}, func(context.Context) (string, error) { call("Build"); return "plan", nil })
	_ = c.SetSchema(t.Context(), "second", Switch[string]{
		Keep:     func(Key, string) bool { call("Keep"); return false },
		Rebuild:  func(context.Context, Key) (string, error) { call("Rebuild"); return "plan", nil },
		Progress: func(int, int) { call("Progress") },
	})
	if c.ctx.Err() == nil {
		c.Add(t.Context(), Key{Query: query(12)}, "plan")
		if _, ok := c.Get(t.Context(), Key{Query: query(12)}); !ok && callback == "" {
			t.Error("the cache does not work any more")
		}
	}
	_ = c.Close()
	time.Sleep(time.Minute) // All that is late ends.
}

type callingCodec func(string)

func (call callingCodec) Encode(p string) ([]byte, error) { call("Encode"); return []byte(p), nil }
func (call callingCodec) Decode(b []byte) (string, error) { call("Decode"); return string(b), nil }

// A callback that panics, or ends its goroutine, harms nobody: the caller gets an answer,
// the error is reported, and the next plan is cached.
func TestCallbacksPanic(t *testing.T) {
	for _, name := range []string{"OnEvict", "OnError", "Weigh", "Expire", "Encode", "Decode", "Get", "Set", "Delete", "Watch", "Build", "Rebuild", "Keep", "Progress"} {
		for how, end := range map[string]func(){"panic": func() { panic("no") }, "exit": runtime.Goexit} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { failing(t, name, end) })
			})
		}
	}
}

func failing(t *testing.T, name string, end func()) {
	var armed atomic.Bool
	call := func(n string) {
		if n == name && armed.Load() {
			end()
		}
	}
	var reported atomic.Int64
	c, err := New(Options[string]{
		Capacity: 3, Schema: "first", Codec: callingCodec(call), Store: callingStore{newMemory(), call},
		OnEvict: func(Key, string, Cause) { call("OnEvict") },
		OnError: func(error) { reported.Add(1); call("OnError") },
		Weigh:   func(Key, string) int64 { call("Weigh"); return 1 },
		Expire:  func(Key, string) time.Duration { call("Expire"); return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	armed.Store(true)
	// alone runs what a callback may end on a goroutine of its own.
	alone := func(f func()) {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}
	load := func(i int) {
		got, err := c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (string, error) { call("Build"); return "plan", nil })
		if (err != nil || got != "plan") && name != "Build" {
			t.Errorf("Load: %q, %v", got, err)
		}
	}
	for i := range 10 {
		load(i)
		load(i)
		_ = c.Delete(t.Context(), Key{Query: query(i - 5)})
	}
	time.Sleep(time.Minute) // All is shared.
	c.Purge()
	load(9) // from the second level
	alone(func() { _ = c.Save(io.Discard) })
	_ = c.SetSchema(t.Context(), "second", Switch[string]{
		Keep:     func(Key, string) bool { call("Keep"); return false },
		Rebuild:  func(context.Context, Key) (string, error) { call("Rebuild"); return "plan", nil },
		Progress: func(int, int) { call("Progress") },
	})
	for i := range 10 {
		alone(func() { c.Add(t.Context(), Key{Query: query(20 + i)}, "plan") })
	}
	armed.Store(false)
	if c.Schema() != "second" {
		t.Errorf("the schema is %q", c.Schema())
	}
	time.Sleep(time.Minute) // for the breaker
	c.Add(t.Context(), Key{Query: "{ last }"}, "plan")
	if got, ok := c.Get(t.Context(), Key{Query: "{ last }"}); !ok || got != "plan" {
		t.Error("the cache does not work any more")
	}
	synctest.Wait()
	silent := name == "Build" || name == "Rebuild" || name == "OnError" || name == "Watch"
	if !silent && (reported.Load() == 0 || c.Stats().Errors == 0) {
		t.Errorf("%d errors were reported, Stats has %d", reported.Load(), c.Stats().Errors)
	}
}

// callingStore calls a function before each call.
type callingStore struct {
	*memory
	call func(string)
}

func (s callingStore) Get(ctx context.Context, key string) ([]byte, error) {
	s.call("Get")
	return s.memory.Get(ctx, key)
}
func (s callingStore) Set(ctx context.Context, key string, v []byte, ttl time.Duration) error {
	s.call("Set")
	return s.memory.Set(ctx, key, v, ttl)
}
func (s callingStore) Delete(ctx context.Context, key string) error {
	s.call("Delete")
	return s.memory.Delete(ctx, key)
}
func (s callingStore) Watch(ctx context.Context) (<-chan string, error) {
	s.call("Watch")
	return s.memory.Watch(ctx)
}

// OnEvict that blocks costs a caller 50 ms at most, whatever it asks for, and memory for as
// much as the cache may hold.
func TestOnEvictBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var called atomic.Int64
		c, err := New(Options[string]{
			Bytes: 100_000, Weigh: func(Key, string) int64 { return 10_000 },
			OnEvict: func(Key, string, Cause) { called.Add(1); <-release },
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 1000 {
			if _, err := c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (string, error) { return "plan", nil }); err != nil {
				t.Error(err)
			}
		}
		if err := c.SetSchema(t.Context(), "2", Switch[string]{}); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > notePatience {
			t.Errorf("callers have waited for %v", took)
		}
		s := c.Stats()
		if s.Evictions < 900 || called.Load() != 1 || c.notes.weight > 3*c.options.Bytes || s.Untold < 900 {
			t.Errorf("%+v; %d calls, %d bytes wait", s, called.Load(), c.notes.weight)
		}
		start = time.Now()
		if err := c.Close(); err == nil || time.Since(start) != closePatience {
			t.Errorf("closed after %v: %v", time.Since(start), err)
		}
		close(release)
		synctest.Wait()
		if s := c.Stats(); uint64(called.Load())+s.Untold != s.Evictions+s.Removed+c.counts.left[Outdated].Load() {
			t.Errorf("%d calls, %d untold; %+v", called.Load(), s.Untold, s)
		}
	})
}

// A second level that ignores its contexts costs each caller StoreTimeout at most, and a
// bounded number of goroutines.
func TestStoreBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var blocked atomic.Int64
		store := callingStore{newMemory(), func(string) { blocked.Add(1); <-release }}
		start := time.Now()
		c, err := New(Options[string]{Codec: jsonCodec[string]{}, Store: store, StoreTimeout: 20 * time.Millisecond})
		if err != nil || time.Since(start) > 20*time.Millisecond {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		for i := range 2000 {
			start := time.Now()
			got, err := c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (string, error) { return "plan", nil })
			if took := time.Since(start); err != nil || got != "plan" || took > 20*time.Millisecond {
				t.Fatalf("after %v: %q, %v", took, got, err)
			}
			start = time.Now()
			_ = c.Delete(t.Context(), Key{Query: query(i)})
			if took := time.Since(start); took > 20*time.Millisecond {
				t.Fatalf("deleted after %v", took)
			}
			time.Sleep(time.Second)
		}
		if n := blocked.Load(); n > mostAbandoned+5 {
			t.Errorf("%d calls hang", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := c.InvalidateSchema(ctx, ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		start = time.Now()
		if err := c.Close(); err != nil || time.Since(start) > 20*time.Millisecond {
			t.Errorf("closed after %v: %v", time.Since(start), err)
		}
		close(release)
	})
}

// A build that ignores its context keeps Close waiting for a second, and callers for as long
// as their contexts.
func TestBuildBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[string]{})
		release := make(chan struct{})
		build := func(context.Context) (string, error) { <-release; return "plan", nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Load(ctx, Key{Query: "q"}, build); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		c.Add(t.Context(), Key{Query: "q"}, "plan")
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := c.SetSchema(ctx, "2", Switch[string]{Rebuild: func(ctx context.Context, _ Key) (string, error) { return build(ctx) }})
		if !errors.Is(err, context.DeadlineExceeded) || c.Schema() != "2" {
			t.Errorf("%v, and the schema is %q", err, c.Schema())
		}
		if err := c.Close(); err == nil {
			t.Error("no error")
		}
		close(release)
	})
}

// A build that waits for itself, alone or by way of others, gets an error.
func TestCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[string]{})
		defer c.Close()
		other, _ := New(Options[string]{})
		defer other.Close()
		var load func(ctx context.Context, i int) (string, error)
		load = func(ctx context.Context, i int) (string, error) {
			in := c
			if i%2 == 1 {
				in = other
			}
			return in.Load(ctx, Key{Query: query(i)}, func(ctx context.Context) (string, error) {
				time.Sleep(time.Second) // so that all have begun
				return load(ctx, (i+1)%5)
			})
		}
		for _, starts := range [][]int{{0}, {0, 1, 2, 3, 4}, {4, 2}} {
			for _, i := range starts {
				go func() {
					if _, err := load(t.Context(), i); !errors.Is(err, ErrCycle) {
						t.Errorf("%v: %v", starts, err)
					}
				}()
			}
			time.Sleep(time.Hour)
		}
		// Nested builds that do not wait for themselves work.
		got, err := c.Load(t.Context(), Key{Query: "a"}, func(ctx context.Context) (string, error) {
			b, err := c.Load(ctx, Key{Query: "b"}, func(ctx context.Context) (string, error) { return "b", nil })
			return "a" + b, err
		})
		if got != "ab" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// Invalid weights keep a plan out, and the older one goes as well: it must not be
// found in place of the new one. Sums do not overflow.
func TestWeights(t *testing.T) {
	var weight atomic.Int64
	var reported []error
	c := newTest(t, Options[string]{
		Bytes: math.MaxInt64, Weigh: func(Key, string) int64 { return weight.Load() }, OnError: func(err error) { reported = append(reported, err) },
	})
	c.Add(t.Context(), Key{Query: "q"}, "old")
	weight.Store(-1)
	c.Add(t.Context(), Key{Query: "q"}, "new")
	if got, ok := c.Get(t.Context(), Key{Query: "q"}); ok || len(reported) != 1 || !strings.Contains(reported[0].Error(), "-1") {
		t.Errorf("got %q, %v", got, reported)
	}
	for _, w := range []int64{0, 1, math.MaxInt64, math.MaxInt64 - 1, 1 << 62, math.MinInt64} {
		weight.Store(w)
		for i := range 20 {
			c.Add(t.Context(), Key{Query: query(i)}, "plan")
			if _, ok := c.Get(t.Context(), Key{Query: query(i)}); ok != (w >= 0) {
				t.Errorf("weight %d: %v", w, ok)
			}
		}
		if p := &c.current.Load().policy; p.weight < 0 || p.weight > p.bytes && c.Len() > 1 {
			t.Errorf("weight %d: the sum is %d", w, p.weight)
		}
		if w == 0 && c.Len() != 20 {
			t.Errorf("%d plans without weight", c.Len())
		}
	}
	// What weighs nothing has a bound as well.
	c = newTest(t, Options[string]{Bytes: 100_000, Weigh: func(Key, string) int64 { return 0 }})
	for i := range 10_000 {
		c.Add(t.Context(), Key{Query: fmt.Sprint(i)}, "plan")
	}
	if n := c.Len(); n > 100_000/entryWeight {
		t.Errorf("%d plans without weight in 100 kB", n)
	}
}

// A plan whose time is over when it comes in takes the place of the older one, and is not found.
func TestOverBeforeItComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var causes []Cause
		c, err := New(Options[string]{
			Bytes: 1 << 20, Weigh: func(Key, string) int64 { time.Sleep(time.Second); return 1 },
			Expire: func(_ Key, p string) time.Duration {
				return map[string]time.Duration{"old": time.Hour, "new": time.Millisecond}[p]
			},
			OnEvict: func(_ Key, _ string, cause Cause) { causes = append(causes, cause) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Add(t.Context(), Key{Query: "q"}, "old")
		c.Add(t.Context(), Key{Query: "q"}, "new")
		if got, ok := c.Get(t.Context(), Key{Query: "q"}); ok || !slices.Equal(causes, []Cause{Replaced}) {
			t.Errorf("got %q; left by %v", got, causes)
		}
	})
}

// Invalid times to live keep a plan out.
func TestExpireNonsense(t *testing.T) {
	c := newTest(t, Options[int64]{Expire: func(_ Key, p int64) time.Duration { return time.Duration(p) }})
	for _, ttl := range []int64{-2, math.MinInt64} {
		c.Add(t.Context(), Key{Query: "q"}, int64(Forever))
		c.Add(t.Context(), Key{Query: "q"}, ttl)
		if got, ok := c.Get(t.Context(), Key{Query: "q"}); ok {
			t.Errorf("got %d", got)
		}
	}
	c.Add(t.Context(), Key{Query: "q"}, math.MaxInt64)
	if _, ok := c.Get(t.Context(), Key{Query: "q"}); !ok {
		t.Error("a plan for 292 years is not there")
	}
}
