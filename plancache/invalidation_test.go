package plancache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// airwaves is an Invalidator in memory.
type airwaves struct {
	mu       sync.Mutex
	watchers []chan string
	deleted  []string
	fails    bool
}

func (a *airwaves) Delete(_ context.Context, key string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deleted = append(a.deleted, key)
	if a.fails {
		return errors.New("nobody hears")
	}
	for _, w := range a.watchers {
		w <- key
	}
	return nil
}

func (a *airwaves) Watch(context.Context) (<-chan string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := make(chan string, 1000)
	a.watchers = append(a.watchers, w)
	return w, nil
}

// Results end by key, by tag and by version of the schema, in all caches and no others.
func TestResultsEndByKeyAndSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airwaves{}
		var caches []*Results
		for range 2 {
			r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: air})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			caches = append(caches, r)
		}
		plans, err := New(Options[string]{Schema: "3", Invalidator: air})
		if err != nil {
			t.Fatal(err)
		}
		defer plans.Close()
		keys := []ResultKey{
			{Query: "a", Schema: "1"}, {Query: "b", Schema: "1"}, {Query: "a", Schema: "2"}, {Query: "c", Schema: "3"}, {Query: "d"},
		}
		fill := func() {
			for _, r := range caches {
				for _, key := range keys {
					_, err := r.Load(t.Context(), key, func(context.Context) ([]byte, []string, error) {
						return []byte(key.Query + key.Schema), []string{key.Query}, nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			}
		}
		for _, c := range []struct {
			what string
			call func() error
			left string
		}{
			{"a key", func() error { return caches[0].Delete(t.Context(), keys[0]) }, "b1 a2 c3 d"},
			{"a version", func() error { return caches[0].InvalidateSchema(t.Context(), "1") }, "a2 c3 d"},
			{"a tag", func() error { return caches[0].Invalidate(t.Context(), "a") }, "b1 c3 d"},
			{"a version of plans", func() error { return plans.InvalidateSchema(t.Context(), "3") }, "a1 b1 a2 d"},
			{"all", func() error { return air.Delete(t.Context(), "*") }, ""},
			{"all tags", func() error { return air.Delete(t.Context(), "tag:*") }, ""},
			{"some versions", func() error { return air.Delete(t.Context(), "0*") }, ""},
			{"a plan", func() error { return air.Delete(t.Context(), storeKey("1", Key{Query: "a"})) }, "a1 b1 a2 c3 d"},
			{"texts", func() error { return air.Delete(t.Context(), "text:*") }, "a1 b1 a2 c3 d"},
		} {
			fill()
			if err := c.call(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			for _, r := range caches {
				var left []string
				for _, key := range keys {
					if data, ok := r.Get(key); ok {
						left = append(left, string(data))
					}
				}
				if got := strings.Join(left, " "); got != c.left {
					t.Errorf("after %s: %q are left, want %q", c.what, got, c.left)
				}
			}
		}
	})
}

// A deletion is asked for however often the Invalidator has failed: it may keep what it
// cannot carry.
func TestDeletionsAreNotSkipped(t *testing.T) {
	air := &airwaves{fails: true}
	r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: air})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 20 {
		if err := r.Invalidate(t.Context(), "a"); err == nil {
			t.Error("no error")
		}
	}
	if n := len(air.deleted); n != 20 {
		t.Errorf("asked %d times", n)
	}
}

// bulk is an Invalidator that takes many keys at a time, and is slow.
type bulk struct {
	airwaves
	calls int
}

func (b *bulk) DeleteEach(ctx context.Context, keys []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.deleted = append(b.deleted, keys...)
	if b.fails {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// Many tags take one call where the Invalidator can do that, and no longer than one of some calls if
// it hangs: a mutation waits for it.
func TestManyTags(t *testing.T) {
	tags := make([]string, 10_000)
	for i := range tags {
		tags[i] = fmt.Sprint("tag ", i)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, fails := range []bool{false, true} {
			b := &bulk{airwaves: airwaves{fails: fails}}
			r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: b})
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if err := r.Invalidate(t.Context(), tags...); (err != nil) != fails {
				t.Error(err)
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("it took %v", took)
			}
			b.mu.Lock() // A call that goes on has it.
			if b.calls != 1 || len(b.deleted) != len(tags) || b.deleted[77] != tagKey("tag 77") {
				t.Errorf("%d calls with %d keys", b.calls, len(b.deleted))
			}
			b.mu.Unlock()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A text is deleted in all stores of a fleet, and all are where deletions may be missed.
func TestPersistedInAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airwaves{}
		var stores []*Persisted
		for range 2 {
			p, err := OpenPersisted(PersistedOptions{Invalidator: air})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			stores = append(stores, p)
		}
		queries := []string{"{a}", "{b}"}
		add := func() {
			for _, p := range stores {
				for _, q := range queries {
					p.Add(t.Context(), HashQuery(q), q)
				}
			}
		}
		expect := func(what string, want ...string) {
			t.Helper()
			synctest.Wait()
			for _, p := range stores {
				var got []string
				for _, q := range queries {
					if text, ok := p.Get(t.Context(), HashQuery(q)); ok {
						got = append(got, text)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: got %q, want %q", what, got, want)
				}
			}
		}
		add()
		if err := stores[0].Delete(t.Context(), strings.ToUpper(HashQuery("{a}"))); err != nil {
			t.Error(err)
		}
		expect("one was deleted", "{b}")
		add()
		expect("it was registered again", "{a}", "{b}")
		_ = air.Delete(t.Context(), "tag:1")
		expect("a tag is no text", "{a}", "{b}")
		_ = air.Delete(t.Context(), "*")
		expect("all was deleted")
		add()
		expect("all was registered again", "{a}", "{b}")
		air.mu.Lock()
		for _, w := range air.watchers {
			close(w) // Something may have been missed.
		}
		air.watchers = nil
		air.mu.Unlock()
		time.Sleep(time.Minute)
		expect("something was missed")
		for _, bad := range []string{"", "{a}", strings.Repeat("g", 64), strings.Repeat("a", 63)} {
			if err := stores[0].Delete(t.Context(), bad); err == nil {
				t.Errorf("no error for the hash %q", bad)
			}
		}
	})
	if err := NewTrusted(slices.Values([]string{"{a}"})).Delete(t.Context(), HashQuery("{a}")); !errors.Is(err, ErrTrusted) {
		t.Errorf("got %v", err)
	}
	for _, o := range []PersistedOptions{{Bytes: -1}, {StoreTimeout: -1}} {
		if _, err := OpenPersisted(o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
}
