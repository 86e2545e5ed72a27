package bus_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// OnError may block, call the link, close it, panic and end its goroutine: the link goes on.
func TestOnErrorDoesAsItLikes(t *testing.T) {
	for name, does := range map[string]func(l *bus.Link, blocked <-chan struct{}){
		"block":  func(_ *bus.Link, blocked <-chan struct{}) { <-blocked },
		"delete": func(l *bus.Link, _ <-chan struct{}) { _ = l.Delete(context.Background(), "k") },
		"watch":  func(l *bus.Link, _ <-chan struct{}) { _, _ = l.Watch(context.Background()) },
		"panic":  func(*bus.Link, <-chan struct{}) { panic("on error") },
		"goexit": func(*bus.Link, <-chan struct{}) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bustest.NewHub().Connect()
				w.Set(bustest.Down)
				made, blocked := make(chan *bus.Link, 1), make(chan struct{})
				var calls atomic.Int32
				l, err := bus.New(w, bus.Options{OnError: func(error) {
					calls.Add(1)
					link := <-made
					made <- link
					does(link, blocked)
				}})
				if err != nil {
					t.Fatal(err)
				}
				made <- l
				time.Sleep(time.Minute)
				w.Set(bustest.Up)
				if err := l.Ready(t.Context()); err != nil {
					t.Error(err)
				}
				closeAll(t, l)
				if calls.Load() == 0 {
					t.Error("OnError was not called")
				}
				close(blocked)
			})
		})
	}
}

// A link that is closed by OnError has nothing left over.
func TestOnErrorCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bustest.NewHub().Connect()
		w.Set(bustest.Down)
		made, closed := make(chan *bus.Link, 1), make(chan error, 1)
		l, err := bus.New(w, bus.Options{OnError: func(error) {
			select {
			case link := <-made:
				closed <- link.Close()
			default:
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		made <- l
		if err := <-closed; err != nil {
			t.Error(err)
		}
		closeAll(t, l)
	})
}

// Errors beyond a bound are counted only, while OnError blocks.
func TestErrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bustest.NewHub().Connect()
		w.Set(bustest.Down)
		blocked, calls := make(chan struct{}), 0
		l, err := bus.New(w, bus.Options{OnError: func(error) { calls++; <-blocked }})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		all := metric(l, "gqlboost.bus.errors", "")
		closeAll(t, l)
		close(blocked)
		synctest.Wait()
		if calls != 65 || all < 1000 {
			t.Errorf("%d of %v errors were told, want those that may wait and one", calls, all)
		}
	})
}

// deaf is a transport whose functions may ignore their contexts.
type deaf struct {
	bus.Transport
	publish func(ctx context.Context, message []byte) error
}

func (d deaf) Publish(ctx context.Context, message []byte) error { return d.publish(ctx, message) }

// Functions that ignore their contexts are called one at a time, and hold nobody up but what
// they must: when they return, all goes on.
func TestFunctionsThatIgnoreTheirContexts(t *testing.T) {
	for _, name := range []string{"publish", "before"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := bustest.NewHub().Connect()
				blocked := make(chan struct{})
				var running atomic.Int32
				var hold atomic.Bool
				block := func() {
					if running.Add(1) > 1 {
						t.Error("it is called again before it has returned")
					}
					<-blocked
					running.Add(-1)
				}
				transport := deaf{w, func(ctx context.Context, message []byte) error {
					if hold.Load() && name == "publish" {
						block()
					}
					return w.Publish(ctx, message)
				}}
				l, keys := open(t, transport, bus.Options{Before: func(context.Context, []string) error {
					if hold.Load() && name == "before" {
						block()
					}
					return nil
				}})
				synctest.Wait()
				hold.Store(true)
				begun := time.Now()
				if err := l.Delete(t.Context(), "k"); err == nil || time.Since(begun) > 7*time.Second {
					t.Errorf("after %v: %v, want an error after Silence", time.Since(begun), err)
				}
				time.Sleep(time.Minute)
				if h := l.Health(); !h.Blind || h.Err == nil {
					t.Errorf("%+v, want a reason", h)
				}
				hold.Store(false)
				close(blocked)
				time.Sleep(time.Minute)
				drain(keys)
				if err := l.Delete(t.Context(), "k"); err != nil || running.Load() != 0 {
					t.Error(err, running.Load())
				}
				closeAll(t, l)
			})
		})
	}
}

// While such a function goes on, Close says so and returns.
func TestCloseBesideAFunctionThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		w := bustest.NewHub().Connect()
		l, err := bus.New(deaf{w, func(context.Context, []byte) error { <-blocked; return nil }}, bus.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err == nil || !strings.Contains(err.Error(), "goes on") {
			t.Errorf("got %v", err)
		}
		close(blocked)
		synctest.Wait()
	})
}

// A subscription that ends its goroutine is begun again, as one that panics.
func TestSubscribeThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &strange{Wire: bustest.NewHub().Connect(), ends: 3}
		l, _ := open(t, s, bus.Options{})
		if s.ends != 0 {
			t.Errorf("%d ends are left", s.ends)
		}
		closeAll(t, l)
	})
}

type strange struct {
	*bustest.Wire
	ends int
}

func (s *strange) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	if s.ends > 0 {
		s.ends--
		runtime.Goexit()
	}
	return s.Wire.Subscribe(ctx, ready, receive)
}

// mute carries nothing, and says why.
type mute struct{ publish, subscribe error }

func (m mute) Publish(context.Context, []byte) error { return m.publish }

func (m mute) Subscribe(ctx context.Context, ready func(), _ func([]byte)) error {
	if m.subscribe != nil {
		return m.subscribe
	}
	ready()
	<-ctx.Done()
	return ctx.Err()
}

// What waits in vain says why.
func TestWhyNothingComes(t *testing.T) {
	errPublish, errSubscribe := errors.New("PUBLISH is forbidden"), errors.New("SUBSCRIBE is forbidden")
	for _, one := range []struct {
		transport mute
		want      error
	}{{mute{publish: errPublish}, errPublish}, {mute{subscribe: errSubscribe}, errSubscribe}, {mute{}, nil}} {
		synctest.Test(t, func(t *testing.T) {
			var told []error
			l, err := bus.New(one.transport, bus.Options{OnError: func(err error) { told = append(told, err) }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			errs := []error{l.Ready(ctx)}
			if one.transport.publish != nil {
				errs = append(errs, l.Delete(ctx, "k"))
			}
			if one.transport.subscribe != nil {
				_, err := l.Watch(ctx)
				errs = append(errs, err)
			}
			for _, err := range errs {
				if !errors.Is(err, context.DeadlineExceeded) || one.want != nil && !errors.Is(err, one.want) {
					t.Errorf("got %v, want %v", err, one.want)
				}
			}
			if err := l.Health().Err; !errors.Is(err, one.want) {
				t.Errorf("health: %v, want %v", err, one.want)
			}
			time.Sleep(time.Minute)
			_ = l.Close()
			synctest.Wait()
			if text := errors.Join(told...).Error(); one.want == nil && !strings.Contains(text, "does not come back") {
				t.Errorf("OnError was told %q", text)
			}
		})
	}
}

// Nil contexts and times that nothing can be done with are errors.
func TestMisuse(t *testing.T) {
	hub := bustest.NewHub()
	for _, o := range []bus.Options{
		{Silence: math.MaxInt64, Forget: math.MaxInt64}, {Forget: math.MaxInt64}, {Beat: 1}, {Beat: time.Millisecond - 1},
	} {
		if l, err := bus.New(hub.Connect(), o); err == nil {
			closeAll(t, l)
			t.Errorf("no error for %+v", o)
		}
	}
	l, err := bus.New(hub.Connect(), bus.Options{BlindFor: math.MaxInt64})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, l)
	if err := l.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	var none context.Context
	_, err = l.Watch(none)
	for _, err := range []error{err, l.Ready(none), l.Delete(none, "k")} {
		if err == nil {
			t.Error("no error for a nil context")
		}
	}
}
