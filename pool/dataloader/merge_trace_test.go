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
	for name, trace := range map[string]func(context.Context, []context.Context) context.Context{
		"nil": none, "panic": panics,
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
					if name != "nil" || !strings.Contains(failure.Error(), "Trace") || errors.Is(failure, context.Canceled) {
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
