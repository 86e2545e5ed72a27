package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a link and what comes from it. It is for a bubble of synctest.
func open(t *testing.T, transport bus.Transport, o bus.Options) (*bus.Link, <-chan string) {
	t.Helper()
	l, err := bus.New(transport, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := l.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l, keys
}

// drain returns what has come.
func drain(keys <-chan string) (list []string) {
	synctest.Wait()
	for {
		select {
		case key, ok := <-keys:
			if !ok {
				return append(list, "closed")
			}
			list = append(list, key)
		default:
			return list
		}
	}
}

func expect(t *testing.T, what string, keys <-chan string, want ...string) {
	t.Helper()
	if got := drain(keys); !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func closeAll(t *testing.T, links ...*bus.Link) {
	t.Helper()
	for _, l := range links {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What one link deletes, the watchers of all links are told of, once, and nothing is dropped:
// not for links that come and go either.
func TestDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		a, fromA := open(t, hub.Connect(), bus.Options{})
		b, fromB := open(t, hub.Connect(), bus.Options{})
		for _, key := range []string{"a:1", "tag:2", "v:*"} {
			if err := a.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		// It comes when much was said, and all of it was said before.
		c, fromC := open(t, hub.Connect(), bus.Options{})
		time.Sleep(10 * time.Second)
		expect(t, "own keys", fromA, "a:1", "tag:2", "v:*")
		expect(t, "others' keys", fromB, "a:1", "tag:2", "v:*")
		expect(t, "a new link", fromC)
		closeAll(t, a)
		time.Sleep(10 * time.Minute)
		if err := c.Delete(t.Context(), "*"); err != nil {
			t.Error(err)
		}
		expect(t, "after one has gone", fromB, "*")
		expect(t, "own watchers end", fromA, "closed")
		closeAll(t, b, c)
	})
}

// A message that is lost on a link that works is noticed at the next beat.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lose atomic.Bool
		hub := bustest.NewHub()
		wa, wb := hub.Connect(), hub.Connect()
		hub.Lose = func(from, to *bustest.Wire) bool { return lose.Load() && from == wa && to == wb }
		a, _ := open(t, wa, bus.Options{})
		b, fromB := open(t, wb, bus.Options{})
		time.Sleep(1500 * time.Millisecond)
		lose.Store(true)
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Error(err)
		}
		lose.Store(false)
		expect(t, "before the beat", fromB)
		time.Sleep(time.Second)
		expect(t, "after it", fromB, "*")
		time.Sleep(time.Minute)
		expect(t, "later", fromB)
		closeAll(t, a, b)
	})
}

// A link that joins while a message is on its way to nobody does not miss that.
func TestJoinsAndLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lose atomic.Bool
		hub := bustest.NewHub()
		wa, wb := hub.Connect(), hub.Connect()
		hub.Lose = func(from, to *bustest.Wire) bool { return lose.Load() && from == wa && to == wb }
		a, _ := open(t, wa, bus.Options{})
		if err := a.Delete(t.Context(), "before"); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
		lose.Store(true) // before it has heard anything
		b, fromB := open(t, wb, bus.Options{})
		time.Sleep(100 * time.Millisecond)
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Error(err)
		}
		lose.Store(false)
		time.Sleep(time.Second)
		expect(t, "at the first beat", fromB, "*")
		closeAll(t, a, b)
	})
}

// While a link is down, caches lose all each BlindFor, and once more when it is back. What
// could not be published is published then.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		wa, wb := hub.Connect(), hub.Connect()
		o := bus.Options{BlindFor: 10 * time.Second, Forget: time.Hour}
		a, fromA := open(t, wa, o)
		b, fromB := open(t, wb, o)
		time.Sleep(1500 * time.Millisecond)
		wa.Set(bustest.Down)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Delete(ctx, "k"); err == nil {
			t.Error("no error")
		}
		time.Sleep(24 * time.Second)
		expect(t, "down", fromA, "k", "*", "*")
		expect(t, "its peer does not hear it", fromB, "*") // silent after 5 s
		if h := b.Health(); !h.Blind || !slices.Equal(h.Why, []string{"peer"}) {
			t.Errorf("got %+v", h)
		}
		if h := a.Health(); !h.Blind || !slices.Equal(h.Why, []string{"transport"}) || h.Err == nil {
			t.Errorf("got %+v", h)
		}
		wa.Set(bustest.Up)
		time.Sleep(7 * time.Second)
		expect(t, "up", fromA, "*")
		if got := drain(fromB); !slices.Contains(got, "k") {
			t.Errorf("what could not be published: got %q", got)
		}
		if a.Health().Blind || b.Health().Blind {
			t.Errorf("still blind: %+v, %+v", a.Health(), b.Health())
		}
		closeAll(t, a, b)
	})
}

// A transport that is not there at first, is so later: until then caches have the bounds of one
// that fails, and what they have deleted is published when it comes.
func TestDownAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		there, fromThere := open(t, hub.Connect(), bus.Options{})
		late := hub.Connect()
		late.Set(bustest.Down)
		l, err := bus.New(late, bus.Options{Silence: 3 * time.Second, BlindFor: 4 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		results, err := plancache.NewResults(plancache.ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: l})
		if err != nil {
			t.Fatal(err)
		}
		key := plancache.ResultKey{Query: "{ q }"}
		began := time.Now()
		made := began
		for time.Since(began) < 30*time.Second {
			_, err := results.Load(t.Context(), key, func(context.Context) ([]byte, []string, error) {
				made = time.Now()
				return []byte("1"), []string{"tag"}, nil
			})
			if age := time.Since(made); err != nil || age > 7*time.Second {
				t.Fatalf("%v after the start a result is %v old, %v", time.Since(began), age, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if made == began {
			t.Fatal("nothing was made again")
		}
		if err := results.Invalidate(t.Context(), "tag"); err == nil {
			t.Error("no error, and it was not published")
		}
		late.Set(bustest.Up)
		time.Sleep(5 * time.Second)
		if got := drain(fromThere); len(got) != 1 || !strings.HasPrefix(got[0], "tag:") {
			t.Errorf("what was deleted before: got %q", got)
		}
		if _, ok := results.Get(key); ok || l.Health().Blind {
			t.Errorf("a result of before is there: %v; %+v", ok, l.Health())
		}
		if err := results.Close(); err != nil {
			t.Error(err)
		}
		closeAll(t, l, there)
	})
}

// A link whose messages go nowhere, without an error, notices that and subscribes again. A
// peer that has crashed costs all of what is cached once, or nothing where that is trusted.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		wa, wb := hub.Connect(), hub.Connect()
		a, fromA := open(t, wa, bus.Options{BlindFor: bus.Forever})
		b, fromB := open(t, wb, bus.Options{BlindFor: bus.Forever})
		c, fromC := open(t, hub.Connect(), bus.Options{BlindFor: bus.Forever, TrustSilence: true})
		time.Sleep(1500 * time.Millisecond)
		wa.Set(bustest.Lossy)
		time.Sleep(10 * time.Second)
		if h := a.Health(); !h.Blind {
			t.Errorf("got %+v", h)
		}
		if h := c.Health(); h.Blind {
			t.Errorf("got %+v", h)
		}
		if err := a.Delete(t.Context(), "lost"); err != nil { // Its transport says that it works.
			t.Error(err)
		}
		wa.Set(bustest.Up)
		time.Sleep(10 * time.Second)
		expect(t, "back", fromA, "lost", "*")
		expect(t, "a message was lost", fromB, "*")
		expect(t, "a message was lost, with trust", fromC, "*")
		wa.Set(bustest.Down) // and it stays so
		time.Sleep(5 * time.Minute)
		expect(t, "a crash", fromB, "*")
		expect(t, "a crash, with trust", fromC)
		if h := b.Health(); h.Blind || h.Peers != 1 {
			t.Errorf("got %+v", h)
		}
		_ = a.Close()
		closeAll(t, b, c)
	})
}

// A watcher that is not read from loses its channel, and nobody waits for it.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, keys := open(t, bustest.NewHub().Connect(), bus.Options{})
		for range 10_100 {
			if err := a.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
		got := drain(keys)
		if n := len(got); n != 10_001 || got[n-1] != "closed" {
			t.Errorf("got %d keys, the last one %q", n, got[n-1])
		}
		closeAll(t, a)
	})
}

// Before is called before a message is published, until it works.
func TestBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		fails := 3
		var removed []string
		a, _ := open(t, hub.Connect(), bus.Options{Before: func(_ context.Context, keys []string) error {
			if fails--; fails >= 0 {
				return errors.New("the store is down")
			}
			removed = append(removed, keys...)
			return nil
		}})
		b, fromB := open(t, hub.Connect(), bus.Options{})
		if err := a.Delete(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "the store is down") {
			t.Errorf("got %v", err)
		}
		expect(t, "before it is removed", fromB)
		time.Sleep(4 * time.Second)
		expect(t, "after it was removed", fromB, "k")
		if !slices.Equal(removed, []string{"k"}) {
			t.Errorf("removed %q", removed)
		}
		closeAll(t, a, b)
	})
}

// What is not a message is refused and counted; a later version of one empties caches, and a
// key alone is a message.
func TestHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		a, keys := open(t, hub.Connect(), bus.Options{})
		outside := hub.Connect()
		bad := []string{
			"", " ", "\x00", "a b", "ä", strings.Repeat("k", 100), strings.Repeat("k", 1<<20), "a**", "*a",
			"gqlboost1 ", "gqlboost1 keys", "gqlboost1 keys 0123456789abcdef 0 0 - k", "gqlboost1 keys 0123456789abcdef 1 0 -",
			"gqlboost1 keys 0123456789abcdeF 1 0 - k", "gqlboost1 keys 0123456789abcdef -1 0 - k",
			"gqlboost1 keys 0123456789abcdef 1 99999999999999999999 - k", "gqlboost1 keys 0123456789abcdef 1 0 - k!",
			"gqlboost1 beat 0123456789abcdef 1 0 - k", "gqlboost1 what 0123456789abcdef 1 0 -",
			"gqlboost1 beat 0123456789abcdef 18446744073709551615 0 -", "gqlboost1 beat 0123456789abcdef 1 0 a,,b",
			"gqlboost1 beat 0123456789abcdef 1 0 a,b,c,d,e,f,g,h,i", "gqlboost1 keys 0123456789abcdef 1 0 -  k",
		}
		for _, text := range bad {
			if err := outside.Publish(t.Context(), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, "bad messages", keys)
		if n := metric(a, "gqlboost.bus.refused", "format"); n != float64(len(bad)) {
			t.Errorf("%v refused, want %d", n, len(bad))
		}
		for _, text := range []string{"abc:1", "*", "gqlboost2 something else"} {
			if err := outside.Publish(t.Context(), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, "keys alone, and a later version", keys, "abc:1", "*", "*")
		if n := metric(a, "gqlboost.bus.refused", "version"); n != 1 {
			t.Errorf("%v refused of another version", n)
		}
		for _, key := range []string{"", "a b", "a*b", "\n", strings.Repeat("k", 100)} {
			if err := a.Delete(t.Context(), key); err == nil {
				t.Errorf("no error for key %q", key)
			}
		}
		closeAll(t, a)
	})
}

// metric returns the value of a metric with an attribute's value.
func metric(l *bus.Link, name, attr string) float64 {
	for m := range l.Metrics() {
		if m.Name == name && (attr == "" || len(m.Attrs) > 0 && m.Attrs[0].Value == attr) {
			return m.Value
		}
	}
	return -1
}

func TestOptions(t *testing.T) {
	hub := bustest.NewHub()
	if _, err := bus.New(nil, bus.Options{}); err == nil {
		t.Error("no error without a transport")
	}
	for _, o := range []bus.Options{
		{Beat: -1}, {Silence: -1}, {Forget: -1}, {BlindFor: -2}, {Beat: time.Second, Silence: time.Second},
		{Forget: time.Second}, {Regions: []string{"a b"}}, {Regions: []string{"-"}}, {Regions: make([]string, 65)},
	} {
		if _, err := bus.New(hub.Connect(), o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
	l, err := bus.New(hub.Connect(), bus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, l, l)
	if err := l.Delete(t.Context(), "k"); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Watch(t.Context()); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// What is deleted while a beat is on its way, with Close behind it, is published before the goodbye.
func TestCloseDuringBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		w := hub.Connect()
		far := deaf{w, func(ctx context.Context, message []byte) error {
			if strings.Contains(string(message), " beat ") {
				time.Sleep(100 * time.Millisecond)
			}
			return w.Publish(ctx, message)
		}}
		begun := time.Now()
		a, _ := open(t, far, bus.Options{})
		b, fromB := open(t, hub.Connect(), bus.Options{})
		time.Sleep(time.Until(begun.Add(1050 * time.Millisecond))) // in the second beat
		deleted := make(chan error, 1)
		go func() { deleted <- a.Delete(t.Context(), "k") }()
		synctest.Wait()
		closeAll(t, a)
		if err := <-deleted; err != nil {
			t.Error(err)
		}
		expect(t, "what was left", fromB, "k")
		closeAll(t, b)
	})
}

// With the transport down, keys are bounded, and Close says what is left.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bustest.NewHub().Connect()
		a, _ := open(t, w, bus.Options{})
		w.Set(bustest.Down)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 20_000 {
			_ = a.Delete(ctx, "k:"+strings.Repeat("x", i%90))
			_ = a.Delete(ctx, "n:"+time.Duration(i).String()[:1]+strings.Repeat("y", i%80))
		}
		if n := metric(a, "gqlboost.bus.pending", ""); n < 1 || n > 11_000 {
			t.Errorf("%v keys wait", n)
		}
		time.Sleep(time.Minute)
		if err := a.Close(); err == nil {
			t.Error("no error for what is left")
		}
	})
}
