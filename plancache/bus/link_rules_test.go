package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// late is a transport whose subscriptions can be used after they have ended.
type late struct {
	*bustest.Wire
	mu      sync.Mutex
	ready   []func()
	receive []func([]byte)
}

func (l *late) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	l.mu.Lock()
	l.ready, l.receive = append(l.ready, ready), append(l.receive, receive)
	l.mu.Unlock()
	return l.Wire.Subscribe(ctx, ready, receive)
}

// What a subscription says after its end is not believed: it may be up no more, and its messages are of
// before.
func TestLateSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &late{Wire: bustest.NewHub().Connect()}
		l, keys := open(t, w, bus.Options{})
		w.Set(bustest.Down)
		synctest.Wait()
		drain(keys)
		w.ready[0]()
		if h := l.Health(); !h.Blind {
			t.Error("a subscription that has ended counts as up")
		}
		w.receive[0]([]byte("k"))
		expect(t, "from a subscription that has ended", keys)
		w.Set(bustest.Up)
		time.Sleep(time.Minute)
		drain(keys)
		drops := metric(l, "gqlboost.bus.drops", "link")
		w.ready[0]()
		w.receive[0]([]byte("k"))
		expect(t, "from one before the present one", keys)
		w.ready[len(w.ready)-1]() // again
		if n := metric(l, "gqlboost.bus.drops", "link"); n != drops || len(w.receive) < 2 {
			t.Errorf("%v drops more, %d subscriptions", n-drops, len(w.receive))
		}
		w.receive[len(w.receive)-1]([]byte("k"))
		expect(t, "from the present one", keys, "k")
		closeAll(t, l)
	})
}

// Caches are told of a key again when Before has removed it: meanwhile they may have found it there.
func TestToldAgainAfterBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		removing, removed := make(chan struct{}), make(chan struct{})
		l, keys := open(t, bustest.NewHub().Connect(), bus.Options{Before: func(context.Context, []string) error {
			close(removing)
			<-removed
			return nil
		}})
		done := make(chan error, 1)
		go func() { done <- l.Delete(t.Context(), "k") }()
		<-removing
		expect(t, "before it is removed", keys, "k")
		close(removed)
		if err := <-done; err != nil {
			t.Error(err)
		}
		expect(t, "when it is removed", keys, "k")
		closeAll(t, l)
	})
}

// To remove all that begins with a prefix takes a while: the others are told before, and again when it is removed. That
// the second message was lost is noticed.
func TestToldBeforeAScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lose atomic.Bool
		hub := bustest.NewHub()
		wa, wb := hub.Connect(), hub.Connect()
		hub.Lose = func(from, to *bustest.Wire) bool { return lose.Load() && from == wa && to == wb }
		removing, removed := make(chan struct{}), make(chan struct{})
		a, _ := open(t, wa, bus.Options{Before: func(context.Context, []string) error {
			removing <- struct{}{}
			<-removed
			return nil
		}})
		b, keys := open(t, wb, bus.Options{})
		for _, test := range []struct {
			key           string
			lost          bool
			before, after []string
		}{
			{"k", false, nil, []string{"k"}},
			{"v:*", false, []string{"v:*"}, []string{"v:*"}},
			{"v:*", true, []string{"v:*"}, []string{"*"}},
		} {
			done := make(chan error, 1)
			go func() { done <- a.Delete(t.Context(), test.key) }()
			<-removing
			expect(t, test.key+" before it is removed", keys, test.before...)
			lose.Store(test.lost)
			removed <- struct{}{}
			if err := <-done; err != nil {
				t.Error(err)
			}
			lose.Store(false)
			time.Sleep(2 * time.Second) // until the next beat
			expect(t, test.key+" when it is removed", keys, test.after...)
		}
		closeAll(t, a, b)
	})
}

// A beat that is late says what is not true any more, so it has the time of a beat; keys have Silence.
func TestTimesOfPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bustest.NewHub().Connect()
		var mu sync.Mutex
		times := map[string]time.Duration{}
		hang := false
		transport := deaf{w, func(ctx context.Context, message []byte) error {
			deadline, _ := ctx.Deadline()
			mu.Lock()
			times[strings.Fields(string(message))[1]] = time.Until(deadline)
			hangs := hang
			mu.Unlock()
			if hangs {
				<-ctx.Done()
				return errors.New("it hangs")
			}
			return w.Publish(ctx, message)
		}}
		l, _ := open(t, transport, bus.Options{Beat: time.Second, Silence: 7 * time.Second})
		if err := l.Delete(t.Context(), "k"); err != nil {
			t.Error(err)
		}
		mu.Lock()
		hang = true
		mu.Unlock()
		begun := time.Now()
		if err := l.Delete(t.Context(), "k"); err == nil || time.Since(begun) > 9*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		mu.Lock()
		hang = false
		mu.Unlock()
		time.Sleep(time.Minute)
		closeAll(t, l)
		if times["beat"] != time.Second || times["keys"] != 7*time.Second || times["bye"] != time.Second {
			t.Errorf("got %v", times)
		}
	})
}

// slow is a transport whose Publish takes some time.
type slow struct{ *bustest.Wire }

func (s slow) Publish(ctx context.Context, message []byte) error {
	time.Sleep(10 * time.Millisecond)
	return s.Wire.Publish(ctx, message)
}

// A link that always has keys to publish, of its own or of another region, sends its beats nevertheless:
// nobody becomes blind.
func TestBeatsBetweenKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubA, hubB := bustest.NewHub(), bustest.NewHub()
		br := bridge(t, slow{hubA.Connect()}, slow{hubB.Connect()}, bus.Options{})
		busy, _ := open(t, slow{hubA.Connect()}, bus.Options{})
		near, _ := open(t, hubA.Connect(), bus.Options{})
		far, _ := open(t, hubB.Connect(), bus.Options{Regions: []string{"a"}})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var deleting sync.WaitGroup
		for range 3 {
			deleting.Go(func() {
				for ctx.Err() == nil {
					_ = busy.Delete(ctx, "k")
				}
			})
		}
		links := []*bus.Link{busy, near, far}
		for range 29 {
			time.Sleep(time.Second)
			for i, l := range links {
				if h := l.Health(); h.Blind {
					t.Errorf("link %d: %+v", i, h)
				}
			}
		}
		deleting.Wait()
		closeAll(t, links...)
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Beats have less time than keys. Where they fail for that, callers whose keys are published are told so.
func TestKeysWhereBeatsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bustest.NewHub().Connect()
		var slow atomic.Bool
		l, _ := open(t, deaf{w, func(ctx context.Context, message []byte) error {
			if slow.Load() {
				select {
				case <-time.After(1200 * time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return w.Publish(ctx, message)
		}}, bus.Options{})
		slow.Store(true)
		var deleting sync.WaitGroup
		for range 3 {
			deleting.Go(func() {
				for range 20 {
					if err := l.Delete(t.Context(), "k"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		deleting.Wait()
		closeAll(t, l)
	})
}
