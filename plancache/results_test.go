package plancache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestResults(t *testing.T) {
	r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var fills atomic.Int64
	load := func(user string, fill func()) string {
		t.Helper()
		data, err := r.Load(t.Context(), ResultKey{Query: "{me}", Variables: []byte("{}"), Extra: user}, func(context.Context) ([]byte, []string, error) {
			n := fills.Add(1)
			if fill != nil {
				fill()
			}
			return fmt.Append(nil, user, n), []string{"user:" + user, "all"}, nil
		})
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	for range 3 {
		if a, b := load("a", nil), load("b", nil); a != "a1" || b != "b2" {
			t.Errorf("got %q, %q", a, b)
		}
	}
	r.Invalidate(t.Context(), "user:a")
	if a, b := load("a", nil), load("b", nil); a != "a3" || b != "b2" {
		t.Errorf("got %q, %q", a, b)
	}
	r.Invalidate(t.Context(), "all")
	if a, b := load("a", nil), load("b", nil); a != "a4" || b != "b5" {
		t.Errorf("got %q, %q", a, b)
	}
	// What is invalidated while it is made is given to who asked before, and not kept.
	r.Invalidate(t.Context(), "user:a")
	if a := load("a", func() { r.Invalidate(t.Context(), "user:a") }); a != "a6" {
		t.Errorf("got %q", a)
	}
	if a := load("a", nil); a != "a7" {
		t.Errorf("got %q", a)
	}
	if _, ok := r.Get(ResultKey{Query: "{me}", Variables: []byte("{}")}); ok {
		t.Error("a result of nobody")
	}
	if _, err := r.Load(t.Context(), ResultKey{}, func(context.Context) ([]byte, []string, error) { panic("no") }); err == nil {
		t.Error("no error")
	}
	var wg sync.WaitGroup
	before := fills.Load()
	for range 50 {
		wg.Go(func() { load("c", func() { time.Sleep(20 * time.Millisecond) }) })
	}
	wg.Wait()
	if n := fills.Load() - before; n != 1 {
		t.Errorf("%d fills", n)
	}
	for i := range maxTags + 1 {
		r.Invalidate(t.Context(), fmt.Sprint("tag", i))
	}
	if len(r.tags.last) > maxTags {
		t.Errorf("%d tags are remembered", len(r.tags.last))
	}
	if _, ok := r.Get(ResultKey{Query: "{me}", Variables: []byte("{}"), Extra: "c"}); ok {
		t.Error("it is older than the tags that are remembered")
	}
	big := bytes.Repeat([]byte("x"), 10_000)
	for i := range 1000 {
		key := ResultKey{Query: fmt.Sprint(i)}
		if _, err := r.Load(t.Context(), key, func(context.Context) ([]byte, []string, error) { return big, nil, nil }); err != nil {
			t.Error(err)
		}
		if _, ok := r.Get(key); !ok {
			t.Fatalf("result %d is not there", i)
		}
	}
}

// What one cache invalidates, all that share the Invalidator lose: also what is being made,
// what was invalidated while a cache began to listen or was cut off, and what the plans'
// second level carries.
func TestResultsOfAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		plans, _ := New(Options[string]{Codec: jsonCodec[string]{}, Store: m})
		defer plans.Close()
		plans.Add(t.Context(), Key{Query: "{ plan }"}, "plan")
		var list []*Results
		for _, setup := range []time.Duration{0, time.Second} {
			m.slow.Store(int64(setup))
			r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: m})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			list = append(list, r)
		}
		m.slow.Store(0)
		var version, took atomic.Int64
		load := func(r *Results, tag string) int64 {
			t.Helper()
			data, err := r.Load(t.Context(), ResultKey{Query: tag}, func(context.Context) ([]byte, []string, error) {
				seen := version.Load()
				time.Sleep(time.Duration(took.Load()))
				return fmt.Append(nil, seen), []string{tag, "all"}, nil
			})
			if err != nil {
				t.Error(err)
			}
			var seen int64
			fmt.Sscan(string(data), &seen)
			return seen
		}
		check := func(what, tag string, want int64) {
			t.Helper()
			synctest.Wait()
			for i, r := range list {
				if got := load(r, tag); got != want {
					t.Errorf("%s: cache %d has version %d, want %d", what, i, got, want)
				}
			}
		}
		check("at first", "a", 0)
		version.Store(1)
		list[0].Invalidate(t.Context(), "a") // The other one does not listen yet.
		time.Sleep(2 * time.Second)
		check("while one begins to listen", "a", 1)
		check("before", "b", 1)
		version.Store(2)
		if err := list[1].Invalidate(t.Context(), "a", "c"); err != nil {
			t.Error(err)
		}
		check("when both listen", "a", 2)
		check("another tag", "b", 1)

		// While it is made.
		took.Store(int64(time.Second))
		go load(list[0], "slow")
		time.Sleep(time.Millisecond)
		version.Store(3)
		list[1].Invalidate(t.Context(), "slow")
		time.Sleep(2 * time.Second)
		took.Store(0)
		check("while it is made", "slow", 3)

		version.Store(4)
		m.cut(nil)
		time.Sleep(time.Minute)
		check("after it was cut off", "a", 4)

		version.Store(5)
		if err := m.Delete(t.Context(), "*"); err != nil { // as a migration does
			t.Error(err)
		}
		check("all", "b", 5)
		plans.Add(t.Context(), Key{Query: "{ plan }"}, "plan")
		list[0].Invalidate(t.Context(), "b")
		synctest.Wait()
		if _, ok := plans.Get(t.Context(), Key{Query: "{ plan }"}); !ok {
			t.Error("a tag has ended a plan")
		}

		// Without the Invalidator it still ends here, and the failure is reported.
		m.broken.Store(true)
		version.Store(6)
		if err := list[0].Invalidate(t.Context(), "b"); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		if got := load(list[0], "b"); got != 6 {
			t.Errorf("version %d", got)
		}
	})
}

// An Invalidator that ignores its context costs StoreTimeout, and fill ends when nobody
// waits for it.
func TestResultsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		store := callingStore{newMemory(), func(string) { <-release }}
		var reported atomic.Int64
		start := time.Now()
		r, err := NewResults(ResultsOptions{
			Bytes: 1 << 20, TTL: time.Hour, Invalidator: store, OnError: func(error) { reported.Add(1); <-release },
		})
		if err != nil {
			t.Fatal(err)
		}
		r.Invalidate(t.Context(), "a", "b")
		if took := time.Since(start); took > 3*defaultStoreTimeout || reported.Load() == 0 {
			t.Errorf("%v, %d errors", took, reported.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var ended error
		_, err = r.Load(ctx, ResultKey{}, func(ctx context.Context) ([]byte, []string, error) {
			<-ctx.Done()
			ended = ctx.Err()
			return nil, nil, ctx.Err()
		})
		synctest.Wait()
		if !errors.Is(err, context.DeadlineExceeded) || ended == nil {
			t.Errorf("%v, %v", err, ended)
		}
		_, err = r.Load(t.Context(), ResultKey{}, func(ctx context.Context) ([]byte, []string, error) {
			_, err := r.Load(ctx, ResultKey{}, func(context.Context) ([]byte, []string, error) { return nil, nil, nil })
			return nil, nil, err
		})
		if !errors.Is(err, ErrCycle) {
			t.Errorf("got %v", err)
		}
		big := func(context.Context) ([]byte, []string, error) { return make([]byte, 2<<20), nil, nil }
		if _, err := r.Load(t.Context(), ResultKey{Query: "big"}, big); err != nil {
			t.Error(err)
		}
		if _, ok := r.Get(ResultKey{Query: "big"}); ok {
			t.Error("a result that is larger than the bound is kept")
		}
		names := map[string]float64{}
		for m := range r.Metrics() {
			names[m.Name] += m.Value
		}
		if names["gqlboost.results.fills"] != 3 || names["gqlboost.results.errors"] == 0 {
			t.Errorf("got %v", names)
		}
		if err := r.Close(); err == nil {
			t.Error("closed, though OnError blocks")
		}
		close(release)
	})
}

// held returns how many bytes are in memory.
func (l *large[V]) held() int64 {
	l.main.Wait()
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bytes + l.main.MaxCost() - l.main.RemainingCost()
}

// Bytes bounds the results whatever their sizes, and counts what their slices hold. A large one is
// kept where there is room.
func TestResultsStayInBytes(t *testing.T) {
	const limit = 1 << 20
	r, err := NewResults(ResultsOptions{Bytes: limit, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	load := func(query string, length, capacity int) {
		t.Helper()
		fill := func(context.Context) ([]byte, []string, error) { return make([]byte, length, capacity), nil, nil }
		r.Purge() // so that it is made
		if data, err := r.Load(t.Context(), ResultKey{Query: query}, fill); err != nil || len(data) != length {
			t.Errorf("%s: %d bytes, %v", query, len(data), err)
		}
		if held := r.values.held(); held > limit {
			t.Errorf("after %s: %d bytes are held of %d", query, held, limit)
		}
	}
	load("large", 300<<10, 300<<10)
	if _, ok := r.Get(ResultKey{Query: "large"}); !ok {
		t.Error("there is room, and a large one is not kept")
	}
	for i := range 400 {
		load(fmt.Sprint("small", i), 6<<10, 6<<10)
		load(fmt.Sprint("with room", i), 10, 6<<10)
	}
	for i := range 20 {
		load("changing", 300<<10, 300<<10)
		load("changing", 1<<10, 1<<10)
		load(fmt.Sprint("huge", i), 900<<10, 900<<10)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		size := 1 << random.IntN(21)
		load(fmt.Sprint(random.IntN(100)), random.IntN(size+1), size)
	}
	if n := len(r.values.queue); n != len(r.values.front) {
		t.Errorf("%d keys in the queue of %d values", n, len(r.values.front))
	}
}

// What has just been put in is in the front, also in place of the oldest value there.
func TestLargerValueStaysInFront(t *testing.T) {
	l, err := newLarge[int](1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.put("a", 1, 30_000, 0)
	l.put("b", 2, 30_000, 0)
	l.put("a", 3, 40_000, 0)
	if one, ok := l.front["a"]; !ok || one.value != 3 || len(l.front) != 1 || len(l.queue) != 1 {
		t.Errorf("%v of %v in the front", l.queue, l.front)
	}
}

// A request that is over starts no fill.
func TestResultsOfARequestThatIsOver(t *testing.T) {
	r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Load(ctx, ResultKey{Query: "q"}, func(context.Context) ([]byte, []string, error) { return nil, nil, nil })
	if err := r.Close(); err != nil { // It waits for fills.
		t.Error(err)
	}
	if !errors.Is(err, context.Canceled) || r.fills.Load() != 0 {
		t.Errorf("%v, %d fills", err, r.fills.Load())
	}
}

// Results that are too large leave nothing behind, also in place of smaller ones.
func TestResultsThatAreTooLarge(t *testing.T) {
	r, err := NewResults(ResultsOptions{Bytes: 64 << 10, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	load := func(key ResultKey, size int) {
		t.Helper()
		fill := func(context.Context) ([]byte, []string, error) { return make([]byte, size), nil, nil }
		if data, err := r.Load(t.Context(), key, fill); err != nil || len(data) != size {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	}
	for i := range 2000 {
		key := ResultKey{Query: fmt.Sprint(i), Variables: make([]byte, 1000)}
		if i%3 == 0 {
			load(key, 10)
			r.Purge()
		}
		load(key, 1<<20)
		if _, ok := r.Get(key); ok {
			t.Fatal("it is kept")
		}
	}
	if n := len(r.values.front); n > 10 {
		t.Errorf("%d keys of 1 KB are kept in %d bytes", n, r.values.limit)
	}
}

// OnError that blocks holds one goroutine, however many errors there are.
func TestResultsOnErrorBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var running, most atomic.Int32
		release := make(chan struct{})
		r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: m, OnError: func(error) {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
		}})
		if err != nil {
			t.Fatal(err)
		}
		m.broken.Store(true)
		for range 3000 {
			r.Invalidate(t.Context(), "tag")
			time.Sleep(time.Second)
		}
		if most.Load() != 1 || len(r.notes.queue) > resultNotes+1 {
			t.Errorf("%d run, %d wait", most.Load(), len(r.notes.queue))
		}
		close(release)
		m.broken.Store(false)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
