package plancache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// stamped builds plans that are the time of their build.
func stamped(context.Context) (time.Time, error) { return time.Now(), nil }

// A plan lives for its TTL, on however many instances and by whatever way it has come to
// them: a store that forgets nothing, a file, or another version of the schema.
func TestTTLIsThePlans(t *testing.T) {
	const ttl = 400 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		m := newMemory() // which ignores the time to live
		var caches []*Cache[time.Time]
		for range 2 {
			c, err := New(Options[time.Time]{
				Schema: "1", TTL: ttl, Codec: jsonCodec[time.Time]{}, Store: m,
				Expire: func(k Key, _ time.Time) time.Duration {
					return map[string]time.Duration{"short": ttl / 2, "forever": Forever}[k.Query]
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			caches = append(caches, c)
		}
		oldest := map[string]time.Duration{}
		for i := range 5000 {
			for _, c := range caches {
				for _, q := range []string{"plain", "short", "forever"} {
					built, err := c.Load(t.Context(), Key{Query: q}, stamped)
					if err != nil {
						t.Fatal(err)
					}
					oldest[q] = max(oldest[q], time.Since(built))
				}
			}
			switch i % 700 {
			case 100: // one is restarted
				var saved bytes.Buffer
				if err := caches[0].Save(&saved); err != nil {
					t.Fatal(err)
				}
				caches[0].Purge()
				if _, err := caches[0].Restore(&saved); err != nil {
					t.Fatal(err)
				}
			case 300: // and changes its schema, for which all plans are good
				s := Switch[time.Time]{Keep: func(Key, time.Time) bool { return true }}
				if err := caches[0].SetSchema(t.Context(), fmt.Sprint(i), s); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		for q, most := range map[string]time.Duration{"plain": ttl, "short": ttl / 2} {
			if oldest[q] > most || oldest[q] < most/2 {
				t.Errorf("a plan %q was served after %v, and is good for %v", q, oldest[q], most)
			}
		}
		if oldest["forever"] != 5*time.Second-time.Millisecond {
			t.Errorf("a plan forever was built again after %v", oldest["forever"])
		}
	})
}

// What was saved longer ago than it is good for is not restored, and the rest goes on
// living for as long as it had left.
func TestRestoreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := Options[int]{
			TTL: time.Minute, Jitter: -1, Codec: jsonCodec[int]{},
			Expire: func(_ Key, p int) time.Duration { return time.Duration(p) * time.Minute },
		}
		c, _ := New(config)
		defer c.Close()
		for i := range 3 {
			c.Add(t.Context(), Key{Query: query(i)}, i) // for 1, 1 and 2 minutes
		}
		var saved bytes.Buffer
		if err := c.Save(&saved); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Second)
		d, _ := New(config)
		defer d.Close()
		if n, err := d.Restore(&saved); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if _, ok := d.Get(t.Context(), Key{Query: query(2)}); !ok {
			t.Error("it is not there")
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if _, ok := d.Get(t.Context(), Key{Query: query(2)}); ok {
			t.Error("it has begun to live again")
		}
	})
}

// A record of a cache whose plans live longer, or whose clock goes wrong, lives no longer
// here than a plan that is built here.
func TestForeignDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c, _ := New(Options[string]{TTL: time.Minute, Jitter: -1, Codec: jsonCodec[string]{}, Store: m})
		defer c.Close()
		for i, end := range []time.Time{{}, time.Now().Add(1000 * time.Hour), time.Now(), time.Unix(0, 0)} {
			key := Key{Query: query(i)}
			m.put(storeKey("", key), encodeRecord(record{key: key, deadline: end, plan: []byte(`"theirs"`)}))
			load := func() string {
				plan, err := c.Load(t.Context(), Key{Query: key.Query}, func(context.Context) (string, error) { return "mine", nil })
				if err != nil {
					t.Error(err)
				}
				return plan
			}
			if got, want := load(), []string{"theirs", "theirs", "mine", "mine"}[i]; got != want {
				t.Errorf("%d: got %q, want %q", i, got, want)
			}
		}
		m.broken.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := c.Len(); n != 0 {
			t.Errorf("%d plans have not ended", n)
		}
	})
}

// Plans of another PlanVersion are those of another cache.
func TestPlanVersion(t *testing.T) {
	m := newMemory()
	cache := func(version string) *Cache[string] {
		return newTest(t, Options[string]{Schema: "1", PlanVersion: version, Codec: jsonCodec[string]{}, Store: m, StoreTimeout: 5 * time.Second})
	}
	a, b, again := cache("planner 1"), cache("planner 2"), cache("planner 1")
	load := func(c *Cache[string], plan string) string {
		got, err := c.Load(t.Context(), Key{Query: "q"}, func(context.Context) (string, error) { return plan, nil })
		if err != nil {
			t.Error(err)
		}
		return got
	}
	load(a, "a")
	waitFor(t, m, 1)
	if got := load(b, "b"); got != "b" {
		t.Errorf("got %q: the plan of another planner", got)
	}
	waitFor(t, m, 2)
	if got := load(again, "again"); got != "a" {
		t.Errorf("got %q: the planner's own plan is not shared", got)
	}
	var saved bytes.Buffer
	if err := a.Save(&saved); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Restore(bytes.NewReader(saved.Bytes())); n != 0 || !errors.Is(err, ErrPlanVersion) {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := Queries(&saved); err != nil {
		t.Error(err)
	}
	// A version of the schema ends for all planners.
	if err := a.InvalidateSchema(t.Context(), "1"); err != nil {
		t.Error(err)
	}
	waitFor(t, m, 0)
}
