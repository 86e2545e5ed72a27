package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record is what has happened, in order.
type record struct {
	mu   sync.Mutex
	list []string
}

func (r *record) add(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, what)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.list, " ")
}

// component records its calls.
func (r *record) component(name string) Component {
	does := func(what string) func(context.Context) error {
		return func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				what += "(unbounded)"
			}
			r.add(what + ":" + name)
			return nil
		}
	}
	return Component{Name: name, Start: does("start"), Warm: does("warm"), Drain: does("drain"), Close: does("close")}
}

func make1(t *testing.T, o Options, components ...Component) *Lifecycle {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range components {
		if err := l.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{}
		l := make1(t, Options{OnState: func(s State) { r.add(s.String()) }}, r.component("a"), r.component("b"))
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		const want = "start:a start:b warming warm:a warm:b ready draining drain:b drain:a close:b close:a closed"
		if r.String() != want {
			t.Errorf("%s\nwant %s", r, want)
		}
		if l.State() != Closed || !came(l.Done()) || !came(l.Draining()) {
			t.Error(l.State())
		}
	})
}

// Each time of the drain is the configured one, and each kind of work is told at its own.
func TestDrainInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make1(t, Options{DrainDelay: 3 * time.Second, StreamGrace: 2 * time.Second, DrainTimeout: 7 * time.Second})
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var all sync.WaitGroup
		follow := func(kind Kind, told, took time.Duration) {
			ctx, done, err := l.Begin(t.Context(), kind)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				defer done()
				<-ctx.Done()
				if at := time.Since(began); at != told || !errors.Is(context.Cause(ctx), ErrDraining) {
					t.Errorf("kind %d was told to end after %v, want %v: %v", kind, at, told, context.Cause(ctx))
				}
				time.Sleep(took)
			})
		}
		follow(Stream, 5*time.Second, 4*time.Second)
		follow(Request, 10*time.Second, time.Second/2)
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- l.Shutdown(t.Context()) }()
		}
		time.Sleep(3*time.Second - 1)
		_, done, err := l.Begin(t.Context(), Request)
		if err != nil {
			t.Error("work was shed before the balancer could know: ", err)
		} else {
			done()
			done() // Twice does no harm.
		}
		time.Sleep(2 * time.Nanosecond)
		if _, _, err := l.Begin(t.Context(), Request); !errors.Is(err, ErrDraining) {
			t.Error("work was admitted after DrainDelay: ", err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), "1 requests") {
				t.Error(err)
			}
		}
		if at := time.Since(began); at != 10*time.Second+time.Second/2 {
			t.Error("closed after ", at)
		}
		all.Wait()
	})
}

// A drain ends as soon as nothing runs.
func TestDrainEndsWithTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make1(t, Options{DrainDelay: NoWait})
		_ = l.Start(t.Context())
		began := time.Now()
		_, done, _ := l.Begin(t.Context(), Request)
		time.AfterFunc(1500*time.Millisecond, done)
		if err := l.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if at := time.Since(began); at != 1500*time.Millisecond {
			t.Error("closed after ", at)
		}
	})
}

// What does not end is given up, and components are closed all the same.
func TestWorkThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{}
		l := make1(t, Options{}, r.component("a"))
		_ = l.Start(t.Context())
		began := time.Now()
		_, request, _ := l.Begin(t.Context(), Request)
		_, stream, _ := l.Begin(t.Context(), Stream)
		err := l.Shutdown(t.Context())
		if !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), "2 requests and streams did not end") {
			t.Error(err)
		}
		if at := time.Since(began); at != 21*time.Second {
			t.Error("closed after ", at)
		}
		if !strings.HasSuffix(r.String(), "close:a") {
			t.Error(r)
		}
		request()
		stream()
	})
}

// A context that ends, and Hurry, cut the waits short.
func TestHurry(t *testing.T) {
	for _, hurry := range []func(*Lifecycle, context.CancelFunc){
		func(l *Lifecycle, _ context.CancelFunc) { l.Hurry(); l.Hurry() },
		func(_ *Lifecycle, cancel context.CancelFunc) { cancel() },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &record{}
			l := make1(t, Options{}, r.component("a"))
			_ = l.Start(t.Context())
			began := time.Now()
			work, done, _ := l.Begin(t.Context(), Request)
			go func() {
				<-work.Done()
				done()
			}()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(time.Second, func() { hurry(l, cancel) })
			if err := l.Shutdown(ctx); !errors.Is(err, ErrCut) {
				t.Error(err)
			}
			if at := time.Since(began); at != time.Second || !strings.HasSuffix(r.String(), "close:a") {
				t.Error("closed after ", at, r)
			}
		})
	}
}

func TestStartThatFails(t *testing.T) {
	for name, f := range map[string]func(context.Context) error{
		"error":      func(context.Context) error { return errors.New("no disk") },
		"a panic":    func(context.Context) error { panic("no disk") },
		"Goexit":     func(context.Context) error { runtime.Goexit(); return nil },
		"no end":     func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		"not return": func(context.Context) error { time.Sleep(time.Hour); return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &record{}
			bad := r.component("bad")
			bad.Start, bad.Timeout = f, time.Second
			l := make1(t, Options{}, r.component("a"), bad, r.component("c"))
			err := l.Start(t.Context())
			if err == nil || !strings.Contains(err.Error(), `"bad"`) || name != "error" && !strings.Contains(err.Error(), name) {
				t.Error(name, err)
			}
			if again := l.Start(t.Context()); again == nil || again.Error() != err.Error() {
				t.Error(again)
			}
			if r.String() != "start:a drain:a close:a" || l.State() != Closed {
				t.Error(name, r, l.State())
			}
			time.Sleep(time.Hour) // The one that is left behind ends.
		})
	}
}

// A component that fails to warm, to drain or to close does not keep the others from it.
func TestLaterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		r := &record{}
		bad := Component{Name: "bad", Timeout: time.Second,
			Warm:  func(context.Context) error { panic("cold") },
			Drain: func(context.Context) error { panic("full") },
			Close: func(context.Context) error { time.Sleep(time.Minute); return nil },
		}
		l := make1(t, Options{OnError: func(err error) { told = append(told, err); panic("again") }}, r.component("a"), bad)
		if err := l.Start(t.Context()); err != nil || l.State() != Ready || len(told) != 1 {
			t.Error(err, l.State(), told)
		}
		err := l.Shutdown(t.Context())
		if err == nil || !strings.Contains(err.Error(), "full") || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if !strings.HasSuffix(r.String(), "drain:a close:a") {
			t.Error(r)
		}
		time.Sleep(time.Minute)
	})
}

// A shutdown during the start ends it, closes what had started, and waits for no balancer.
func TestShutdownDuringTheStart(t *testing.T) {
	for _, warm := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := &record{}
			slow := r.component("slow")
			wait := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
			if warm {
				slow.Warm = wait
			} else {
				slow.Start = wait
			}
			l := make1(t, Options{}, r.component("a"), slow)
			started := make(chan error, 1)
			go func() { started <- l.Start(t.Context()) }()
			synctest.Wait()
			if _, _, err := l.Begin(t.Context(), Request); !errors.Is(err, ErrNotReady) {
				t.Error(err)
			}
			began := time.Now()
			if err := l.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-started; !errors.Is(err, ErrDraining) || time.Since(began) > 0 {
				t.Error(err, time.Since(began))
			}
			if !strings.HasSuffix(r.String(), "close:a") {
				t.Error(r)
			}
		})
	}
}

// Calls in any order, by many at a time, neither block nor close anything twice.
func TestConcurrentCalls(t *testing.T) {
	for i := range 200 {
		synctest.Test(t, func(t *testing.T) {
			r := &record{}
			l := make1(t, Options{}, r.component("a"), r.component("b"))
			var all sync.WaitGroup
			for n := range 8 {
				all.Go(func() {
					switch (n + i) % 4 {
					case 0:
						_ = l.Start(t.Context())
					case 1:
						_ = l.Shutdown(t.Context())
					case 2:
						if _, done, err := l.Begin(t.Context(), Kind(n%3)); err == nil {
							time.Sleep(time.Millisecond)
							done()
						}
					case 3:
						_ = l.Add(Component{Name: "late"})
						for range l.Metrics() {
							_ = l.State()
						}
					}
				})
			}
			all.Wait()
			_ = l.Shutdown(t.Context())
			if err := l.Start(t.Context()); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrDraining) {
				t.Error(err)
			}
			for _, name := range []string{"a", "b"} {
				starts := strings.Count(r.String(), "start:"+name)
				if closes := strings.Count(r.String(), "close:"+name); starts > 1 || closes != starts {
					t.Errorf("%s was started %d times and closed %d times: %s", name, starts, closes, r)
				}
			}
		})
	}
}

// A callback that waits for the end does not wait forever.
func TestCallbackThatShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *Lifecycle
		l = make1(t, Options{OnState: func(s State) {
			if s == Ready {
				_ = l.Shutdown(t.Context())
			}
		}})
		_ = l.Start(t.Context())
		<-l.Done()
		synctest.Wait()
	})
}

// OnError may shut the instance down, and may block: nobody waits for it.
func TestOnErrorDoesAsItLikes(t *testing.T) {
	cold := Component{Name: "cold", Warm: func(context.Context) error { return errors.New("cold") }}
	synctest.Test(t, func(t *testing.T) {
		var l *Lifecycle
		begun := time.Now()
		l = make1(t, Options{DrainDelay: NoWait, OnError: func(error) { _ = l.Shutdown(context.Background()) }}, cold)
		if err := l.Start(t.Context()); !errors.Is(err, ErrDraining) {
			t.Errorf("got %v", err)
		}
		<-l.Done()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
		synctest.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		l := make1(t, Options{DrainDelay: NoWait, OnError: func(error) { <-blocked }, OnState: func(State) { panic("x") }}, cold)
		if err := errors.Join(l.Start(t.Context()), l.Shutdown(t.Context())); err != nil {
			t.Error(err)
		}
		close(blocked)
		synctest.Wait()
	})
}

// A nil context is an error, and leaves nothing behind: no work that would be waited for, and no
// shutdown that has begun.
func TestNilContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := make1(t, Options{DrainDelay: NoWait})
		var none context.Context
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, _, begun := l.Begin(none, Request)
		for _, err := range []error{begun, l.Start(none), l.Shutdown(none), l.Run(none, &http.Server{}, listener)} {
			if err == nil {
				t.Error("no error for a nil context")
			}
		}
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is open: %v", err)
		}
		if l.State() != Ready {
			t.Errorf("the instance is %v", l.State())
		}
		start := time.Now()
		if err := l.Shutdown(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestOptions(t *testing.T) {
	if _, err := New(Options{DrainDelay: -time.Second}); err == nil {
		t.Error("a negative delay was accepted")
	}
	l := make1(t, Options{})
	if err := l.Add(Component{Name: "x", Timeout: -1}); err == nil {
		t.Error("a negative timeout was accepted")
	}
	if err := l.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Start(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := l.Add(Component{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, _, err := l.Begin(t.Context(), Request); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if got := fmt.Sprint(Warming, State(9)); got != "warming State(9)" {
		t.Error(got)
	}
	names := []string{}
	for m := range l.Metrics() {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	if len(names) != 4 {
		t.Error(names)
	}
}
