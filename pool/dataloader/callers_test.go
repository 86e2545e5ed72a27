package dataloader_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/dataloader/callers"
)

// fetched is a loader that notes its batches.
func fetched(batches *[][]int) *dataloader.Loader[int, int] {
	var mu sync.Mutex
	return dataloader.New(func(_ context.Context, keys []int) (map[int]int, error) {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(keys)
		*batches = append(*batches, keys)
		out := map[int]int{}
		for _, k := range keys {
			out[k] = -k
		}
		return out, nil
	}, dataloader.Options{})
}

// together calls load as a group of n callers.
func together(ctx context.Context, n int, load func(ctx context.Context, i int)) {
	g := callers.New(n)
	ctx = g.Context(ctx)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			defer g.Done()
			load(ctx, i)
		})
	}
	all.Wait()
}

// TestCallersAreTold sees that a batch has the keys of all callers, and that no time passes.
func TestCallersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		l := fetched(&batches)
		start := time.Now()
		together(t.Context(), 50, func(ctx context.Context, i int) {
			if i%10 == 9 {
				return // without a key
			}
			if v, err := l.Load(ctx, i); v != -i || err != nil {
				t.Error(i, v, err)
			}
			// The callers come together again.
			if v, err := l.Load(ctx, 100+i); v != -100-i || err != nil {
				t.Error(i, v, err)
			}
		})
		if d := time.Since(start); d != 0 {
			t.Errorf("%v have passed", d)
		}
		if len(batches) != 2 || len(batches[0]) != 45 || len(batches[1]) != 45 {
			t.Errorf("batches %v", batches)
		}
	})
}

// TestCallersOfTwoGroups sees that a batch waits for both.
func TestCallersOfTwoGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		l := fetched(&batches)
		start := time.Now()
		var both sync.WaitGroup
		for group := range 2 {
			both.Go(func() {
				together(t.Context(), 20, func(ctx context.Context, i int) {
					if i == 0 {
						time.Sleep(time.Duration(group+1) * time.Millisecond / 2)
					}
					_, _ = l.Load(ctx, 100*group+i)
				})
			})
		}
		both.Wait()
		if d := time.Since(start); d != time.Millisecond {
			t.Errorf("%v have passed, want what the last caller of the second group took", d)
		}
		if len(batches) != 1 || len(batches[0]) != 40 {
			t.Errorf("batches %v", batches)
		}
	})
}

// TestSlowCaller sees that the others wait for MaxWait, and no longer.
func TestSlowCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		l := fetched(&batches)
		start := time.Now()
		together(t.Context(), 3, func(ctx context.Context, i int) {
			if i == 0 {
				time.Sleep(time.Hour)
				return
			}
			_, _ = l.Load(ctx, i)
			if d := time.Since(start); d != 2*time.Millisecond {
				t.Errorf("%v have passed, want MaxWait", d)
			}
		})
	})
}

// TestCallersWithContextsThatEnd sees that callers who leave do not hold up the others.
func TestCallersWithContextsThatEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		l := fetched(&batches)
		together(t.Context(), 10, func(ctx context.Context, i int) {
			if i%2 == 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				cancel()
			}
			if _, err := l.Load(ctx, i); (err != nil) != (i%2 == 0) {
				t.Error(i, err)
			}
		})
		if len(batches) != 1 || len(batches[0]) != 5 {
			t.Errorf("batches %v", batches)
		}
	})
}

// TestFetchIsNoCaller sees that loaders which a fetch uses are not told anything.
func TestFetchIsNoCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		inner := fetched(&batches)
		outer := dataloader.New(func(ctx context.Context, keys []int) (map[int]int, error) {
			if callers.From(ctx) != nil {
				t.Error("the fetch is a caller")
			}
			out := map[int]int{}
			values, err := inner.LoadAll(ctx, keys)
			for i, k := range keys {
				out[k] = values[i]
			}
			return out, err
		}, dataloader.Options{})
		together(t.Context(), 10, func(ctx context.Context, i int) {
			if v, err := outer.Load(ctx, i); v != -i || err != nil {
				t.Error(i, v, err)
			}
		})
		if len(batches) != 1 || len(batches[0]) != 10 {
			t.Errorf("batches %v", batches)
		}
	})
}
