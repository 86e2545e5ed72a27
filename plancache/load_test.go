package plancache

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many miss one key, it is built once.
func TestOneBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTest(t, Options[int]{})
		var builds, answers atomic.Int64
		release := make(chan struct{})
		load := func() {
			got, err := c.Load(t.Context(), Key{Query: "q"}, func(context.Context) (int, error) { builds.Add(1); <-release; return 7, nil })
			if err != nil || got != 7 {
				t.Errorf("got %d, %v", got, err)
			}
			answers.Add(1)
		}
		for range 256 {
			go load()
		}
		synctest.Wait() // All have asked, and wait.
		if builds.Load() != 1 || answers.Load() != 0 {
			t.Errorf("%d builds, %d have not waited for them", builds.Load(), answers.Load())
		}
		close(release)
		synctest.Wait()
		if load(); builds.Load() != 1 || answers.Load() != 257 {
			t.Errorf("%d builds for %d answers", builds.Load(), answers.Load())
		}
	})
}

// Errors and panics are those of all who wait, and are not kept.
func TestBuildFails(t *testing.T) {
	c := newTest(t, Options[int]{})
	bad := errors.New("bad query")
	for name, fail := range map[string]func() (int, error){
		"error": func() (int, error) { return 0, bad }, "panic": func() (int, error) { panic(bad) }, "exit": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		var failed atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := c.Load(t.Context(), Key{Query: name}, func(context.Context) (int, error) { time.Sleep(20 * time.Millisecond); return fail() })
				if err == nil || name != "exit" && !errors.Is(err, bad) {
					t.Errorf("%s: %v", name, err)
				}
				failed.Add(1)
			})
		}
		wg.Wait()
		var panicked *PanicError
		if _, err := c.Load(t.Context(), Key{Query: name}, func(context.Context) (int, error) { return fail() }); (name != "error") != errors.As(err, &panicked) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := c.Load(t.Context(), Key{Query: name}, func(context.Context) (int, error) { return 1, nil }); got != 1 || err != nil {
			t.Errorf("%s: after it, %d, %v", name, got, err)
		}
	}
}

func TestErrorTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{ErrorTTL: time.Second})
		defer c.Close()
		builds := 0
		load := func() error {
			_, err := c.Load(t.Context(), Key{Query: "q"}, func(context.Context) (int, error) { builds++; return 0, errors.New("bad") })
			return err
		}
		for range 5 {
			if load() == nil {
				t.Error("no error")
			}
		}
		if _, ok := c.Get(t.Context(), Key{Query: "q"}); ok || builds != 1 {
			t.Errorf("%d builds; Get %v", builds, ok)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		_ = load()
		if builds != 2 {
			t.Errorf("%d builds", builds)
		}
	})
}

// Errors that are kept take room in the cache, and do not count as plans.
func TestErrorsAreNoPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{ErrorTTL: time.Second, Capacity: 3})
		defer c.Close()
		fail := func(list ...int) {
			for _, i := range list {
				_, _ = c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (int, error) { return 0, errors.New("bad") })
			}
		}
		expect := func(what string, plans int) {
			t.Helper()
			if n, hot, slow := c.Len(), len(c.Hot(9)), len(c.Slow(9)); n != plans || hot != plans || slow != plans {
				t.Errorf("%s: %d plans, %d hot, %d slow; want %d", what, n, hot, slow, plans)
			}
		}
		fail(1, 2)
		expect("two errors", 0)
		c.Add(t.Context(), Key{Query: query(1)}, 1)
		expect("a plan in place of one", 1)
		fail(3, 4, 5, 6, 7)
		if counted, errs := countErrors(c); counted != errs || errs < 2 {
			t.Errorf("%d errors are counted, and there are %d", counted, errs)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if counted, errs := countErrors(c); counted != 0 || errs != 0 {
			t.Errorf("%d errors are counted, and there are %d: their time is over", counted, errs)
		}
		fail(8)
		c.Purge()
		expect("purged", 0)
		c.Add(t.Context(), Key{Query: query(9)}, 1)
		expect("a plan after it", 1)
	})
}

// countErrors returns how many entries are said to be errors, and how many are.
func countErrors[P any](c *Cache[P]) (counted, errs int) {
	g := c.current.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.policy.all() {
		if e.err != nil {
			errs++
		}
	}
	return g.failed, errs
}

// A caller waits as long as its own context. The build goes on for the others, and ends
// when nobody waits.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{})
		defer c.Close()
		var ended error
		load := func(ctx context.Context) (int, error) {
			return c.Load(ctx, Key{Query: "q"}, func(ctx context.Context) (int, error) {
				select {
				case <-time.After(time.Second):
					return 1, nil
				case <-ctx.Done():
					ended = ctx.Err()
					return 0, ctx.Err()
				}
			})
		}
		first, leave := context.WithCancel(t.Context())
		go func() {
			if _, err := load(first); !errors.Is(err, context.Canceled) {
				t.Errorf("the first got %v", err)
			}
		}()
		synctest.Wait()
		var second int
		go func() { second, _ = load(t.Context()) }()
		synctest.Wait()
		leave()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if second != 1 || ended != nil {
			t.Errorf("the second got %d; the build ended with %v", second, ended)
		}
		_ = c.Delete(t.Context(), Key{Query: "q"})
		alone, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, err := load(alone); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if !errors.Is(ended, context.Canceled) {
			t.Errorf("nobody waits, and the build has ended with %v", ended)
		}
		if got, err := load(t.Context()); got != 1 || err != nil {
			t.Errorf("after it, %d, %v", got, err)
		}
	})
}

func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int64]{TTL: time.Minute, Jitter: -1, StaleFor: time.Minute})
		defer c.Close()
		var builds atomic.Int64
		var fail atomic.Bool
		load := func() int64 {
			got, err := c.Load(t.Context(), Key{Query: "q"}, func(context.Context) (int64, error) {
				n := builds.Add(1)
				time.Sleep(time.Second)
				if fail.Load() {
					return 0, errors.New("bad")
				}
				return n, nil
			})
			if err != nil {
				t.Error(err)
			}
			return got
		}
		load()
		time.Sleep(time.Minute + 1)
		synctest.Wait()
		for range 10 {
			if got := load(); got != 1 {
				t.Errorf("got %d", got)
			}
		}
		time.Sleep(2 * time.Second)
		if got := load(); got != 2 || builds.Load() != 2 {
			t.Errorf("got %d after %d builds", got, builds.Load())
		}
		fail.Store(true)
		time.Sleep(time.Minute)
		for range 3 { // Each failure is followed by another try.
			if got := load(); got != 2 {
				t.Errorf("got %d", got)
			}
			time.Sleep(2 * time.Second)
		}
		if builds.Load() != 5 {
			t.Errorf("%d builds", builds.Load())
		}
		fail.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := load(); got != 6 {
			t.Errorf("got %d: it was stale for too long", got)
		}
	})
}

// A build in the background that hangs holds up those who come when the stale plan has gone, but
// only until all of them have left; and it ends after StaleFor if nobody comes.
func TestRefreshHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{TTL: time.Minute, Jitter: -1, StaleFor: time.Minute})
		defer c.Close()
		load := func(q string, build func(context.Context) (int, error)) error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := c.Load(ctx, Key{Query: q}, build)
			return err
		}
		good := func(context.Context) (int, error) { return 1, nil }
		var ended atomic.Int64
		hang := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended.Add(1)
			return 0, ctx.Err()
		}
		for _, q := range []string{"joined", "alone"} {
			if err := load(q, good); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(90 * time.Second)
		for _, q := range []string{"joined", "alone"} {
			if err := load(q, hang); err != nil {
				t.Errorf("%s: the stale plan is good: %v", q, err)
			}
		}
		time.Sleep(40 * time.Second)
		if n := ended.Load(); n != 0 {
			t.Errorf("%d builds have ended", n)
		}
		for i := range 3 {
			if err := load("joined", good); (err != nil) != (i == 0) {
				t.Errorf("load %d: %v", i, err)
			}
		}
		if synctest.Wait(); ended.Load() != 1 {
			t.Errorf("all have left one, and %d have ended", ended.Load())
		}
		if time.Sleep(30 * time.Second); ended.Load() != 2 {
			t.Errorf("StaleFor is over, and %d have ended", ended.Load())
		}
	})
}

// A build in the background that asks for its own plan goes on.
func TestRefreshAsksForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[int]{TTL: time.Minute, Jitter: -1, StaleFor: time.Minute})
		defer c.Close()
		key := Key{Query: "q"}
		c.Add(t.Context(), key, 1)
		time.Sleep(90 * time.Second)
		build := func(ctx context.Context) (int, error) {
			time.Sleep(40 * time.Second) // until the stale plan has gone
			_, err := c.Load(ctx, key, func(context.Context) (int, error) { return 3, nil })
			if !errors.Is(err, ErrCycle) || ctx.Err() != nil {
				t.Errorf("got %v, and the build's context has %v", err, ctx.Err())
			}
			return 2, nil
		}
		if got, err := c.Load(t.Context(), key, build); got != 1 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		time.Sleep(45 * time.Second)
		if got, ok := c.Get(t.Context(), key); !ok || got != 2 {
			t.Errorf("got %d, %v", got, ok)
		}
	})
}

// What was deleted or purged while it was built does not come back.
func TestDeletedWhileBuilt(t *testing.T) {
	for name, remove := range map[string]func(*Cache[int]){
		"delete": func(c *Cache[int]) { _ = c.Delete(context.Background(), Key{Query: "q"}) },
		"purge":  func(c *Cache[int]) { c.Purge() },
		"schema": func(c *Cache[int]) { _ = c.SetSchema(context.Background(), "2", Switch[int]{}) },
	} {
		c := newTest(t, Options[int]{})
		got, err := c.Load(t.Context(), Key{Query: "q"}, func(context.Context) (int, error) { remove(c); return 1, nil })
		if got != 1 || err != nil {
			t.Errorf("%s: got %d, %v", name, got, err)
		}
		if _, ok := c.Get(t.Context(), Key{Query: "q"}); ok {
			t.Errorf("%s: it has come back", name)
		}
	}
}
