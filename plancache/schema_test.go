package plancache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
)

// The plans that are used most are rebuilt first; what the new schema refuses, or the
// caller keeps, is not.
func TestSetSchema(t *testing.T) {
	c := newTest(t, Options[string]{Schema: "1"})
	for i := range 10 {
		c.Add(t.Context(), Key{Query: query(i)}, "1")
		for range i {
			c.Get(t.Context(), Key{Query: query(i)})
		}
	}
	var rebuilt []Key
	var progress []int
	err := c.SetSchema(t.Context(), "2", Switch[string]{
		Keep: func(k Key, _ string) bool { return k.Query == query(3) },
		Rebuild: func(ctx context.Context, k Key) (string, error) {
			rebuilt = append(rebuilt, k)
			switch k.Query {
			case query(9):
				return "", errors.New("refused")
			case query(8):
				panic("refused")
			}
			return SchemaVersion(ctx), nil
		},
		Most: 4, Concurrency: 1,
		Progress: func(done, total int) { progress = append(progress, done, total) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Key{{Query: query(9)}, {Query: query(8)}, {Query: query(7)}, {Query: query(6)}}; !slices.Equal(rebuilt, want) {
		t.Errorf("rebuilt %v", rebuilt)
	}
	if want := []int{1, 4, 2, 4, 3, 4, 4, 4}; !slices.Equal(progress, want) {
		t.Errorf("progress %v", progress)
	}
	for i := range 10 {
		want := map[int]string{3: "1", 6: "2", 7: "2"}[i]
		if got, _ := c.Get(t.Context(), Key{Query: query(i)}); got != want {
			t.Errorf("plan %d: got %q, want %q", i, got, want)
		}
	}
	if c.Schema() != "2" || c.Stats().Switches != 1 {
		t.Errorf("%q, %+v", c.Schema(), c.Stats())
	}
	// A plan for the old version is not taken.
	c.Add(WithSchema(t.Context(), "1"), Key{Query: "late"}, "old")
	if _, ok := c.Get(t.Context(), Key{Query: "late"}); ok {
		t.Error("an old plan was added")
	}
	if err := c.SetSchema(t.Context(), "2", Switch[string]{Rebuild: func(context.Context, Key) (string, error) { t.Error("rebuilt for nothing"); return "", nil }}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.SetSchema(ctx, "3", Switch[string]{Rebuild: func(context.Context, Key) (string, error) { return "", nil }}); !errors.Is(err, context.Canceled) || c.Schema() != "3" {
		t.Errorf("got %v, and the version is %s", err, c.Schema())
	}
}

// Under the load of 64 goroutines no plan is of an older version than was current, and
// the hit ratio does not fall.
func TestSwitchUnderLoad(t *testing.T) {
	c := newTest(t, Options[string]{Capacity: 200, Schema: "0"})
	var current, hits, calls, stale atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 9))
			zipf := rand.NewZipf(random, 1.2, 1, 150)
			for ctx.Err() == nil {
				q := query(int(zipf.Uint64()))
				before := current.Load()
				hit := true
				plan, err := c.Load(context.Background(), Key{Query: q}, func(ctx context.Context) (string, error) {
					hit = false
					time.Sleep(time.Millisecond)
					return SchemaVersion(ctx), nil
				})
				var version int64
				if _, e := fmt.Sscan(plan, &version); err != nil || e != nil || version < before {
					stale.Add(1)
				}
				calls.Add(1)
				if hit {
					hits.Add(1)
				}
				runtime.Gosched() // Builds must have their turn on a machine with few cores.
			}
		})
	}
	ratio := func() float64 {
		h, n := hits.Load(), calls.Load()
		wait.Until(t, "there are calls", func() bool { return calls.Load() >= n+1000 })
		return float64(hits.Load()-h) / float64(calls.Load()-n)
	}
	ratio() // The cache is filled.
	before, least := ratio(), 1.0
	for v := range int64(5) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			err := c.SetSchema(context.Background(), fmt.Sprint(v+1), Switch[string]{Rebuild: func(ctx context.Context, _ Key) (string, error) {
				time.Sleep(time.Millisecond)
				return SchemaVersion(ctx), nil
			}})
			if err != nil {
				t.Error(err)
			}
			current.Store(v + 1)
		}()
		for range 3 {
			least = min(least, ratio())
		}
		<-done
	}
	stop()
	wg.Wait()
	if stale.Load() > 0 {
		t.Errorf("%d stale plans", stale.Load())
	}
	t.Logf("hit ratio %.4f before, %.4f at least", before, least)
	if least < 0.95*before {
		t.Errorf("the hit ratio fell from %.3f to %.3f", before, least)
	}
}

// What is deleted while a change prepares plans is not in the new version either; and of
// changes that overlap the last one that began wins.
func TestChangesOverlap(t *testing.T) {
	for name, remove := range map[string]func(*Cache[string]){
		"delete": func(c *Cache[string]) { _ = c.Delete(context.Background(), Key{Query: "q"}) },
		"purge":  func(c *Cache[string]) { c.Purge() },
	} {
		for when := range 2 {
			c := newTest(t, Options[string]{Schema: "1"})
			for _, q := range []string{"p", "q", "r"} {
				c.Add(t.Context(), Key{Query: q}, "old")
			}
			c.Get(t.Context(), Key{Query: "q"}) // It is the first to be looked at.
			err := c.SetSchema(t.Context(), "2", Switch[string]{
				Keep: func(k Key, _ string) bool {
					if k.Query != "q" && when == 0 {
						remove(c) // behind it
					}
					return k.Query == "q" && when == 0
				},
				Rebuild: func(_ context.Context, k Key) (string, error) {
					if k.Query == "q" && when == 1 {
						remove(c)
					}
					return "new", nil
				},
			})
			if got, ok := c.Get(t.Context(), Key{Query: "q"}); ok || err != nil || c.Schema() != "2" {
				t.Errorf("%s, %d: %q has come back; %v", name, when, got, err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[string]{Schema: "1"})
		defer c.Close()
		c.Add(t.Context(), Key{Query: "q"}, "1")
		change := func(version string, takes time.Duration) {
			before := time.Now()
			err := c.SetSchema(t.Context(), version, Switch[string]{Rebuild: func(ctx context.Context, _ Key) (string, error) {
				time.Sleep(takes)
				return SchemaVersion(ctx), nil
			}})
			if err != nil || c.Schema() != "3" {
				t.Errorf("after the change to %s the schema is %s; %v", version, c.Schema(), err)
			}
			if took := time.Since(before); took > 2*time.Second {
				t.Errorf("the change to %s took %v", version, took)
			}
		}
		go change("2", time.Hour)
		synctest.Wait()
		change("3", time.Second)
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		if got, ok := c.Get(t.Context(), Key{Query: "q"}); got != "" && got != "3" || c.Stats().Switches != 1 {
			t.Errorf("got %q, %v after %d switches", got, ok, c.Stats().Switches)
		}
	})
}

// What another instance deletes while a change prepares plans is not in the new version either.
func TestDeletedElsewhereMeanwhile(t *testing.T) {
	key := Key{Query: "q"}
	for _, deleted := range []string{storeKey("2", key), storeKey("2", key)[:20] + "*", versionKey("2") + "*", "*"} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			c, err := New(Options[string]{Schema: "1", Invalidator: m})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Add(t.Context(), key, "old")
			err = c.SetSchema(t.Context(), "2", Switch[string]{Rebuild: func(context.Context, Key) (string, error) {
				err := m.Delete(t.Context(), deleted)
				time.Sleep(time.Second) // until all have heard of it
				return "new", err
			}})
			if got, ok := c.Get(t.Context(), key); ok || err != nil {
				t.Errorf("%q was deleted, and %q is there; %v", deleted, got, err)
			}
		})
	}
}

// What is deleted is remembered while a change prepares plans only, and not without bounds.
func TestDeletedKeysAreForgotten(t *testing.T) {
	c := newTest(t, Options[int]{Capacity: 10, Schema: "1"})
	deletes := func() {
		for i := range 2 * mostDeleted {
			_ = c.Delete(t.Context(), Key{Query: query(i)})
		}
	}
	key := Key{Query: "q"}
	c.Add(t.Context(), key, 1)
	err := c.SetSchema(t.Context(), "2", Switch[int]{Rebuild: func(context.Context, Key) (int, error) {
		deletes()
		if n := len(c.changes.pending.next.deleted); n > mostDeleted {
			t.Errorf("%d keys are remembered", n)
		}
		return 2, nil
	}})
	if _, ok := c.Get(t.Context(), key); ok || err != nil {
		t.Errorf("nobody knows whether it was deleted, and it is there; %v", err)
	}
	if deletes(); c.current.Load().deleted != nil {
		t.Errorf("%d keys are remembered", len(c.current.Load().deleted))
	}
}

func TestHashSchema(t *testing.T) {
	if a, b := HashSchema("type Query { a: Int } # x"), HashSchema("type Query {\n\ta: Int\n}"); a != b {
		t.Error("white space makes another version")
	}
	if HashSchema("type Query { a: Int }") == HashSchema("type Query { a: Int! }") {
		t.Error("another schema has the same version")
	}
}
