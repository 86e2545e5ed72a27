package bus_test

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

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// bridge returns a bridge whose sides are "a" and "b".
func bridge(t *testing.T, a, b bus.Transport, o bus.Options) *bus.Bridge {
	t.Helper()
	return between(t, bus.Side{Name: "a", Transport: a, Options: o}, bus.Side{Name: "b", Transport: b, Options: o})
}

func between(t *testing.T, a, b bus.Side) *bus.Bridge {
	t.Helper()
	br, err := bus.NewBridge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return br
}

func TestBridgeOptions(t *testing.T) {
	w := bustest.NewHub().Connect()
	for _, names := range [][2]string{{"a", "a"}, {"", "b"}, {"a", "b c"}} {
		if _, err := bus.NewBridge(bus.Side{Name: names[0], Transport: w}, bus.Side{Name: names[1], Transport: w}); err == nil {
			t.Errorf("no error for %q", names)
		}
	}
	for i := range 2 {
		sides := [2]bus.Side{{Name: "a", Transport: w}, {Name: "b", Transport: w}}
		sides[i].Transport = nil
		if _, err := bus.NewBridge(sides[0], sides[1]); err == nil {
			t.Error("no error without a transport")
		}
	}
}

// Close says what the other region could not be told.
func TestBridgeClosesWithWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		far := hubB.Connect()
		br := bridge(t, hubA.Connect(), far, bus.Options{})
		a, _ := open(t, hubA.Connect(), bus.Options{})
		time.Sleep(3 * time.Second)
		far.Set(bustest.Down)
		if err := a.DeleteEach(t.Context(), []string{"k:1", "k:2"}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := br.Close(); err == nil || !strings.Contains(err.Error(), "2 keys") {
			t.Errorf("got %v, want the 2 keys that are left", err)
		}
		closeAll(t, a)
	})
}

// Keys go from one region to the other and back, once for each bridge, and in no circle.
func TestBridges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hubs [3]*bustest.Hub
		for i := range hubs {
			hubs[i] = bustest.NewHub()
		}
		var bridges []*bus.Bridge
		for i, names := range [][2]string{{"a", "b"}, {"a", "b"}, {"b", "c"}, {"c", "a"}} { // with a ring
			br, err := bus.NewBridge(
				bus.Side{Name: names[0], Transport: hubs[names[0][0]-'a'].Connect()},
				bus.Side{Name: names[1], Transport: hubs[names[1][0]-'a'].Connect()})
			if err != nil {
				t.Fatal(err, i)
			}
			bridges = append(bridges, br)
		}
		a, fromA := open(t, hubs[0].Connect(), bus.Options{Regions: []string{"b"}})
		b, fromB := open(t, hubs[1].Connect(), bus.Options{Regions: []string{"a"}})
		c, fromC := open(t, hubs[2].Connect(), bus.Options{})
		time.Sleep(10 * time.Second)
		for _, l := range []*bus.Link{a, b, c} {
			if h := l.Health(); h.Blind {
				t.Errorf("got %+v", h)
			}
		}
		drain(fromA)
		drain(fromB)
		drain(fromC)
		if err := a.Delete(t.Context(), "k:a"); err != nil {
			t.Error(err)
		}
		if err := b.Delete(t.Context(), "k:b"); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		for name, keys := range map[string]<-chan string{"a": fromA, "b": fromB, "c": fromC} {
			got := drain(keys)
			n := len(got)
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, []string{"k:a", "k:b"}) || n > 12 {
				t.Errorf("region %s got %q, %d keys", name, got, n)
			}
		}
		closeAll(t, a, b, c)
		for _, br := range bridges {
			if err := br.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// The loss of the way between regions is seen in both of them, bounded, and repaired: it costs all of what is cached,
// once, also if no peer that is known has deleted anything.
func TestBridgeCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		far := hubB.Connect()
		o := bus.Options{BlindFor: bus.Forever, Forget: time.Hour}
		br := bridge(t, hubA.Connect(), far, o)
		a, fromA := open(t, hubA.Connect(), o)
		b, fromB := open(t, hubB.Connect(), o)
		time.Sleep(3 * time.Second)
		for _, deleted := range []bool{false, true} {
			far.Set(bustest.Lossy)
			time.Sleep(4 * time.Second)
			if deleted {
				if err := a.Delete(t.Context(), "k"); err != nil {
					t.Error(err)
				}
				expect(t, "its own region", fromA, "k")
			}
			time.Sleep(5 * time.Second)
			for _, l := range []*bus.Link{a, b} {
				h := l.Health()
				if !h.Blind || !slices.ContainsFunc(h.Why, func(why string) bool { return why == "region a" || why == "region b" }) {
					t.Errorf("got %+v", h)
				}
			}
			if h := br.Health(); !h["b"].Blind {
				t.Errorf("got %+v", h)
			}
			far.Set(bustest.Up)
			time.Sleep(10 * time.Second)
			for _, l := range []*bus.Link{a, b} {
				if h := l.Health(); h.Blind {
					t.Errorf("got %+v", h)
				}
			}
			expect(t, "one region", fromA, "*")
			if deleted {
				if got := drain(fromB); !slices.Contains(got, "*") {
					t.Errorf("the other region: got %q", got)
				}
			} else {
				expect(t, "the other region", fromB, "*")
			}
		}
		closeAll(t, a, b)
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What an instance deletes that comes and goes while the regions are cut is known when they are not any more.
func TestShortLifeWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		far := hubB.Connect()
		br := bridge(t, hubA.Connect(), far, bus.Options{})
		a, fromA := open(t, hubA.Connect(), bus.Options{Regions: []string{"b"}})
		b, _ := open(t, hubB.Connect(), bus.Options{Regions: []string{"a"}})
		time.Sleep(3 * time.Second)
		drain(fromA)
		far.Set(bustest.Lossy)
		time.Sleep(2 * time.Second)
		short, _ := open(t, hubB.Connect(), bus.Options{})
		if err := short.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		closeAll(t, short)
		time.Sleep(8 * time.Second)
		expect(t, "before", fromA)
		far.Set(bustest.Up)
		time.Sleep(3 * time.Second)
		expect(t, "after", fromA, "*")
		closeAll(t, a, b)
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Keys of a bridge itself that fail do not keep it from relaying in time.
func TestBridgeRelaysWhileBeforeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		fails := bus.Options{Before: func(context.Context, []string) error { return errors.New("the store is down") }}
		br, err := bus.NewBridge(bus.Side{Name: "a", Transport: hubA.Connect(), Options: fails},
			bus.Side{Name: "b", Transport: hubB.Connect()})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // What it announces is over: a peer that sends no beats would be missed, and rightly so.
		a, _ := open(t, hubA.Connect(), bus.Options{Regions: []string{"b"}})
		var others []*bus.Link
		for range 20 {
			b, _ := open(t, hubB.Connect(), bus.Options{})
			others = append(others, b)
		}
		time.Sleep(5 * time.Second)
		for range 60 {
			time.Sleep(time.Second)
			if h := a.Health(); h.Blind || h.Peers != len(others) {
				t.Fatalf("%+v", h)
			}
		}
		closeAll(t, append(others, a)...)
		_ = br.Close() // Its key is never published.
	})
}

// A bridge that cannot publish a key of its own yet says nothing with a later number: the others would take that
// for a gap, and would not notice the loss of the key itself.
func TestBridgeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		var down atomic.Bool
		before := func(context.Context, []string) error {
			if down.Load() {
				return errors.New("the store is down")
			}
			return nil
		}
		br := between(t, bus.Side{Name: "a", Transport: hubA.Connect()},
			bus.Side{Name: "b", Transport: hubB.Connect(), Options: bus.Options{Before: before}})
		a, _ := open(t, hubA.Connect(), bus.Options{})
		b, fromB := open(t, hubB.Connect(), bus.Options{})
		time.Sleep(3 * time.Second)
		drain(fromB)
		down.Store(true)
		if err := hubA.Connect().Publish(t.Context(), []byte("k")); err != nil { // alone: the bridge gives it a number
			t.Error(err)
		}
		synctest.Wait()
		if err := a.Delete(t.Context(), "v:*"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		expect(t, "while the store is down", fromB)
		down.Store(false)
		time.Sleep(2 * time.Second)
		got := drain(fromB)
		slices.Sort(got)
		if !slices.Equal(got, []string{"k", "v:*"}) {
			t.Errorf("got %q, want both keys, and no gap", got)
		}
		closeAll(t, a, b)
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What the caches of a region share loses the keys of the other region before its caches are
// told of them, and all when the bridge may have missed some.
func TestBridgeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		var mu sync.Mutex
		var removed []string
		take := func() (got []string) {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			got, removed = removed, nil
			return got
		}
		near := hubA.Connect()
		before := func(_ context.Context, keys []string) error {
			mu.Lock()
			defer mu.Unlock()
			removed = append(removed, keys...)
			return nil
		}
		br := between(t, bus.Side{Name: "a", Transport: near},
			bus.Side{Name: "b", Transport: hubB.Connect(), Options: bus.Options{Before: before}})
		a, _ := open(t, hubA.Connect(), bus.Options{})
		b, fromB := open(t, hubB.Connect(), bus.Options{})
		time.Sleep(3 * time.Second)
		if got := take(); !slices.Equal(got, []string{"*"}) {
			t.Errorf("at the start: got %q", got)
		}
		drain(fromB)
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Error(err)
		}
		if got := take(); !slices.Equal(got, []string{"k"}) {
			t.Errorf("got %q", got)
		}
		expect(t, "told", fromB, "k")
		near.Set(bustest.Down)
		time.Sleep(10 * time.Second)
		if err := a.Delete(t.Context(), "k2"); err != nil {
			t.Error(err)
		}
		near.Set(bustest.Up)
		time.Sleep(10 * time.Second)
		if got := take(); !slices.Contains(got, "*") {
			t.Errorf("after a cut: got %q", got)
		}
		if got := drain(fromB); !slices.Contains(got, "*") {
			t.Errorf("after a cut: got %q", got)
		}
		closeAll(t, a, b)
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
}
