package dataloader_test

import (
	"context"
	"errors"
	"fmt"
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

// inLine calls f n times at once, in the order of i, while a call of key -1 runs, and then lets that end.
// Its fetch must wait for release.
func inLine(t *testing.T, merged fetch[int, string], ctx context.Context, release chan struct{}, n int, f func(i int)) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() { _, _ = merged(ctx, []int{-1}) })
	synctest.Wait()
	for i := range n {
		all.Go(func() { f(i) })
		time.Sleep(time.Millisecond) // A loader collects its keys.
		synctest.Wait()
	}
	close(release)
	all.Wait()
}

// One that waits with nobody calls by itself: its fetch runs once even if it fails, with its own keys,
// deadline and panic.
func TestMergeOfOne(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("bad key") },
		"panic": func() error { panic("bad key") },
		"exit":  func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, calls := make(chan struct{}), 0
				deadline := time.Now().Add(time.Hour)
				merged := dataloader.Merge(func(ctx context.Context, keys []int) (map[int]string, error) {
					calls++
					<-release
					if keys[0] == 13 {
						if got, _ := ctx.Deadline(); !got.Equal(deadline) || len(keys) != 1 {
							t.Errorf("the call has keys %v until %v", keys, got)
						}
						return nil, fail()
					}
					return map[int]string{keys[0]: "fine"}, nil
				}, dataloader.AnyoneOf, dataloader.MergeOptions{})
				gone, cancel := context.WithCancel(t.Context())
				inLine(t, merged, t.Context(), release, 2, func(i int) {
					ctx, stop := context.WithDeadline(t.Context(), deadline)
					defer stop()
					defer func() { _ = recover() }()
					if i == 0 { // It has given up before the call begins.
						_, _ = merged(gone, []int{12})
						return
					}
					cancel()
					if got, err := merged(ctx, []int{13}); err == nil {
						t.Error(got, err)
					}
				})
				if calls != 2 {
					t.Errorf("%d calls, want 2", calls)
				}
				checkIdle(t, merged)
			})
		})
	}
}

// checkIdle checks that the next call waits for nobody.
func checkIdle(t *testing.T, merged fetch[int, string]) {
	t.Helper()
	start := time.Now()
	if got, err := merged(t.Context(), []int{1}); err != nil || got[1] != "fine" || time.Since(start) != 0 {
		t.Errorf("the next call: %v, %v after %v", got, err, time.Since(start))
	}
}

// A caller gives up at the moment when its turn comes: the line moves on all the same.
func TestMergeGivesUpAtItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var release chan struct{}
		var cancel context.CancelFunc
		merged := dataloader.Merge(func(_ context.Context, keys []int) (map[int]string, error) {
			<-release
			cancel() // and the call ends
			return map[int]string{keys[0]: "fine"}, nil
		}, dataloader.AnyoneOf, dataloader.MergeOptions{})
		for i := range 200 {
			release = make(chan struct{})
			var ctx context.Context
			ctx, cancel = context.WithCancel(t.Context())
			inLine(t, merged, t.Context(), release, 1+i%2, func(int) { _, _ = merged(ctx, []int{2}) })
			checkIdle(t, merged)
			cancel()
		}
	})
}

// A fetch may change and keep its keys, and return those of others.
func TestMergeChangesKeys(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var mu sync.Mutex
	var kept [][]int
	merged := dataloader.Merge(func(_ context.Context, keys []int) (map[int]string, error) {
		runtime.Gosched() // Others come.
		mu.Lock()
		defer mu.Unlock()
		values, failed := map[int]string{-1: "of nobody"}, dataloader.KeyErrors[int]{-2: errors.New("of nobody")}
		for i, k := range keys {
			values[k], keys[i] = fmt.Sprint(k), -k
		}
		for _, old := range kept {
			clear(old)
		}
		kept = append(kept, keys)
		return values, failed
	}, dataloader.AnyoneOf, dataloader.MergeOptions{MaxWait: time.Minute})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 100 {
				k := 1 + (g+i)%4
				got, err := dataloader.New(merged, dataloader.Options{}).LoadAll(t.Context(), []int{k, k + 1, k})
				if want := []string{fmt.Sprint(k), fmt.Sprint(k + 1), fmt.Sprint(k)}; err != nil || !slices.Equal(got, want) {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
			}
		})
	}
	all.Wait()
}

// namedBy is a scope of any kind.
type namedBy interface {
	In(ctx context.Context) context.Context
}

type nowhere struct{ _ int }

func (nowhere) In(context.Context) context.Context { return nil }

type elsewhere struct{ _ int }

func (elsewhere) In(context.Context) context.Context { return context.Background() }

type unhashable []int

func (unhashable) In(ctx context.Context) context.Context { return ctx }

type panicking struct{}

func (panicking) In(context.Context) context.Context { panic("no scope") }

// Scopes that no statement can run in are refused, merged or not. Nobody hangs, and others go on.
func TestMergeOddScopes(t *testing.T) {
	type scopeKey struct{}
	here, there := tenant("a"), tenant("b")
	for name, test := range map[string]struct {
		scope namedBy
		want  string // of the error
	}{
		"none":        {nil, "has no scope"},
		"nil context": {nowhere{}, "nowhere.In has returned a nil context"},
		"elsewhere":   {elsewhere{}, "elsewhere.In has returned a context that is not derived from the one it was given"},
		"unhashable":  {unhashable{}, "type dataloader_test.unhashable: hash of unhashable"},
		"panic":       {panicking{}, "no scope"},
		"pointer":     {&here, ""},
		"value":       {there, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, calls := make(chan struct{}), 0
				merged := dataloader.Merge(func(ctx context.Context, keys []int) (map[int]string, error) {
					calls++
					<-release
					values := map[int]string{}
					for _, k := range keys {
						values[k] = "fine"
					}
					if keys[0] != 1 && tenantOf(ctx) == "" {
						t.Error("a fetch without the tenant")
					}
					return values, nil
				}, func(ctx context.Context) namedBy {
					s, _ := ctx.Value(scopeKey{}).(namedBy)
					return s
				}, dataloader.MergeOptions{})
				ctx := context.WithValue(t.Context(), scopeKey{}, test.scope)
				if test.want != "" {
					close(release)
					for range 3 {
						_, err := dataloader.New(merged, dataloader.Options{}).Load(ctx, 2)
						if err == nil || !strings.Contains(err.Error(), test.want) {
							t.Errorf("the error is %v, want %q", err, test.want)
						}
					}
				} else {
					inLine(t, merged, ctx, release, 3, func(i int) {
						if got, err := merged(ctx, []int{i + 2}); err != nil || len(got) != 1 {
							t.Error(got, err)
						}
					})
				}
				if want := map[bool]int{true: 2, false: 0}[test.want == ""]; calls != want {
					t.Errorf("%d calls, want %d", calls, want)
				}
				checkIdle(t, func(ctx context.Context, keys []int) (map[int]string, error) {
					return merged(context.WithValue(ctx, scopeKey{}, tenant("c")), keys)
				})
			})
		})
	}
}

// A merged call loads what one of its two callers waits for. Nobody waits forever, and each has what it
// would have alone: only a caller that waits for itself even then has an error.
func TestMergeCycle(t *testing.T) {
	for name, test := range map[string]struct {
		loads int // the key that loads key 2 of the first loader
		want  error
	}{
		"of one":      {2, dataloader.ErrCycle},
		"of no one's": {3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var first *dataloader.Loader[int, string]
				var both atomic.Int64
				merged := dataloader.Merge(func(ctx context.Context, keys []int) (map[int]string, error) {
					<-release
					if len(keys) == 2 {
						both.Add(1)
					}
					values, failed := map[int]string{}, dataloader.KeyErrors[int]{}
					for _, k := range keys {
						values[k] = "fine"
						if k == test.loads {
							_, failed[k] = first.Load(ctx, 2)
						}
					}
					if failed[test.loads] == nil {
						return values, nil
					}
					return values, failed
				}, dataloader.AnyoneOf, dataloader.MergeOptions{})
				first = dataloader.New(merged, dataloader.Options{})
				inLine(t, merged, t.Context(), release, 2, func(i int) {
					if i == 0 {
						if _, err := first.Load(t.Context(), 2); !errors.Is(err, test.want) {
							t.Errorf("who is waited for: %v, want %v", err, test.want)
						}
					} else if got, err := dataloader.New(merged, dataloader.Options{}).Load(t.Context(), 3); got != "fine" || err != nil {
						t.Errorf("the other: %q, %v", got, err)
					}
				})
				if both.Load() != 1 {
					t.Errorf("%d merged calls", both.Load())
				}
				checkIdle(t, merged)
			})
		})
	}
}

// Who appends to a list does not write into that of another request.
func TestMergeLists(t *testing.T) {
	p := open(t)
	for name, list := range map[string]fetch[int, []int]{
		"ListByColumn": dataloader.ListByColumn[int, int](p, "select k, i from unnest($1::int[]) k, generate_series(1, k) i"),
		"ListByKey": dataloader.ListByKey(p, "select i from unnest($1::int[]) k, generate_series(1, k) i",
			func(int) int { return 3 }),
	} {
		t.Run(name, func(t *testing.T) {
			merged := dataloader.Merge(list, dataloader.AnyoneOf, dataloader.MergeOptions{})
			var all sync.WaitGroup
			for g := range 8 {
				all.Go(func() {
					for range 50 {
						got, err := merged(t.Context(), []int{3})
						mine := append(got[3], g)
						runtime.Gosched()
						if want := []int{1, 2, 3, g}; err != nil || !slices.Equal(mine, want) {
							t.Errorf("%v, %v, want %v", mine, err, want)
						}
					}
				})
			}
			all.Wait()
			if got, err := list(t.Context(), []int{3}); err != nil || cap(got[3]) != 3 {
				t.Errorf("%v, %v with room for %d", got, err, cap(got[3]))
			}
		})
	}
}
