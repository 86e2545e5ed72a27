package bus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// sized is a transport that counts what is published, and its largest message.
type sized struct {
	*bustest.Wire
	largest, count atomic.Int64
}

func (s *sized) Publish(ctx context.Context, message []byte) error {
	s.largest.Store(max(s.largest.Load(), int64(len(message))))
	s.count.Add(1)
	return s.Wire.Publish(ctx, message)
}

// Keys that wait share messages of a bounded size; more of them than may wait are all there is.
func TestManyKeys(t *testing.T) {
	for _, c := range []struct{ keys, most int64 }{{5000, 200}, {10_500, 2}} {
		synctest.Test(t, func(t *testing.T) {
			hub := bustest.NewHub()
			w := &sized{Wire: hub.Connect()}
			o := bus.Options{BlindFor: bus.Forever, TrustSilence: true}
			a, _ := open(t, w, o)
			b, err := bus.New(hub.Connect(), o)
			if err != nil {
				t.Fatal(err)
			}
			w.Set(bustest.Hung)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			for i := range c.keys {
				_ = a.Delete(ended, fmt.Sprintf("k:%060d", i))
			}
			if n := metric(a, "gqlboost.bus.pending", ""); n < 1 || n > 10_001 {
				t.Errorf("%v keys wait", n)
			}
			before := w.count.Load()
			w.Set(bustest.Up)
			time.Sleep(time.Minute)
			if n := metric(a, "gqlboost.bus.pending", ""); n != 0 {
				t.Errorf("%v keys wait", n)
			}
			if w.largest.Load() > bus.MaxMessage {
				t.Errorf("a message has %d bytes", w.largest.Load())
			}
			if n := w.count.Load() - before - 61; n > c.most { // without beats
				t.Errorf("%d messages for %d keys", n, c.keys)
			}
			closeAll(t, a, b)
		})
	}
}

// A key that somebody publishes alone, as a migration does, goes over a bridge as well.
func TestBridgeOfKeysAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		br := bridge(t, hubA.Connect(), hubB.Connect(), bus.Options{})
		b, fromB := open(t, hubB.Connect(), bus.Options{})
		time.Sleep(3 * time.Second)
		if err := hubA.Connect().Publish(t.Context(), []byte("v:*")); err != nil {
			t.Fatal(err)
		}
		expect(t, "the other region", fromB, "v:*")
		closeAll(t, b)
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What two bridges say by themselves, that one of them has missed something, does not empty the
// region that it came from.
func TestBridgesDoNotEmptyTheOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		fills := bus.Options{Before: func(context.Context, []string) error { return nil }}
		o := bus.Options{BlindFor: bus.Forever, Forget: time.Hour, TrustSilence: true}
		var bridges []*bus.Bridge
		near := hubA.Connect()
		for _, w := range []*bustest.Wire{near, hubA.Connect()} {
			br, err := bus.NewBridge(bus.Side{Name: "a", Transport: w, Options: o},
				bus.Side{Name: "b", Transport: hubB.Connect(), Options: fills})
			if err != nil {
				t.Fatal(err)
			}
			bridges = append(bridges, br)
		}
		a, fromA := open(t, hubA.Connect(), o)
		b, fromB := open(t, hubB.Connect(), o)
		time.Sleep(10 * time.Second)
		drain(fromA)
		drain(fromB)
		near.Set(bustest.Down)
		time.Sleep(time.Second)
		near.Set(bustest.Up)
		time.Sleep(10 * time.Second)
		if got := drain(fromB); !slices.Contains(got, "*") {
			t.Errorf("the other region got %q", got)
		}
		expect(t, "the region itself", fromA)
		closeAll(t, a, b)
		for _, br := range bridges {
			if err := br.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Many keys at a time share messages, watchers keep up, and what could not be published is kept.
func TestDeleteEach(t *testing.T) {
	keys := make([]string, 3000)
	for i := range keys {
		keys[i] = fmt.Sprintf("tag:%040d", i)
	}
	synctest.Test(t, func(t *testing.T) {
		hub := bustest.NewHub()
		w := hub.Connect()
		a, own := open(t, w, bus.Options{})
		b, others := open(t, hub.Connect(), bus.Options{})
		var got [2][]string
		var reading sync.WaitGroup
		for i, from := range []<-chan string{own, others} {
			reading.Go(func() {
				for key := range from {
					got[i] = append(got[i], key)
				}
			})
		}
		sent := metric(a, "gqlboost.bus.messages", "sent")
		if err := a.DeleteEach(t.Context(), keys); err != nil {
			t.Error(err)
		}
		if n := metric(a, "gqlboost.bus.messages", "sent") - sent; n > 100 {
			t.Errorf("%v messages", n)
		}
		w.Set(bustest.Down)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.DeleteEach(ctx, keys[:1000]); err == nil {
			t.Error("no error where nothing goes")
		}
		if n := metric(a, "gqlboost.bus.pending", ""); n != 1000 {
			t.Errorf("%v keys are kept, want all", n)
		}
		w.Set(bustest.Up)
		time.Sleep(time.Minute)
		if err := a.DeleteEach(t.Context(), []string{"k", "not a key"}); err == nil {
			t.Error("no error for what is no key")
		}
		if err := a.DeleteEach(t.Context(), nil); err != nil {
			t.Error(err)
		}
		closeAll(t, a, b)
		reading.Wait()
		for i, list := range got {
			if !slices.Equal(list[:len(keys)], keys) {
				t.Errorf("watcher %d has %d keys, the first not as they were deleted", i, len(list))
			}
			if n := metric([]*bus.Link{a, b}[i], "gqlboost.bus.slow", ""); n != 0 {
				t.Errorf("watcher %d was too slow", i)
			}
			if !slices.Contains(list[len(keys):], keys[999]) && i == 1 {
				t.Error("what was kept has not come")
			}
		}
	})
}
