package plancache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// leaser is a memory with leases.
type leaser struct {
	*memory
	tokens int
	leases map[string]lease // by key; what m.values has ends one
}

type lease struct {
	token string
	ends  time.Time
}

func newLeaser() *leaser { return &leaser{memory: newMemory(), leases: map[string]lease{}} }

func (l *leaser) Lease(ctx context.Context, key string, ttl time.Duration) ([]byte, string, error) {
	if err := l.enter(ctx); err != nil {
		return nil, "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if v, ok := l.values[key]; ok {
		return v, "", nil
	}
	if time.Now().Before(l.leases[key].ends) {
		return nil, "", ErrLeased
	}
	l.tokens++
	one := lease{fmt.Sprint(l.tokens), time.Now().Add(ttl)}
	l.leases[key] = one
	return nil, one.token, nil
}

func (l *leaser) held(key, token string) bool {
	one := l.leases[key]
	return one.token == token && time.Now().Before(one.ends)
}

func (l *leaser) SetLeased(ctx context.Context, key, token string, value []byte, _ time.Duration) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held(key, token) {
		return ErrLeaseLost
	}
	delete(l.leases, key)
	l.values[key] = value
	return nil
}

func (l *leaser) Release(ctx context.Context, key, token string) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held(key, token) {
		delete(l.leases, key)
	}
	return nil
}

func (l *leaser) Delete(ctx context.Context, key string) error {
	l.mu.Lock()
	prefix, all := strings.CutSuffix(key, "*")
	for k := range l.leases {
		if k == key || all && strings.HasPrefix(k, prefix) {
			delete(l.leases, k)
		}
	}
	l.mu.Unlock()
	return l.memory.Delete(ctx, key)
}

const testLease = time.Second

// leasing returns caches that share a store with leases.
func leasing(t *testing.T, store *leaser, n int) (list []*Cache[string]) {
	t.Helper()
	for range n {
		list = append(list, newTest(t, Options[string]{
			Schema: "1", Codec: jsonCodec[string]{}, Store: store, StoreTimeout: time.Second, Lease: testLease,
		}))
	}
	return list
}

// all loads a key from each of the caches at the same time, and returns how long it took.
func all(t *testing.T, caches []*Cache[string], build func(instance int) (string, error)) time.Duration {
	t.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for i, c := range caches {
		wg.Go(func() {
			got, err := c.Load(t.Context(), Key{Query: "{ q }"}, func(context.Context) (string, error) { return build(i) })
			if err != nil || !strings.HasPrefix(got, "plan") {
				t.Errorf("instance %d: got %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	synctest.Wait()
	return took
}

// However many instances miss a key, one of them builds it, and the others get what it has built.
func TestLeaseBuildsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		caches := leasing(t, store, 8)
		var builds atomic.Int64
		took := all(t, caches, func(int) (string, error) { time.Sleep(testLease / 2); builds.Add(1); return "plan", nil })
		if builds.Load() != 1 || took > testLease/2+2*leasePollMost {
			t.Errorf("%d builds, in %v", builds.Load(), took)
		}
		var sum LeaseStats
		for _, c := range caches {
			s := c.Stats().Store.Leases
			sum.Held, sum.Awaited, sum.Overdue, sum.Lost = sum.Held+s.Held, sum.Awaited+s.Awaited, sum.Overdue+s.Overdue, sum.Lost+s.Lost
		}
		if want := (LeaseStats{Held: 1, Awaited: 7}); sum != want {
			t.Errorf("got %+v, want %+v", sum, want)
		}
		if len(store.leases) != 0 || len(store.values) != 1 {
			t.Errorf("%d leases and %d plans are there", len(store.leases), len(store.values))
		}
	})
}

// When a holder is gone, one of the others takes over when its lease ends.
func TestLeaseHolderDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		if _, token, err := store.Lease(t.Context(), storeKey("1", Key{Query: "{ q }"}), testLease); token == "" || err != nil {
			t.Fatal(token, err)
		}
		var builds atomic.Int64
		took := all(t, leasing(t, store, 8), func(int) (string, error) { builds.Add(1); return "plan", nil })
		if builds.Load() != 1 || took < testLease || took > testLease+2*leasePollMost {
			t.Errorf("%d builds, in %v", builds.Load(), took)
		}
	})
}

// One that takes longer than its lease keeps nobody waiting for longer, and does not overwrite
// what another one has built.
func TestLeaseTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		caches := leasing(t, store, 4)
		slow := make(chan error, 1)
		go func() {
			_, err := caches[0].Load(t.Context(), Key{Query: "{ q }"}, func(context.Context) (string, error) {
				time.Sleep(10 * testLease)
				return "plan of the late one", nil
			})
			slow <- err
		}()
		synctest.Wait()
		var builds atomic.Int64
		took := all(t, caches[1:], func(int) (string, error) { builds.Add(1); return "plan", nil })
		if builds.Load() != 1 || took > testLease+2*leasePollMost {
			t.Errorf("%d builds, in %v", builds.Load(), took)
		}
		if err := <-slow; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := caches[0].Stats().Store.Leases.Lost; n != 1 {
			t.Errorf("%d leases were lost", n)
		}
		r, err := decodeRecord(store.values[storeKey("1", Key{Query: "{ q }"})])
		if err != nil || string(r.plan) != `"plan"` {
			t.Errorf("there is %s, %v", r.plan, err)
		}
	})
}

// Nobody waits for longer than half as long again as a lease, however many holders there are, and
// an instance that has waited in vain shares nothing.
func TestLeaseWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		stop := make(chan struct{})
		go func() { // Holders come and go, and none of them builds.
			for {
				_, _, _ = store.Lease(t.Context(), storeKey("1", Key{Query: "{ q }"}), testLease)
				select {
				case <-stop:
					return
				case <-time.After(time.Nanosecond * 999_999): // before anybody else
				}
			}
		}()
		synctest.Wait()
		var builds atomic.Int64
		caches := leasing(t, store, 3)
		took := all(t, caches, func(int) (string, error) { builds.Add(1); return "plan", nil })
		close(stop)
		if took > testLease*3/2+time.Millisecond || builds.Load() < 2 {
			t.Errorf("%d builds, in %v", builds.Load(), took)
		}
		for _, c := range caches {
			if s := c.Stats().Store.Leases; s.Overdue+s.Held+s.Awaited != 1 {
				t.Errorf("got %+v", s)
			}
		}
	})
}

// A build that fails, a cache that is closed and a deletion end a lease at once.
func TestLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		caches := leasing(t, store, 3)
		bad := errors.New("bad")
		failing := func(context.Context) (string, error) { time.Sleep(10 * time.Millisecond); return "", bad }
		ended := make(chan error, 2)
		go func() { _, err := caches[0].Load(t.Context(), Key{Query: "{ q }"}, failing); ended <- err }()
		synctest.Wait()
		took := all(t, caches[1:2], func(int) (string, error) { return "plan", nil })
		if took > 100*time.Millisecond {
			t.Errorf("after a failed build: %v", took)
		}
		if err := <-ended; !errors.Is(err, bad) {
			t.Error(err)
		}
		key := Key{Query: "{ deleted }"}
		go func() {
			_, err := caches[1].Load(t.Context(), key, func(context.Context) (string, error) { time.Sleep(time.Second / 2); return "plan", nil })
			ended <- err
		}()
		synctest.Wait()
		if err := caches[2].Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, ok := store.values[storeKey("1", key)]; ok {
			t.Error("what was deleted while it was built is in the store")
		}
		key.Query = "{ closed }"
		go func() {
			_, err := caches[2].Load(t.Context(), key, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
			ended <- err
		}()
		synctest.Wait()
		if err := caches[2].Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if n := len(store.leases); n != 0 {
			t.Errorf("%d leases are left: %v", n, store.leases)
		}
	})
}

// When the store fails while a plan is waited for, it is built as without a store.
func TestLeaseStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		if _, _, err := store.Lease(t.Context(), storeKey("1", Key{Query: "{ q }"}), testLease); err != nil {
			t.Fatal(err)
		}
		caches := leasing(t, store, 3)
		time.AfterFunc(testLease/2, func() { store.broken.Store(true) })
		var builds atomic.Int64
		took := all(t, caches, func(int) (string, error) { builds.Add(1); return "plan", nil })
		if builds.Load() != 3 || took > testLease/2+2*leasePollMost {
			t.Errorf("%d builds, in %v", builds.Load(), took)
		}
	})
}

// What is in the store and is no plan is replaced, as it is without leases.
func TestLeaseForeignValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeaser()
		store.put(storeKey("1", Key{Query: "{ q }"}), []byte("\xff garbage"))
		all(t, leasing(t, store, 1), func(int) (string, error) { return "plan", nil })
		if _, err := decodeRecord(store.values[storeKey("1", Key{Query: "{ q }"})]); err != nil {
			t.Error(err)
		}
	})
}

func TestLeaseOptions(t *testing.T) {
	for name, o := range map[string]Options[string]{
		"no store":    {Lease: time.Second},
		"no leases":   {Lease: time.Second, Store: newMemory(), Codec: jsonCodec[string]{}},
		"is negative": {Lease: -1, Store: newLeaser(), Codec: jsonCodec[string]{}},
	} {
		if c, err := New(o); err == nil {
			t.Errorf("%s: it was taken", name)
			c.Close()
		}
	}
}

// lateLeaser is a leaser whose SetLeased waits.
type lateLeaser struct {
	*leaser
	release chan struct{}
}

func (l lateLeaser) SetLeased(ctx context.Context, key, token string, value []byte, ttl time.Duration) error {
	<-l.release
	return l.leaser.SetLeased(ctx, key, token, value, ttl)
}

// A holder whose key was deleted before its plan came leaves alone what the next one has stored.
func TestLostLeaseLeavesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := lateLeaser{newLeaser(), make(chan struct{})}
		c, err := New(Options[string]{
			Schema: "1", Codec: jsonCodec[string]{}, Store: store, StoreTimeout: time.Minute, Lease: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		key := Key{Query: "{ q }"}
		if _, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return "plan", nil }); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := c.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		store.put(storeKey("1", key), []byte("of the next"))
		close(store.release)
		synctest.Wait()
		if _, err := store.Get(t.Context(), storeKey("1", key)); err != nil {
			t.Error(err)
		}
	})
}

// stubborn is a leaser whose SetLeased ignores its context.
type stubborn struct {
	*leaser
	released, stored atomic.Int32
}

func (s *stubborn) SetLeased(context.Context, string, string, []byte, time.Duration) error {
	time.Sleep(50 * time.Millisecond)
	s.stored.Add(1) // No lock: the race detector must see what has no order.
	return nil
}

func (s *stubborn) Release(ctx context.Context, key, token string) error {
	defer s.released.Add(1)
	return s.leaser.Release(ctx, key, token)
}

// A store that goes on with a plan after its time shares nothing with those who go on without it,
// which the race detector sees, and a lease that may not have ended is released.
func TestLeaseStoreIgnoresContext(t *testing.T) {
	store := &stubborn{leaser: newLeaser()}
	c := newTest(t, Options[string]{
		Schema: "1", Codec: jsonCodec[string]{}, Store: store, StoreTimeout: 5 * time.Millisecond, Lease: time.Hour,
	})
	for i := 0; store.released.Load() == 0 || store.stored.Load() == 0; i++ { // A busy machine may be late with either.
		key := Key{Query: fmt.Sprintf("{ q%d }", i)}
		if got, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return "plan", nil }); got != "plan" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		time.Sleep(60 * time.Millisecond)
	}
}
