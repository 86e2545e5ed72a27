package dataloader_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader"
	"go.uber.org/goleak"
)

// tenant is a scope.
type tenant string

type tenantKey struct{}

func (s tenant) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, tenantKey{}, s)
}

func tenantOf(ctx context.Context) tenant { s, _ := ctx.Value(tenantKey{}).(tenant); return s }

// gated is a fetch that waits, and counts.
type gated struct {
	mu      sync.Mutex
	calls   [][]int
	release chan struct{}
}

func newGated() *gated { return &gated{release: make(chan struct{})} }

func (g *gated) fetch(ctx context.Context, keys []int) (map[int]string, error) {
	g.mu.Lock()
	g.calls = append(g.calls, slices.Sorted(slices.Values(keys)))
	g.mu.Unlock()
	select {
	case <-g.release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	values := map[int]string{}
	for _, k := range keys {
		values[k] = fmt.Sprint(tenantOf(ctx), k)
	}
	return values, nil
}

func (g *gated) seen() [][]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

// Calls that come while one runs are one call, and each caller has its own keys.
func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		merged := dataloader.Merge(g.fetch, tenantOf, dataloader.MergeOptions{})
		got := make([]map[int]string, 5)
		var all sync.WaitGroup
		load := func(i int, scope tenant, keys ...int) {
			all.Go(func() {
				var err error
				if got[i], err = merged(scope.In(t.Context()), keys); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		load(0, "a", 1, 2)
		load(1, "a", 2, 3)
		load(2, "a", 3, 4)
		load(3, "b", 1, 3)
		load(4, "a")
		if want := [][]int{{1, 2}, {1, 3}}; !reflect.DeepEqual(g.seen(), want) {
			t.Errorf("fetches of %v, want %v", g.seen(), want)
		}
		close(g.release)
		all.Wait()
		if want := [][]int{{1, 2}, {1, 3}, {2, 3, 4}}; !reflect.DeepEqual(g.seen(), want) {
			t.Errorf("fetches of %v, want %v", g.seen(), want)
		}
		want := []map[int]string{{1: "a1", 2: "a2"}, {2: "a2", 3: "a3"}, {3: "a3", 4: "a4"}, {1: "b1", 3: "b3"}, {}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		// Nothing is left of the past: the next call begins at once.
		if got, err := merged(t.Context(), []int{9}); err != nil || got[9] != "9" {
			t.Error(got, err)
		}
	})
}

// A fetch sees its scope, and nothing else of the request, be it merged or not.
func TestMergeHidesValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type secret struct{}
		block := make(chan struct{})
		calls := 0
		merged := dataloader.Merge(func(ctx context.Context, _ []int) (map[int]string, error) {
			if ctx.Value(secret{}) != nil {
				t.Error("the fetch sees a value of a request")
			}
			if tenantOf(ctx) != "a" {
				t.Errorf("the scope is %q", tenantOf(ctx))
			}
			calls++
			<-block
			return nil, nil
		}, tenantOf, dataloader.MergeOptions{})
		ctx := context.WithValue(tenant("a").In(t.Context()), secret{}, 1)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _, _ = merged(ctx, []int{1}) })
			synctest.Wait()
		}
		close(block)
		all.Wait()
		if calls != 2 {
			t.Errorf("%d calls, want 2", calls)
		}
	})
}

// The context of one caller ends: with it goes what nobody else waits for, and nothing more.
func TestMergeGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		merged := dataloader.Merge(g.fetch, dataloader.AnyoneOf, dataloader.MergeOptions{})
		var all sync.WaitGroup
		load := func(key int, want error) context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			all.Go(func() {
				if _, err := merged(ctx, []int{key}); !errors.Is(err, want) {
					t.Errorf("key %d: %v, want %v", key, err, want)
				}
			})
			synctest.Wait()
			return cancel
		}
		first, second, third := load(1, context.Canceled), load(2, context.Canceled), load(3, nil)
		defer third()
		second() // Key 3 still waits, and nobody else.
		synctest.Wait()
		first()
		synctest.Wait() // Its call begins.
		if want := [][]int{{1}, {3}}; !reflect.DeepEqual(g.seen(), want) {
			t.Errorf("fetches of %v, want %v", g.seen(), want)
		}
		fourth := load(4, context.Canceled)
		fourth() // Nobody waits with it: it is not called for.
		synctest.Wait()
		defer load(5, nil)()
		close(g.release)
		all.Wait()
		if want := [][]int{{1}, {3}, {5}}; !reflect.DeepEqual(g.seen(), want) {
			t.Errorf("fetches of %v, want %v", g.seen(), want)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := merged(ended, []int{6}); !errors.Is(err, context.Canceled) || len(g.seen()) != 3 {
			t.Error(err, g.seen())
		}
	})
}

// All callers of a running call give up: its context ends.
func TestMergeAllGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		merged := dataloader.Merge(g.fetch, dataloader.AnyoneOf, dataloader.MergeOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		for key := range 3 {
			go func() { _, _ = merged(ctx, []int{key}) }()
			synctest.Wait()
		}
		time.Sleep(time.Second) // All of them run.
		cancel()
		synctest.Wait() // And all end, or synctest would complain.
		if want := [][]int{{0}, {1, 2}}; !reflect.DeepEqual(g.seen(), want) {
			t.Errorf("fetches of %v, want %v", g.seen(), want)
		}
	})
}

// A call that hangs delays others by MaxWait, and never more.
func TestMergeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		merged := dataloader.Merge(func(_ context.Context, keys []int) (map[int]int, error) {
			if slices.Contains(keys, 0) {
				<-stuck
			}
			return map[int]int{keys[0]: 1}, nil
		}, dataloader.AnyoneOf, dataloader.MergeOptions{MaxWait: 7 * time.Millisecond})
		var all sync.WaitGroup
		all.Go(func() { _, _ = merged(t.Context(), []int{0}) })
		synctest.Wait()
		for range 3 {
			start := time.Now()
			got, err := merged(t.Context(), []int{1})
			if took := time.Since(start); err != nil || got[1] != 1 || took > 7*time.Millisecond {
				t.Errorf("%v, %v after %v", got, err, took)
			}
		}
		close(stuck)
		all.Wait()
	})
}

// A call never has more keys of several callers than MaxBatch.
func TestMergeMaxBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		merged := dataloader.Merge(g.fetch, dataloader.AnyoneOf, dataloader.MergeOptions{MaxBatch: 5})
		var all sync.WaitGroup
		for i, n := range []int{1, 3, 2, 2, 9, 1} {
			keys := make([]int, n)
			for j := range keys {
				keys[j] = 100*i + j
			}
			all.Go(func() {
				if got, err := merged(t.Context(), keys); err != nil || len(got) != n {
					t.Error(got, err)
				}
			})
			synctest.Wait()
		}
		close(g.release)
		all.Wait()
		want := [][]int{{0}, {100, 101, 102, 200, 201}, {300, 301}, {400, 401, 402, 403, 404, 405, 406, 407, 408}, {500}}
		got := g.seen()
		slices.SortFunc(got, slices.Compare)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("fetches of %v, want %v", got, want)
		}
	})
}

// What fails for one request is not another one's: each gets what it would have got alone.
func TestMergeFailsApart(t *testing.T) {
	failures := map[string]func() (map[int]string, error){
		"error": func() (map[int]string, error) { return nil, errors.New("bad key") },
		"panic": func() (map[int]string, error) { panic("bad key") },
		"exit":  func() (map[int]string, error) { runtime.Goexit(); return nil, nil },
		"value and error": func() (map[int]string, error) {
			return map[int]string{13: "x"}, errors.Join(dataloader.KeyErrors[int]{13: errors.New("one")}, errors.New("bad key"))
		},
		"key": func() (map[int]string, error) {
			return map[int]string{1: "fine", 2: "fine"}, fmt.Errorf("wrapped: %w", dataloader.KeyErrors[int]{13: errors.New("bad key")})
		},
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := make(chan struct{})
				fetch := func(_ context.Context, keys []int) (map[int]string, error) {
					<-first
					if slices.Contains(keys, 13) {
						return fail()
					}
					values := map[int]string{}
					for _, k := range keys {
						values[k] = "fine"
					}
					return values, nil
				}
				merged := dataloader.Merge(fetch, dataloader.AnyoneOf, dataloader.MergeOptions{})
				var all sync.WaitGroup
				for _, key := range []int{0, 1, 13, 2} {
					all.Go(func() {
						value, err := dataloader.New(merged, dataloader.Options{}).Load(t.Context(), key)
						if key != 13 && (value != "fine" || err != nil) {
							t.Errorf("key %d: %q, %v", key, value, err)
						}
						if key == 13 && (err == nil || name != "exit" && name != "value and error" && !strings.Contains(err.Error(), "bad key")) {
							t.Errorf("key 13: %q, %v", value, err)
						}
					})
					synctest.Wait()
				}
				close(first)
				all.Wait()
			})
		})
	}
}

// Keys and scopes that no map can have are refused.
func TestMergeUnhashable(t *testing.T) {
	merged := dataloader.Merge(func(context.Context, []any) (map[any]int, error) { return nil, nil }, dataloader.AnyoneOf,
		dataloader.MergeOptions{})
	if _, err := merged(t.Context(), []any{1, []int{2}}); err == nil || !strings.Contains(err.Error(), "unhashable") {
		t.Error(err)
	}
	if _, err := merged(t.Context(), []any{1, math.NaN()}); err != nil {
		t.Error(err)
	}
	odd := dataloader.Merge(func(context.Context, []int) (map[int]int, error) { return nil, nil },
		func(context.Context) weight { return weight(math.NaN()) }, dataloader.MergeOptions{})
	for range 2 {
		if _, err := odd(t.Context(), []int{1}); err != nil {
			t.Error(err)
		}
	}
}

// weight is a scope that may be unlike itself.
type weight float64

func (weight) In(ctx context.Context) context.Context { return ctx }

// Nothing is nil.
func TestMergeNil(t *testing.T) {
	fetch := func(context.Context, []int) (map[int]int, error) { return nil, nil }
	for name, f := range map[string]func(){
		"fetch": func() { dataloader.Merge[int, int](nil, tenantOf, dataloader.MergeOptions{}) },
		"scope": func() { dataloader.Merge[int, int, tenant](fetch, nil, dataloader.MergeOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it does not panic")
				}
			}()
			f()
		})
	}
}

// versions is a database whose values only grow, with a tenant each.
type versions struct {
	mu     sync.Mutex
	values map[string]int // by tenant and key
	calls  atomic.Int64
}

func (*versions) name(s tenant, key int) string { return fmt.Sprint(s, " ", key) }

func (d *versions) write(s tenant, key int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.values[d.name(s, key)]++
	return d.values[d.name(s, key)]
}

func (d *versions) fetch(ctx context.Context, keys []int) (map[int]string, error) {
	d.calls.Add(1)
	s, values := tenantOf(ctx), map[int]string{}
	d.mu.Lock()
	for _, k := range keys {
		values[k] = fmt.Sprint(s, " ", k, " ", d.values[d.name(s, k)])
	}
	d.mu.Unlock()
	time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond) // The answer is on its way.
	if rand.IntN(50) == 0 {
		return nil, errors.New("lost")
	}
	return values, nil
}

// Requests of several tenants write and read: each sees its own tenant's values only, and never
// an older one than it has written or read before.
func TestMergeReadsOwnWrites(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := &versions{values: map[string]int{}}
	merged := dataloader.Merge(d.fetch, tenantOf, dataloader.MergeOptions{MaxWait: time.Millisecond})
	var all sync.WaitGroup
	var loads atomic.Int64
	for g := range 24 {
		all.Go(func() {
			s := tenant(fmt.Sprint("t", g%3))
			ctx := s.In(t.Context())
			least := map[int]int{}
			for range 300 {
				for key := range 8 {
					if rand.IntN(4) == 0 {
						least[key] = max(least[key], d.write(s, key))
					}
				}
				if rand.IntN(10) == 0 {
					gone, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(300))*time.Microsecond)
					_, _ = merged(gone, []int{1, 2})
					cancel()
				}
				keys := rand.Perm(8)[:1+rand.IntN(8)]
				loads.Add(1)
				values, err := merged(ctx, keys)
				if err != nil {
					continue
				}
				if len(values) != len(keys) {
					t.Errorf("%d values of %d keys", len(values), len(keys))
				}
				for key, value := range maps.All(values) {
					var of tenant
					var k, version int
					if _, err := fmt.Sscan(value, &of, &k, &version); err != nil || of != s || k != key || version < least[key] {
						t.Errorf("%s: key %d is %q, %v, want at least version %d", s, key, value, err, least[key])
					}
					least[key] = max(least[key], version)
				}
			}
		})
	}
	all.Wait()
	if d.calls.Load() >= loads.Load() {
		t.Errorf("%d calls for %d loads: nothing was merged", d.calls.Load(), loads.Load())
	}
}
