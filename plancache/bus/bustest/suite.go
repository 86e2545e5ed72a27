package bustest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache/bus"
)

// Network is a broker and the ways to it. What is published in one network does not come to
// another: brokers may deliver late, so networks of one broker need channels of their own.
type Network struct {
	// Connect returns a transport of its own, as another process would have one. It is
	// closed when the test ends.
	Connect func(t testing.TB) bus.Transport
	// Cut breaks all connections and lets nobody connect, and Heal ends that.
	Cut, Heal func()
	// Hang makes the network swallow what is sent, or ends that; nil if that cannot be done.
	Hang func(on bool)
}

// Run tests a transport. Each test has a network of its own.
func Run(t *testing.T, open func(t *testing.T) Network) {
	for _, one := range []struct {
		name string
		test func(*testing.T, Network)
	}{
		{"Order", testOrder},
		{"Ends", testEnds},
		{"Slow", testSlow},
		{"Largest", testLargest},
		{"ClosePublishing", testClosePublishing},
		{"Panics", testPanics},
		{"Cut", testCut},
		{"Hang", testHang},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, open(t)) })
	}
}

// quick are options of links that notice soon, and are not nervous on a busy machine.
func quick() bus.Options {
	return bus.Options{Beat: 100 * time.Millisecond, Silence: 1500 * time.Millisecond, BlindFor: 500 * time.Millisecond}
}

// late reports whether a key comes later than its Delete has waited for, as it does on a busy machine.
func late(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// listen subscribes until the returned function is called, which returns why it has ended.
func listen(t *testing.T, transport bus.Transport, receive func([]byte)) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- transport.Subscribe(ctx, func() { close(ready) }, receive) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	select {
	case <-ready:
	case err := <-done:
		t.Fatal("it does not subscribe: ", err)
	case <-time.After(30 * time.Second):
		t.Fatal("it is not ready")
	}
	return stop
}

// Messages of several publishers come to all subscribers, those of each one in order, from
// when ready was called.
func testOrder(t *testing.T, n Network) {
	const publishers, each, subscribers = 3, 100, 2
	var mu sync.Mutex
	got := [subscribers]map[string][]string{}
	for i := range subscribers {
		got[i] = map[string][]string{}
		listen(t, n.Connect(t), func(data []byte) {
			mu.Lock()
			defer mu.Unlock()
			from, number, _ := strings.Cut(string(data), ":")
			got[i][from] = append(got[i][from], number)
		})
	}
	var all sync.WaitGroup
	want := map[string][]string{}
	for p := range publishers {
		transport := n.Connect(t)
		for i := range each {
			want[fmt.Sprint("p", p)] = append(want[fmt.Sprint("p", p)], fmt.Sprint(i))
		}
		all.Go(func() {
			for i := range each {
				if err := transport.Publish(t.Context(), fmt.Appendf(nil, "p%d:%d", p, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	wait.Until(t, "all have come", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i := range got {
			for p := range publishers {
				if len(got[i][fmt.Sprint("p", p)]) < each {
					return false
				}
			}
		}
		return true
	})
	mu.Lock()
	defer mu.Unlock()
	for i := range got {
		if !maps.EqualFunc(got[i], want, slices.Equal) {
			t.Errorf("subscriber %d got %v", i, got[i])
		}
	}
}

// A subscription ends with its context, and calls nothing after that; another one can begin.
func testEnds(t *testing.T, n Network) {
	transport, other := n.Connect(t), n.Connect(t)
	for range 3 {
		var mu sync.Mutex
		ended, late, count := false, false, 0
		end := listen(t, transport, func([]byte) {
			mu.Lock()
			defer mu.Unlock()
			late, count = late || ended, count+1
		})
		if err := other.Publish(t.Context(), []byte("a")); err != nil {
			t.Fatal(err)
		}
		wait.Until(t, "a message has come", func() bool { mu.Lock(); defer mu.Unlock(); return count > 0 })
		if err := end(); err == nil {
			t.Error("it has ended without an error")
		}
		mu.Lock()
		ended = true
		mu.Unlock()
		if err := other.Publish(t.Context(), []byte("b")); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if late {
			t.Error("a message came after the end")
		}
		mu.Unlock()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := transport.Subscribe(ctx, func() {}, func([]byte) {}); err == nil {
		t.Error("no error for a context that has ended")
	}
}

// A subscriber that is slow gets all, or its subscription ends.
func testSlow(t *testing.T, n Network) {
	const count = 5000
	var mu sync.Mutex
	var numbers []string
	block := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	transport := n.Connect(t)
	go func() {
		done <- transport.Subscribe(ctx, func() { close(ready) }, func(data []byte) {
			<-block
			mu.Lock()
			defer mu.Unlock()
			numbers = append(numbers, string(data))
		})
	}()
	<-ready
	publisher := n.Connect(t)
	for i := range count {
		if err := publisher.Publish(t.Context(), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	close(block)
	ended := false
	wait.Until(t, "all have come, or it has ended", func() bool {
		select {
		case err := <-done:
			ended = true
			if err == nil {
				t.Error("it has ended without an error")
			}
		default:
		}
		mu.Lock()
		defer mu.Unlock()
		return ended || len(numbers) == count
	})
	cancel()
	if !ended {
		if err := <-done; err == nil {
			t.Error("it has ended without an error")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i, number := range numbers {
		if number != fmt.Sprint(i) {
			t.Fatalf("message %d is %s: one is missing", i, number)
		}
	}
}

// The largest message comes as it is.
func testLargest(t *testing.T, n Network) {
	got := make(chan string, 1)
	listen(t, n.Connect(t), func(data []byte) {
		select {
		case got <- string(data):
		default: // Receive does not block. One message is all that is published.
		}
	})
	want := strings.Repeat("a: ", bus.MaxMessage/3)
	if err := n.Connect(t).Publish(t.Context(), []byte(want)); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g != want {
		t.Errorf("got %d bytes, want %d", len(g), len(want))
	}
}

// newLink returns a link that is closed when the test ends.
func newLink(t *testing.T, transport bus.Transport, o bus.Options) *bus.Link {
	t.Helper()
	l, err := bus.New(transport, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// watch returns a function that reports whether one of some keys has come, and forgets what
// came before it.
func watch(t *testing.T, l *bus.Link) func(keys ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	keys, err := l.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func(want ...string) bool {
		for {
			select {
			case key, ok := <-keys:
				if !ok {
					t.Error("the watcher has ended")
				}
				if slices.Contains(want, key) || !ok {
					return true
				}
			default:
				return false
			}
		}
	}
}

// Links are closed while they publish, and nobody hangs.
func testClosePublishing(t *testing.T, n Network) {
	for range 3 {
		l := newLink(t, n.Connect(t), quick())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i := 0; ; i++ {
					switch err := l.Delete(t.Context(), fmt.Sprint("k", i)); {
					case errors.Is(err, bus.ErrClosed), errors.Is(err, context.Canceled):
						return
					case err != nil && !late(err):
						t.Error(err)
						return
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		_ = l.Close() // Some keys may be left.
		all.Wait()
	}
}

// Functions that panic do not stop a link.
func testPanics(t *testing.T, n Network) {
	o := quick()
	var mu sync.Mutex
	calls := 0
	o.Before = func(context.Context, []string) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls < 3 {
			panic("before")
		}
		return nil
	}
	o.OnError = func(error) { panic("on error") }
	from, to := newLink(t, n.Connect(t), o), newLink(t, n.Connect(t), quick())
	came := watch(t, to)
	if err := from.Delete(t.Context(), "k"); err == nil {
		t.Error("no error")
	}
	wait.Until(t, "the key has come nevertheless", func() bool { return came("k") })
}

// A loss of the connection is seen, and what was published meanwhile is not lost.
func testCut(t *testing.T, n Network) {
	a, b := newLink(t, n.Connect(t), quick()), newLink(t, n.Connect(t), quick())
	came := watch(t, b)
	if err := a.Delete(t.Context(), "k1"); err != nil && !late(err) {
		t.Error(err)
	}
	wait.Until(t, "a key has come", func() bool { return came("k1") })
	n.Cut()
	wait.Until(t, "both are blind", func() bool { return a.Health().Blind && b.Health().Blind })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := a.Delete(ctx, "k2"); err == nil {
		t.Error("no error where nothing goes")
	}
	wait.Until(t, "caches lose all while it is blind", func() bool { return came("*") })
	if came("k2") {
		t.Error("the key has come where nothing goes")
	}
	n.Heal()
	// It may be published before the other one is subscribed again, who then drops all.
	wait.Until(t, "the key has come later, or all was dropped", func() bool { return came("k2", "*") })
	wait.Until(t, "both see", func() bool { return !a.Health().Blind && !b.Health().Blind })
	if err := a.Delete(t.Context(), "k3"); err != nil && !late(err) {
		t.Error(err)
	}
	wait.Until(t, "a key has come again", func() bool { return came("k3") })
}

// A connection that is neither closed nor works is noticed.
func testHang(t *testing.T, n Network) {
	if n.Hang == nil {
		t.Skip("this network cannot hang")
	}
	a, b := newLink(t, n.Connect(t), quick()), newLink(t, n.Connect(t), quick())
	came := watch(t, b)
	n.Hang(true)
	_ = a.Delete(t.Context(), "k1") // It may seem to work.
	wait.Until(t, "both are blind", func() bool { return a.Health().Blind && b.Health().Blind })
	wait.Until(t, "caches lose all", func() bool { return came("*") })
	n.Hang(false)
	wait.Until(t, "both see", func() bool { return !a.Health().Blind && !b.Health().Blind })
	wait.Until(t, "keys come again", func() bool { _ = a.Delete(t.Context(), "k2"); return came("k2") })
}
