package dataloader_test

import (
	"context"
	"errors"
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

// patient is for callers that leave while keys are collected.
var patient = dataloader.Options{Quiet: 50 * time.Millisecond, MaxWait: time.Second}

// gate is a fetch that returns its call's number once it may go on.
type gate struct {
	calls   atomic.Int64
	started chan []int
	goOn    chan error
}

func newGate() *gate { return &gate{started: make(chan []int), goOn: make(chan error)} }

func (g *gate) fetch(_ context.Context, keys []int) (map[int]int64, error) {
	call := g.calls.Add(1)
	g.started <- keys
	err := <-g.goOn
	values := map[int]int64{}
	for _, key := range keys {
		values[key] = call
	}
	if err != nil {
		return nil, err
	}
	return values, nil
}

type answer struct {
	value int64
	err   error
}

// ask loads in the background.
func ask(ctx context.Context, l *dataloader.Loader[int, int64], key int) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		value, err := l.Load(ctx, key)
		c <- answer{value, err}
	}()
	return c
}

// Clear and Prime while a key is fetched: who waits gets what is fetched, who comes later
// what is fetched, or primed, after Clear.
func TestClearAndPrimeDuringFetch(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, failing := range []error{nil, errBroken} {
		g := newGate()
		l := dataloader.New(g.fetch, dataloader.Options{})
		first := ask(t.Context(), l, 1)
		<-g.started
		l.Prime(1, 100) // It is being fetched.
		l.Clear(1)
		second := ask(t.Context(), l, 1)
		<-g.started
		g.goOn <- failing // One of the two: the values tell which.
		g.goOn <- failing
		a, b := <-first, <-second
		if failing == nil && (a.value != 1 || b.value != 2) || !errors.Is(a.err, failing) || !errors.Is(b.err, failing) {
			t.Errorf("%v, %v", a, b)
		}
		third := ask(t.Context(), l, 1)
		if failing != nil {
			<-g.started
			g.goOn <- nil
		}
		if got, want := (<-third).value, g.calls.Load(); got != want || failing == nil && want != 2 {
			t.Errorf("then %d after %d fetches", got, want)
		}
		fourth := ask(t.Context(), l, 2)
		<-g.started
		l.Clear(2)
		l.Prime(2, 200)
		if value, err := l.Load(t.Context(), 2); value != 200 || err != nil {
			t.Errorf("primed: %d, %v", value, err)
		}
		g.goOn <- failing
		if got := <-fourth; !errors.Is(got.err, failing) || failing == nil && got.value != g.calls.Load() {
			t.Errorf("%v", got)
		}
		// Neither the end of the fetch nor its error has touched it.
		if value, err := l.Load(t.Context(), 2); value != 200 || err != nil {
			t.Errorf("primed: %d, %v", value, err)
		}
	}
}

// A key that is cleared before the fetch has begun is fetched once, for all.
func TestClearWhileKeysAreCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched [][]int
		l := dataloader.New(func(_ context.Context, keys []int) (map[int]int64, error) {
			fetched = append(fetched, keys)
			return map[int]int64{1: 10, 2: 20}, nil
		}, dataloader.Options{Quiet: time.Hour, MaxWait: time.Hour, MaxBatch: 3})
		var answers []<-chan answer
		load := func(keys ...int) {
			for _, key := range keys {
				answers = append(answers, ask(t.Context(), l, key))
				time.Sleep(time.Microsecond)
			}
		}
		load(1, 2)
		l.Clear(1)
		l.Clear(1)
		load(1, 1)
		l.Clear(2)
		l.Prime(2, 200)
		load(2, 3)
		for i, want := range []answer{{10, nil}, {20, nil}, {10, nil}, {10, nil}, {200, nil}, {0, dataloader.ErrNotFound}} {
			if got := <-answers[i]; got != want {
				t.Errorf("%d: %v, want %v", i, got, want)
			}
		}
		if len(fetched) != 1 || !slices.Equal(fetched[0], []int{1, 2, 3}) {
			t.Errorf("fetched %v", fetched)
		}
		if value, _ := l.Load(t.Context(), 2); value != 200 {
			t.Errorf("primed: %d", value)
		}
	})
}

// The keys are the fetch's own, and what it does with its map afterwards changes nothing.
func TestFetchKeepsAndChangesWhatItHas(t *testing.T) {
	var kept [][]int
	shared := map[int]int64{}
	l := dataloader.New(func(_ context.Context, keys []int) (map[int]int64, error) {
		clear(shared)
		for _, key := range keys {
			if key != 5 {
				shared[key] = int64(10 * key)
			}
		}
		slices.Reverse(keys)
		kept = append(kept, append(keys, 1000)[:len(keys)])
		return shared, nil
	}, dataloader.Options{})
	for _, keys := range [][]int{{1, 2, 3, 5}, {4}, {1, 2, 3, 4, 6}} {
		values, _ := l.LoadAll(t.Context(), keys)
		for i, key := range keys {
			if key != 5 && values[i] != int64(10*key) {
				t.Errorf("%d is %d", key, values[i])
			}
		}
	}
	clear(shared)
	if value, err := l.Load(t.Context(), 1); value != 10 || err != nil {
		t.Errorf("after the map has changed: %d, %v", value, err)
	}
	if !slices.Equal(kept[0], []int{5, 3, 2, 1}) || !slices.Equal(kept[1], []int{4}) {
		t.Errorf("its keys have changed: %v", kept)
	}
	// Nobody waits any more, and the keys of the batch are other ones in fetch.
	started, ended := make(chan struct{}), make(chan struct{})
	l = dataloader.New(func(ctx context.Context, keys []int) (map[int]int64, error) {
		if keys[0] = -1; len(keys) == 2 {
			close(started)
			<-ctx.Done()
			close(ended)
		}
		return map[int]int64{1: 1, 2: 2}, nil
	}, dataloader.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	if _, err := l.LoadAll(ctx, []int{1, 2}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
	if value, err := l.Load(t.Context(), 1); value != 1 || err != nil {
		t.Errorf("%d, %v", value, err)
	}
}

// A fetch that blocks and does not heed its context holds only those who wait for it.
func TestBlockedFetch(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	g := newGate()
	l := dataloader.New(g.fetch, dataloader.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	blocked := ask(ctx, l, 1)
	<-g.started
	other := ask(t.Context(), l, 2)
	<-g.started
	cancel()
	if got := <-blocked; !errors.Is(got.err, context.Canceled) {
		t.Errorf("%v", got)
	}
	again := ask(t.Context(), l, 1)
	<-g.started
	for range 3 {
		g.goOn <- nil
	}
	if got := <-other; got.value != 2 {
		t.Errorf("%v", got)
	}
	if got := <-again; got.value != 3 {
		t.Errorf("%v", got)
	}
	if value, err := l.Load(t.Context(), 1); value != 3 || err != nil {
		t.Errorf("the fetch that nobody waited for counts: %d, %v", value, err)
	}
}

// What nobody waits for any more is not fetched.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		l := dataloader.New(func(_ context.Context, keys []int) (map[int]int64, error) {
			calls.Add(1)
			return map[int]int64{keys[0]: 1}, nil
		}, patient)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Load(ended, 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		l.Prime(3, 3)
		if values, err := l.LoadAll(ended, []int{3, 1}); !errors.Is(err, context.Canceled) || !slices.Equal(values, []int64{3, 0}) {
			t.Errorf("%v, %v", values, err)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := l.LoadAll(brief, []int{1, 2}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(2 * patient.Quiet)
		if calls.Load() != 0 {
			t.Errorf("%d fetches", calls.Load())
		}
		if value, err := l.Load(t.Context(), 1); value != 1 || err != nil || calls.Load() != 1 {
			t.Errorf("%d, %v", value, err)
		}
	})
}

// A nil context is an error, and its caller is not counted: a fetch ends when the others leave.
func TestNoContext(t *testing.T) {
	var none context.Context
	started, ended := make(chan struct{}), make(chan struct{})
	l := dataloader.New(func(ctx context.Context, _ []int) (map[int]int64, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}, dataloader.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	only := ask(ctx, l, 1)
	<-started
	for _, key := range []int{1, 2} {
		if _, err := l.Load(none, key); err == nil || !strings.Contains(err.Error(), "the context is nil") {
			t.Errorf("%d: %v", key, err)
		}
		if _, err := l.LoadAll(none, []int{key}); err == nil {
			t.Errorf("%d of many: no error", key)
		}
	}
	cancel()
	if got := <-only; !errors.Is(got.err, context.Canceled) {
		t.Error(got)
	}
	<-ended
	merged := dataloader.Merge(func(context.Context, []int) (map[int]int64, error) { return nil, nil },
		dataloader.AnyoneOf, dataloader.MergeOptions{})
	if _, err := merged(none, []int{1}); err == nil || !strings.Contains(err.Error(), "the context is nil") {
		t.Errorf("merged: %v", err)
	}
}

// A caller right after the last waiter has left is not put into the batch that is cancelled.
func TestBatchThatIsCancelledTakesNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := dataloader.New(func(_ context.Context, keys []int) (map[int]int64, error) {
			return map[int]int64{keys[0]: int64(len(keys))}, nil
		}, dataloader.Options{Quiet: time.Hour, MaxWait: 2 * time.Hour})
		for range 3 {
			brief, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := l.Load(brief, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
		if value, err := l.Load(t.Context(), 2); value != 1 || err != nil {
			t.Errorf("%d, %v", value, err)
		}
	})
}

// A fetch may load other keys; what would wait for itself is an error.
func TestFetchLoads(t *testing.T) {
	for name, made := range fetches {
		t.Run(name, func(t *testing.T) { checkFetchLoads(t, made) })
	}
}

// fetches makes fetches as they are, and merged ones.
var fetches = map[string]func(fetch[int, int64]) fetch[int, int64]{
	"alone": func(f fetch[int, int64]) fetch[int, int64] { return f },
	"merged": func(f fetch[int, int64]) fetch[int, int64] {
		return dataloader.Merge(f, dataloader.AnyoneOf, dataloader.MergeOptions{})
	},
}

func checkFetchLoads(t *testing.T, made func(fetch[int, int64]) fetch[int, int64]) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var l *dataloader.Loader[int, int64]
	// Each number is loaded by way of its half, and 1 by way of 8.
	l = dataloader.New(made(func(ctx context.Context, keys []int) (map[int]int64, error) {
		values, failed := map[int]int64{}, dataloader.KeyErrors[int]{}
		for _, key := range keys {
			next := key / 2
			switch key {
			case 0:
				values[0] = 1
				continue
			case 1:
				next = 8
			}
			var wg sync.WaitGroup
			wg.Go(func() { // A context that is derived, in another goroutine.
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				value, err := l.Load(ctx, next)
				values[key], failed[key] = 1+value, err
			})
			wg.Wait()
		}
		return values, failed
	}), dataloader.Options{})
	if _, err := l.Load(t.Context(), 16); !errors.Is(err, dataloader.ErrCycle) {
		t.Errorf("a circle: %v", err)
	}
	l.Prime(1, 100)
	if value, err := l.Load(t.Context(), 16); value != 104 || err != nil {
		t.Errorf("without it: %d, %v", value, err)
	}
	if _, err := l.LoadAll(t.Context(), []int{48, 24}); !errors.Is(err, dataloader.ErrCycle) {
		t.Errorf("within a batch: %v", err)
	}
}

// Two fetches that are under way load from each other.
func TestFetchesOfTwoLoaders(t *testing.T) {
	for name, made := range fetches {
		t.Run(name, func(t *testing.T) { checkFetchesOfTwoLoaders(t, made) })
	}
}

func checkFetchesOfTwoLoaders(t *testing.T, made func(fetch[int, int64]) fetch[int, int64]) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var loaders [2]*dataloader.Loader[int, int64]
	var both sync.WaitGroup
	both.Add(2)
	for i := range loaders {
		loaders[i] = dataloader.New(made(func(ctx context.Context, keys []int) (map[int]int64, error) {
			both.Done()
			both.Wait()
			value, err := loaders[1-i].Load(ctx, keys[0])
			if err != nil {
				return nil, err
			}
			return map[int]int64{keys[0]: value + 1}, nil
		}), dataloader.Options{})
	}
	a, b := ask(t.Context(), loaders[0], 1), ask(t.Context(), loaders[1], 1)
	for _, c := range []<-chan answer{a, b} {
		// One has found the circle, and the other has its error.
		if got := <-c; !errors.Is(got.err, dataloader.ErrCycle) {
			t.Errorf("%v", got)
		}
	}
}

// The search for circles looks at each fetch once, though there are 4^40 ways from the first to the last:
// it would hold up every Load that a fetch calls, for years.
func TestManyWaysToAFetch(t *testing.T) { synctest.Test(t, checkManyWays) }

func checkManyWays(t *testing.T) {
	const depth = 40
	end := make(chan struct{})
	level := func(next []*dataloader.Loader[int, int64]) *dataloader.Loader[int, int64] {
		return dataloader.New(func(ctx context.Context, _ []int) (map[int]int64, error) {
			if next == nil {
				<-end
			}
			var all sync.WaitGroup
			for _, l := range next {
				for range 2 {
					all.Go(func() {
						if _, err := l.Load(ctx, 0); err != nil {
							t.Error(err)
						}
					})
				}
			}
			all.Wait()
			return map[int]int64{0: 0}, nil
		}, dataloader.Options{})
	}
	next := []*dataloader.Loader[int, int64]{level(nil)}
	for range depth {
		next = []*dataloader.Loader[int, int64]{level(next), level(next)}
	}
	below := ask(t.Context(), level(next), 0)
	time.Sleep(time.Second) // All of them wait.
	above := ask(t.Context(), level(next), 0)
	time.Sleep(time.Second)
	close(end)
	for _, c := range []<-chan answer{below, above} {
		if got := <-c; got.err != nil {
			t.Error(got)
		}
	}
}

// What cannot be a key of a map is an error, and the loader goes on.
func TestNoKeys(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l := dataloader.New(func(context.Context, []any) (map[any]int, error) { return map[any]int{1: 1}, nil }, dataloader.Options{})
	if _, err := l.Load(t.Context(), []int{1}); err == nil {
		t.Error("a slice is a key")
	}
	l.Prime([]int{1}, 1)
	l.Clear([]int{1})
	values, err := l.LoadAll(t.Context(), []any{1, []int{1}, map[int]int{}, 1})
	if err == nil || errors.Is(err, dataloader.ErrNotFound) || !slices.Equal(values, []int{1, 0, 0, 1}) {
		t.Errorf("%v, %v", values, err)
	}
}
