package dataloader_test

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader"
)

type requestKey struct{}

func requestOf(ctx context.Context) int { n, _ := ctx.Value(requestKey{}).(int); return n }

// Each fetch is told of all whom it is for, and has what Trace has added, and the scope.
func TestMergeTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type spanKey struct{}
		var traced [][]int
		trace := func(ctx context.Context, callers []context.Context) context.Context {
			var requests []int
			for _, c := range callers {
				requests = append(requests, requestOf(c))
			}
			slices.Sort(requests)
			traced = append(traced, requests)
			if requestOf(ctx) != 0 {
				t.Error("the context of a fetch has a value of a request")
			}
			return context.WithValue(ctx, spanKey{}, len(traced))
		}
		block := make(chan struct{})
		merged := dataloader.Merge(func(ctx context.Context, _ []int) (map[int]string, error) {
			if ctx.Value(spanKey{}) == nil || tenantOf(ctx) != "a" {
				t.Errorf("the fetch has %v of Trace and %q of the scope", ctx.Value(spanKey{}), tenantOf(ctx))
			}
			<-block
			return nil, nil
		}, tenantOf, dataloader.MergeOptions{Trace: trace})
		var all sync.WaitGroup
		ask := func(ctx context.Context, request int) {
			all.Go(func() { _, _ = merged(context.WithValue(tenant("a").In(ctx), requestKey{}, request), []int{request}) })
			synctest.Wait()
		}
		ask(t.Context(), 1)
		ask(t.Context(), 2)
		ask(t.Context(), 3)
		left, leave := context.WithCancel(t.Context())
		ask(left, 4)
		leave()
		block <- struct{}{} // The three are one call now.
		synctest.Wait()
		ask(t.Context(), 5) // It is alone, when it is its turn.
		close(block)
		all.Wait()
		if len(traced) != 3 || !slices.Equal(traced[0], []int{1}) || !slices.Equal(traced[1], []int{2, 3, 4}) ||
			!slices.Equal(traced[2], []int{5}) {
			t.Errorf("fetches were for %v", traced)
		}
	})
}

// What Trace does wrong is an error, or a panic, of each caller, and nobody waits forever.
func TestMergeTraceFails(t *testing.T) {
	none := func(context.Context, []context.Context) context.Context { return nil }
	panics := func(context.Context, []context.Context) context.Context { panic("a tracer") }
	background := func(context.Context, []context.Context) context.Context { return context.Background() }
	callers := func(_ context.Context, callers []context.Context) context.Context { return callers[0] }
	for name, trace := range map[string]func(context.Context, []context.Context) context.Context{
		"nil": none, "panic": panics, "background": background, "a caller's": callers,
	} {
		synctest.Test(t, func(t *testing.T) {
			block := make(chan struct{})
			var traces atomic.Int64
			merged := dataloader.Merge(func(context.Context, []int) (map[int]string, error) {
				<-block
				return nil, nil
			}, dataloader.AnyoneOf, dataloader.MergeOptions{
				Trace: func(ctx context.Context, callers []context.Context) context.Context {
					if traces.Add(1) == 1 {
						return ctx
					}
					return trace(ctx, callers)
				},
			})
			failures := make(chan any, 3)
			ask := func() {
				go func() {
					var err error
					defer func() {
						if v := recover(); v != nil {
							failures <- v
							return
						}
						failures <- err
					}()
					_, err = merged(t.Context(), []int{1})
				}()
				synctest.Wait()
			}
			ask()
			ask()
			ask()
			close(block)
			synctest.Wait()
			good := 0
			for range 3 {
				switch failure := (<-failures).(type) {
				case nil:
					good++
				case string:
					if name != "panic" || failure != "a tracer" {
						t.Error(name, failure)
					}
				case error:
					if name == "panic" || !strings.Contains(failure.Error(), "Trace") || errors.Is(failure, context.Canceled) {
						t.Error(name, failure)
					}
				}
			}
			if good != 1 {
				t.Errorf("%s: %d callers got an answer, want the one that Trace has let through", name, good)
			}
		})
	}
}

// Whatever Trace does with the context that it is given, the fetch has the scope and what Trace has added,
// nothing else of a request, and ends when all who wait for it have left, unless Trace wants otherwise.
func TestMergeTraceContexts(t *testing.T) {
	type addedKey struct{}
	add := func(ctx context.Context) context.Context { return context.WithValue(ctx, addedKey{}, true) }
	for name, test := range map[string]struct {
		trace func(context.Context) context.Context
		stays bool // when all have left
		fails error
	}{
		"as it is": {trace: func(ctx context.Context) context.Context { return ctx }},
		"a value":  {trace: add},
		"deadline": {fails: context.DeadlineExceeded, trace: func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(add(ctx), time.Second)
			context.AfterFunc(ctx, cancel)
			return ctx
		}},
		"canceled": {fails: context.Canceled, trace: func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(add(ctx))
			cancel()
			return ctx
		}},
		"without its end": {stays: true, trace: func(ctx context.Context) context.Context {
			return context.WithoutCancel(add(ctx))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var running, ended atomic.Int64
				merged := dataloader.Merge(func(ctx context.Context, keys []int) (map[int]string, error) {
					if tenantOf(ctx) != "a" || requestOf(ctx) != 0 || (ctx.Value(addedKey{}) != nil) != (name != "as it is") {
						t.Errorf("the fetch has tenant %q, request %d, %v of Trace", tenantOf(ctx), requestOf(ctx), ctx.Value(addedKey{}))
					}
					running.Add(1)
					defer ended.Add(1)
					select {
					case <-ctx.Done():
						return nil, ctx.Err()
					case <-release:
						return map[int]string{keys[0]: "fine"}, nil
					}
				}, tenantOf, dataloader.MergeOptions{
					Trace: func(ctx context.Context, _ []context.Context) context.Context { return test.trace(ctx) },
				})
				ctx, leave := context.WithCancel(context.WithValue(tenant("a").In(t.Context()), requestKey{}, 1))
				defer leave()
				failures := make(chan error, 3)
				for i := range 3 {
					go func() { _, err := merged(ctx, []int{i}); failures <- err }()
				}
				time.Sleep(500 * time.Millisecond) // One runs by itself, the two others as one.
				if test.fails == nil && running.Load() != 2 {
					t.Errorf("%d fetches run, want 2", running.Load())
				}
				if test.fails == nil {
					leave()
				}
				synctest.Wait()
				if test.stays && ended.Load() != 0 {
					t.Errorf("%d fetches have ended", ended.Load())
				}
				if test.stays {
					close(release)
				}
				for range 3 {
					err := <-failures
					if want := cmp.Or(test.fails, context.Canceled); !errors.Is(err, want) && !(test.stays && err == nil) {
						t.Errorf("the error is %v, want %v", err, want)
					}
				}
			})
		})
	}
}

// Trace may call the same merged fetch, or a loader that waits for it.
func TestMergeTraceCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		type insideKey struct{}
		type loadersKey struct{}
		var merged func(context.Context, []int) (map[int]string, error)
		var cycles atomic.Int64
		merged = dataloader.Merge(func(_ context.Context, keys []int) (map[int]string, error) {
			<-release
			values := map[int]string{}
			for _, k := range keys {
				values[k] = "fine"
			}
			return values, nil
		}, dataloader.AnyoneOf, dataloader.MergeOptions{
			Trace: func(ctx context.Context, callers []context.Context) context.Context {
				if callers[0].Value(insideKey{}) != nil {
					return ctx
				}
				inside := context.WithValue(ctx, insideKey{}, true)
				if got, err := merged(inside, []int{7}); err != nil || got[7] != "fine" {
					t.Error("calling the fetch: ", got, err)
				}
				for _, c := range callers {
					users := c.Value(loadersKey{}).(*dataloader.Loader[int, string])
					if _, err := users.Load(inside, c.Value(requestKey{}).(int)); errors.Is(err, dataloader.ErrCycle) {
						cycles.Add(1)
					} else {
						t.Error("loading what waits for it: ", err)
					}
				}
				return inside
			},
		})
		close(release)
		var all sync.WaitGroup
		for i := range 5 {
			users := dataloader.New(merged, dataloader.Options{})
			ctx := context.WithValue(context.WithValue(t.Context(), loadersKey{}, users), requestKey{}, i)
			all.Go(func() {
				if got, err := users.Load(ctx, i); err != nil || got != "fine" {
					t.Error(got, err)
				}
			})
		}
		all.Wait()
		if cycles.Load() == 0 { // Calls that are merged with that of Trace have no Trace of their own.
			t.Error("no load would have waited for itself")
		}
	})
}

// Each fetch that runs was traced once, for those whose keys it has, however callers come and leave.
func TestMergeTraceIsOnceForEachFetch(t *testing.T) {
	type traceKey struct{}
	type traced struct {
		callers []context.Context
		fetched atomic.Int64
	}
	var mu sync.Mutex
	var traces []*traced
	merged := dataloader.Merge(func(ctx context.Context, keys []int) (map[int]string, error) {
		one := ctx.Value(traceKey{}).(*traced)
		if one.fetched.Add(1) > 1 {
			t.Error("two fetches were traced as one")
		}
		var asked []int
		for _, c := range one.callers {
			asked = append(asked, requestOf(c))
		}
		values := map[int]string{}
		for _, k := range keys {
			if !slices.Contains(asked, k) {
				t.Errorf("key %d is of no caller: %v", k, asked)
			}
			if k%97 == 13 && len(keys) > 1 {
				return nil, errors.New("not with others")
			}
			values[k] = "fine"
		}
		runtime.Gosched()
		return values, ctx.Err()
	}, dataloader.AnyoneOf, dataloader.MergeOptions{
		MaxWait: 100 * time.Microsecond, MaxBatch: 20,
		Trace: func(ctx context.Context, callers []context.Context) context.Context {
			one := &traced{callers: callers}
			mu.Lock()
			traces = append(traces, one)
			mu.Unlock()
			return context.WithValue(ctx, traceKey{}, one)
		},
	})
	var all sync.WaitGroup
	for g := range 200 {
		all.Go(func() {
			for i := range 20 {
				request := 1 + g*20 + i
				ctx, leave := context.WithCancel(context.WithValue(t.Context(), requestKey{}, request))
				if request%5 == 0 {
					time.AfterFunc(time.Duration(request%300)*time.Microsecond, leave)
				}
				got, err := merged(ctx, []int{request})
				if ctx.Err() == nil && (err != nil || got[request] != "fine") {
					t.Error(request, got, err)
				}
				leave()
			}
		})
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	for _, one := range traces {
		if one.fetched.Load() != 1 {
			t.Errorf("a trace of %d callers is of %d fetches", len(one.callers), one.fetched.Load())
		}
	}
}
