package plancache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
)

// memory is a Store that can be broken.
type memory struct {
	mu       sync.Mutex
	values   map[string][]byte
	watchers map[chan string]bool
	broken   atomic.Bool
	slow     atomic.Int64
	calls    atomic.Int64
}

func newMemory() *memory {
	return &memory{values: map[string][]byte{}, watchers: map[chan string]bool{}}
}

var errDown = errors.New("down")

func (m *memory) enter(ctx context.Context) error {
	m.calls.Add(1)
	// Under the race detector a channel of a timer that has ended already crashes Go 1.26 in a
	// bubble of synctest.
	if slow := time.Duration(m.slow.Load()); slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.broken.Load() {
		return errDown
	}
	return nil
}

func (m *memory) Get(ctx context.Context, key string) ([]byte, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.values[key]; ok {
		return v, nil
	}
	return nil, ErrNotFound
}

func (m *memory) Set(ctx context.Context, key string, value []byte, _ time.Duration) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
	return nil
}

func (m *memory) put(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
}

func (m *memory) Delete(ctx context.Context, key string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.values {
		if prefix, all := strings.CutSuffix(key, "*"); k == key || all && strings.HasPrefix(k, prefix) {
			delete(m.values, k)
		}
	}
	for w := range m.watchers {
		w <- key
	}
	return nil
}

func (m *memory) Watch(ctx context.Context) (<-chan string, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	w := make(chan string, 100)
	m.mu.Lock()
	m.watchers[w] = true
	m.mu.Unlock()
	context.AfterFunc(ctx, func() { m.cut(w) })
	return w, nil
}

// cut ends one watcher, or all.
func (m *memory) cut(only chan string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.watchers {
		if only == nil || w == only {
			delete(m.watchers, w)
			close(w)
		}
	}
}

func (m *memory) watched() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.watchers)
}

type jsonCodec[P any] struct{}

func (jsonCodec[P]) Encode(p P) ([]byte, error)       { return json.Marshal(p) }
func (jsonCodec[P]) Decode(b []byte) (p P, err error) { err = json.Unmarshal(b, &p); return p, err }

func fleet(t *testing.T, m *memory, n int) (list []*Cache[string]) {
	t.Helper()
	for range n {
		list = append(list, newTest(t, Options[string]{
			Schema: "1", Codec: jsonCodec[string]{}, Store: m, StoreTimeout: 10 * time.Second,
		}))
	}
	wait.Until(t, "all watch", func() bool { return m.watched() == n })
	return list
}

// build has a cache build a plan, or find one.
func build(t *testing.T, c *Cache[string], text string) {
	t.Helper()
	_, err := c.Load(t.Context(), Key{Query: text}, func(context.Context) (string, error) { return "plan", nil })
	if err != nil {
		t.Error(err)
	}
}

// waitFor waits until a store has so many values.
func waitFor(t *testing.T, m *memory, n int) {
	t.Helper()
	wait.Until(t, "all is in the store", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.values) == n })
}

// What is deleted while the first Watch begins, or while one is lost, is seen.
func TestInvalidatedBeforeWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		other, _ := New(Options[string]{Invalidator: m})
		defer other.Close()
		for _, setup := range []time.Duration{0, time.Millisecond, 49 * time.Millisecond, 200 * time.Millisecond, 10 * time.Second} {
			for _, deleted := range []time.Duration{1, 100 * time.Millisecond, 9 * time.Second} {
				m.slow.Store(int64(setup))
				c, err := New(Options[string]{Invalidator: m})
				if err != nil {
					t.Fatal(err)
				}
				m.slow.Store(0)
				c.Add(t.Context(), Key{Query: "{ a }"}, "old")
				time.Sleep(deleted)
				if err := other.Delete(t.Context(), Key{Query: "{ a }"}); err != nil {
					t.Error(err)
				}
				time.Sleep(setup)
				synctest.Wait()
				if got, ok := c.Get(t.Context(), Key{Query: "{ a }"}); ok {
					t.Errorf("Watch took %v, and %q is there %v after it was deleted", setup, got, setup)
				}
				c.Add(t.Context(), Key{Query: "{ b }"}, "new")
				time.Sleep(time.Minute)
				if _, ok := c.Get(t.Context(), Key{Query: "{ b }"}); !ok {
					t.Errorf("Watch took %v, and nothing stays", setup)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// What one has built, the others fetch; what one deletes, all lose.
func TestFleet(t *testing.T) {
	m := newMemory()
	caches := fleet(t, m, 3)
	var builds atomic.Int64
	load := func(c *Cache[string], q string) string {
		t.Helper()
		plan, err := c.Load(t.Context(), Key{Query: q}, func(context.Context) (string, error) { builds.Add(1); return "plan of " + q, nil })
		if err != nil {
			t.Error(err)
		}
		return plan
	}
	stored := func(n int) func() bool {
		return func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.values) == n }
	}
	load(caches[0], "a")
	load(caches[0], "b")
	wait.Until(t, "both are shared", stored(2))
	for _, c := range caches {
		if got := load(c, "a") + load(c, "b"); got != "plan of aplan of b" {
			t.Errorf("got %q", got)
		}
	}
	if builds.Load() != 2 || caches[1].Stats().Store.Hits != 2 {
		t.Errorf("%d builds; %+v", builds.Load(), caches[1].Stats().Store)
	}
	if err := caches[2].Delete(t.Context(), Key{Query: "a"}); err != nil {
		t.Error(err)
	}
	for i, c := range caches {
		wait.Until(t, "a is gone and b is not", func() bool {
			_, a := c.Get(t.Context(), Key{Query: "a"})
			_, b := c.Get(t.Context(), Key{Query: "b"})
			return !a && b
		})
		_ = i
	}
	load(caches[1], "a")
	if builds.Load() != 3 {
		t.Errorf("%d builds", builds.Load())
	}
	wait.Until(t, "it is shared again", stored(2))
	if err := caches[0].InvalidateSchema(t.Context(), "1"); err != nil {
		t.Error(err)
	}
	for _, c := range caches {
		wait.Until(t, "all is gone", func() bool { return c.Len() == 0 })
	}
	wait.Until(t, "all is gone from the store", stored(0))
	// Plans of another version are others.
	wait.Until(t, "it is shared", func() bool {
		load(caches[0], "a") // The notification of its own invalidation may discard the first.
		return stored(1)()
	})
	if err := caches[1].SetSchema(t.Context(), "2", Switch[string]{}); err != nil {
		t.Error(err)
	}
	before := builds.Load()
	load(caches[1], "a")
	if builds.Load() != before+1 {
		t.Error("a plan of another version was fetched")
	}
}

// A store that fails, or is slow, costs no caller its plan, and is left alone for a while.
func TestBrokenStore(t *testing.T) {
	m := newMemory()
	c := fleet(t, m, 1)[0]
	m.broken.Store(true)
	for i := range 50 {
		if plan, err := c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (string, error) { return "x", nil }); err != nil || plan != "x" {
			t.Errorf("got %q, %v", plan, err)
		}
	}
	if s := c.Stats().Store; s.Errors < breakAfter || s.Skipped < 50 {
		t.Errorf("got %+v", s)
	}
	m.broken.Store(false)
	wait.Until(t, "it is asked again", func() bool {
		before := m.calls.Load()
		_, _ = c.Load(t.Context(), Key{Query: query(int(time.Now().UnixNano()))}, func(context.Context) (string, error) { return "x", nil })
		return m.calls.Load() > before
	})
}

// When a plan ends that comes from elsewhere is known on the monotonic clock, as it is of all others.
func TestRevivedDeadline(t *testing.T) {
	c := newTest(t, Options[string]{Codec: jsonCodec[string]{}})
	end := time.UnixMilli(time.Now().Add(time.Minute).UnixMilli())
	m, err := c.revive(Key{Query: "a"}, record{deadline: end, plan: []byte(`"plan"`)})
	if err != nil || !m.deadline.Round(0).Equal(end) {
		t.Errorf("it ends at %v, not at %v: %v", m.deadline, end, err)
	}
	if m.deadline == m.deadline.Round(0) { // Round takes the monotonic clock's reading away.
		t.Errorf("%v is only on the wall clock", m.deadline)
	}
}

// When keys may have been missed, nothing that was there is trusted.
func TestMissedInvalidations(t *testing.T) {
	m := newMemory()
	c := fleet(t, m, 1)[0]
	c.Add(t.Context(), Key{Query: "q"}, "old")
	m.cut(nil)
	wait.Until(t, "it is gone, and is watched again", func() bool { _, ok := c.Get(t.Context(), Key{Query: "q"}); return !ok && m.watched() == 1 })
}

// Garbage in the store, and plans for other keys, are not used.
func TestForeignValues(t *testing.T) {
	m := newMemory()
	c := fleet(t, m, 1)[0]
	for name, value := range map[string][]byte{
		"empty": {}, "garbage": []byte("\xff\xff\xff\xff\xff\xff"), "other": encodeRecord(record{version: "1", key: Key{Query: "elsewhere"}, plan: []byte(`"evil"`)}),
		"version": encodeRecord(record{version: "0", key: Key{Query: "version"}, plan: []byte(`"old"`)}), "undecodable": encodeRecord(record{version: "1", key: Key{Query: "undecodable"}, plan: []byte(`{`)}),
	} {
		m.mu.Lock()
		m.values[storeKey("1", Key{Query: name})] = value
		m.mu.Unlock()
		if got, err := c.Load(t.Context(), Key{Query: name}, func(context.Context) (string, error) { return "mine", nil }); got != "mine" || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// A plan that is evicted while it is on its way to the store stays there: others may use it. What is
// invalidated meanwhile does not, whether or not it was evicted before.
func TestEvictedWhileShared(t *testing.T) {
	key := Key{Query: "a"}
	address := storeKey("1", key)
	for name, test := range map[string]struct {
		meanwhile func(*Cache[string], *memory) error
		stays     bool
	}{
		"nothing":              {func(*Cache[string], *memory) error { return nil }, true},
		"another one deleted":  {func(c *Cache[string], _ *memory) error { return c.Delete(context.Background(), Key{Query: "b"}) }, true},
		"another version ends": {func(c *Cache[string], _ *memory) error { return c.InvalidateSchema(context.Background(), "2") }, true},
		"deleted":              {func(c *Cache[string], _ *memory) error { return c.Delete(context.Background(), key) }, false},
		"deleted elsewhere":    {func(_ *Cache[string], m *memory) error { return m.Delete(context.Background(), address) }, false},
		"deleted by prefix":    {func(_ *Cache[string], m *memory) error { return m.Delete(context.Background(), address[:20]+"*") }, false},
		"version ends":         {func(c *Cache[string], _ *memory) error { return c.InvalidateSchema(context.Background(), "1") }, false},
		"purged":               {func(c *Cache[string], _ *memory) error { c.Purge(); return nil }, false},
	} {
		for _, evicted := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				m, release := newMemory(), make(chan struct{})
				store := callingStore{m, func(what string) {
					if what == "Set" {
						<-release
					}
				}}
				c, err := New(Options[string]{
					Schema: "1", Capacity: 1, Codec: jsonCodec[string]{}, Store: store, StoreTimeout: time.Minute,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return "plan", nil }); err != nil {
					t.Error(err)
				}
				if synctest.Wait(); evicted {
					c.Add(t.Context(), Key{Query: "c"}, "plan")
				}
				if err := test.meanwhile(c, m); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				close(release)
				synctest.Wait()
				if _, err := m.Get(t.Context(), address); (err == nil) != test.stays {
					t.Errorf("%s, evicted: %v: the store has it: %v", name, evicted, err == nil)
				}
				if n := len(c.level.uploads.all); n != 0 {
					t.Errorf("%s: %d plans are still on their way", name, n)
				}
			})
		}
	}
}

// lateStore is a store whose Set ignores its context.
type lateStore struct {
	*memory
	release chan struct{}
}

func (s lateStore) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	<-s.release
	s.put(key, value)
	return nil
}

// What is deleted while a store is still at it after its time does not stay there.
func TestDeletedWhileStoreIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := lateStore{newMemory(), make(chan struct{})}
		c, err := New(Options[string]{Schema: "1", Codec: jsonCodec[string]{}, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		key := Key{Query: "a"}
		if _, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return "old", nil }); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // longer than StoreTimeout
		if err := store.Delete(t.Context(), storeKey("1", key)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		close(store.release)
		synctest.Wait()
		got, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return "new", nil })
		if got != "new" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		time.Sleep(2 * time.Second) // It has waited until the deletion has settled.
		if synctest.Wait(); len(c.level.uploads.all) != 0 {
			t.Error("a plan is still on its way")
		}
	})
}

// tell tells all watchers of a deletion.
func (m *memory) tell(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.watchers {
		w <- key
	}
}

// What arrives in the store after its key was removed there, and before anybody is told of that, does not stay. What
// has been there for longer was removed, or was not meant.
func TestStoredBeforeADeletionIsTold(t *testing.T) {
	key := Key{Query: "a"}
	address := storeKey("1", key)
	for _, test := range []struct {
		told  string
		after time.Duration
		stays bool
	}{
		{address, 0, false}, {address, 900 * time.Millisecond, false}, {address[:20] + "*", 0, false}, {"*", 0, false},
		{storeKey("1", Key{Query: "b"}), 0, true}, {address, 2 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}, Store: m})
			build(t, c, key.Query) // The deletion has found nothing yet.
			time.Sleep(test.after)
			synctest.Wait()
			m.tell(test.told)
			synctest.Wait()
			if _, err := m.Get(t.Context(), address); (err == nil) != test.stays {
				t.Errorf("told of %q after %v: the store has it: %v", test.told, test.after, err == nil)
			}
		})
	}
}

// batching is a store that takes many deletions at a time.
type batching struct {
	*memory
	batches, alone atomic.Int32
}

func (b *batching) Delete(ctx context.Context, key string) error {
	b.alone.Add(1)
	return b.memory.Delete(ctx, key)
}

func (b *batching) DeleteEach(ctx context.Context, keys []string) error {
	b.batches.Add(1)
	for _, key := range keys {
		if err := b.memory.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Plans that are removed again together are so in one call.
func TestRemovedAgainTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &batching{memory: newMemory()}
		c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}, Store: b})
		for i := range 50 {
			build(t, c, query(i))
		}
		synctest.Wait()
		b.tell("*")
		synctest.Wait()
		if len(b.values) > 0 || b.batches.Load() != 1 || b.alone.Load() > 0 {
			t.Errorf("%d plans are left after %d batches and %d calls", len(b.values), b.batches.Load(), b.alone.Load())
		}
	})
}

// A plan that is removed again, because it was deleted on its way, does not make others remove what they have built
// since, which is stored when all have heard of it.
func TestRemovedAgainOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		key := Key{Query: "a"}
		var removals atomic.Int32
		var caches []*Cache[string]
		gates := []chan struct{}{make(chan struct{}), make(chan struct{})}
		for _, gate := range gates {
			c, err := New(Options[string]{
				Schema: "1", Codec: jsonCodec[string]{}, StoreTimeout: time.Minute,
				Store: callingStore{m, func(what string) {
					switch what {
					case "Set":
						<-gate
					case "Delete":
						removals.Add(1)
					}
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			caches = append(caches, c)
		}
		load := func(c *Cache[string], plan string) {
			got, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return plan, nil })
			if got != plan || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, plan)
			}
			synctest.Wait()
		}
		load(caches[0], "old")
		if err := m.Delete(t.Context(), storeKey("1", key)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		load(caches[1], "new")
		close(gates[0]) // The old one arrives.
		synctest.Wait()
		load(caches[1], "new again") // The other one was told of its removal.
		close(gates[1])
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := removals.Load(); n != 1 {
			t.Errorf("%d removals, want that of the old plan", n)
		}
		r, err := decodeRecord(m.values[storeKey("1", key)])
		if err != nil || string(r.plan) != `"new again"` {
			t.Errorf("there is %s, %v", r.plan, err)
		}
	})
}

// Plans that were deleted together are not all stored again at the same moment.
func TestStoredAgainOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var mu sync.Mutex
		moments := map[time.Time]bool{}
		c, err := New(Options[string]{
			Schema: "1", Codec: jsonCodec[string]{},
			Store: callingStore{m, func(what string) {
				if what == "Set" {
					mu.Lock()
					defer mu.Unlock()
					moments[time.Now()] = true
				}
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.InvalidateSchema(t.Context(), "1"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		for i := range 100 {
			build(t, c, query(i))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(m.values) != 100 || len(moments) < 50 {
			t.Errorf("%d plans were stored at %d moments", len(m.values), len(moments))
		}
	})
}

// quiet is an Invalidator that calls a function, and tells nobody.
type quiet struct {
	airwaves
	removes func()
}

func (q *quiet) Delete(context.Context, string) error {
	q.removes()
	return nil
}

// What is found in the second level before it is removed there is not here any more when its deletion returns.
func TestFoundWhileDeleted(t *testing.T) {
	key := Key{Query: "a"}
	for name, remove := range map[string]func(*Cache[string]) error{
		"key":     func(c *Cache[string]) error { return c.Delete(t.Context(), key) },
		"version": func(c *Cache[string]) error { return c.InvalidateSchema(t.Context(), "1") },
	} {
		m, carrier := newMemory(), &quiet{}
		c := newTest(t, Options[string]{
			Schema: "1", Codec: jsonCodec[string]{}, Store: m, Invalidator: carrier, StoreTimeout: 10 * time.Second,
		})
		load := func() {
			plan, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return "old", nil })
			if plan != "old" || err != nil {
				t.Errorf("%s: got %q, %v", name, plan, err)
			}
		}
		load()
		waitFor(t, m, 1)
		carrier.removes = func() {
			load()
			m.mu.Lock()
			defer m.mu.Unlock()
			clear(m.values)
		}
		if err := remove(c); err != nil {
			t.Error(err)
		}
		if got, ok := c.Get(t.Context(), key); ok {
			t.Errorf("%s: %q is there", name, got)
		}
		if s := c.Stats(); s.Store.Hits != 1 {
			t.Errorf("%s: it was not found meanwhile: %+v", name, s)
		}
	}
}

// A cache that was purged, as each is when it has lost the second level, shares what it builds at once.
func TestSharedAfterPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}, Store: m})
		c.Purge()
		build(t, c, "a")
		synctest.Wait()
		if len(m.values) != 1 {
			t.Errorf("%d plans are shared, want 1", len(m.values))
		}
	})
}

// A prefix of keys takes their plans out, and no others, however long it is.
func TestDeletedByPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c, err := New(Options[string]{Schema: "1", PlanVersion: "2", Invalidator: m})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		keys := []Key{{Query: "a"}, {Query: "b"}}
		first, second := c.address("1", keys[0]), c.address("1", keys[1])
		for prefix, want := range map[string]int{
			first[:8]: 0, first[:versionSize]: 0, first[:versionSize+4]: 0, first[:len(first)-1]: 1, first: 1,
			second[:len(second)-20]: 1, versionKey("2"): 2, versionKey("2") + "ab": 2, first + "0": 2,
		} {
			for _, key := range keys {
				c.Add(t.Context(), key, "plan")
			}
			if err := m.Delete(t.Context(), prefix+"*"); err != nil {
				t.Error(err)
			}
			if synctest.Wait(); c.Len() != want {
				t.Errorf("%s*: %d plans are left, want %d", prefix, c.Len(), want)
			}
		}
	})
}

// A plan whose Encode panics, or ends its goroutine, is no failure of the store, which is asked on.
func TestEncodePanics(t *testing.T) {
	for how, end := range map[string]func(){"panic": func() { panic("no") }, "exit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			encode := func(what string) {
				if what == "Encode" {
					end()
				}
			}
			c, err := New(Options[string]{Codec: callingCodec(encode), Store: newMemory()})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i := range 2 * breakAfter { // All ask before the first one encodes: an answer would hide that.
				go func() {
					_, err := c.Load(t.Context(), Key{Query: query(i)}, func(context.Context) (string, error) {
						time.Sleep(time.Second)
						return "plan", nil
					})
					if err != nil {
						t.Error(err)
					}
				}()
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if c.level.open() || c.Stats().Errors != 2*breakAfter {
				t.Errorf("%s: the breaker is open, or not all of the errors were reported: %+v", how, c.Stats())
			}
		})
	}
}

// Caches that share no plans, and have no codec for them, tell each other of deletions.
func TestInvalidatorOnly(t *testing.T) {
	m := newMemory()
	var caches []*Cache[func()]
	for range 2 {
		caches = append(caches, newTest(t, Options[func()]{Invalidator: m, StoreTimeout: 10 * time.Second}))
	}
	wait.Until(t, "both watch", func() bool { return m.watched() == 2 })
	for _, c := range caches {
		for _, q := range []string{"a", "b"} {
			if _, err := c.Load(t.Context(), Key{Query: q}, func(context.Context) (func(), error) { return func() {}, nil }); err != nil {
				t.Error(err)
			}
		}
	}
	if len(m.values) != 0 {
		t.Errorf("%d plans were shared", len(m.values))
	}
	if err := caches[0].Delete(t.Context(), Key{Query: "a"}); err != nil {
		t.Error(err)
	}
	wait.Until(t, "the other one has lost it", func() bool { _, ok := caches[1].Get(t.Context(), Key{Query: "a"}); return !ok })
	if _, ok := caches[1].Get(t.Context(), Key{Query: "b"}); !ok {
		t.Error("it has lost another one as well")
	}
	// As a migration does.
	if err := m.Delete(t.Context(), "*"); err != nil {
		t.Error(err)
	}
	for _, c := range caches {
		wait.Until(t, "all is gone", func() bool { return c.Len() == 0 })
	}
}

// Beside a Store, an Invalidator carries the deletions, and the Store only keeps plans.
func TestStoreAndInvalidator(t *testing.T) {
	store, carrier := newMemory(), newMemory()
	var caches []*Cache[string]
	for range 2 {
		c, err := New(Options[string]{Schema: "1", Store: store, Codec: jsonCodec[string]{}, Invalidator: carrier})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		caches = append(caches, c)
	}
	key := Key{Query: "a"}
	for i, c := range caches {
		plan, err := c.Load(t.Context(), key, func(context.Context) (string, error) { return fmt.Sprint("plan ", i), nil })
		if plan != "plan 0" || err != nil {
			t.Errorf("got %q, %v", plan, err)
		}
		wait.Until(t, "it is shared", func() bool { _, err := store.Get(t.Context(), storeKey("1", key)); return err == nil })
	}
	if n := store.watched(); n != 0 {
		t.Errorf("%d watch the store", n)
	}
	if err := caches[0].Delete(t.Context(), key); err != nil {
		t.Error(err)
	}
	wait.Until(t, "the other one has lost it", func() bool { _, ok := caches[1].Get(t.Context(), key); return !ok })
}
