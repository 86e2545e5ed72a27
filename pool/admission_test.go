package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newTestGate(limit int64) *admission {
	g := &admission{max: 1000, used: func() int64 { return 0 }, open: func() int64 { return limit }}
	g.opened = limit
	g.setLimit(limit)
	return g
}

// What is urgent goes first, but the others are not starved.
func TestUrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(1)
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []string
		for i := range 12 {
			enter, name := g.enter, "usual"
			if i%2 == 1 {
				enter, name = g.enterFirst, "urgent"
			}
			go func() {
				if err := enter(t.Context()); err != nil {
					t.Error(err)
				}
				order = append(order, name)
				g.leave()
			}()
			synctest.Wait()
		}
		g.leave()
		synctest.Wait()
		const want = "urgent urgent urgent usual urgent urgent urgent usual usual usual usual usual"
		if got := strings.Join(order, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if len(order) != 12 || g.inside.Load() != 0 {
			t.Errorf("%d were served, %d are inside", len(order), g.inside.Load())
		}
	})
}

// A waiter is refused after more than the target, in a queue that has stood for more than its time.
func TestSheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{target: time.Millisecond}
		first := q.push(time.Now(), false)
		time.Sleep(shedAfter)
		if q.sheds(first) {
			t.Error("the queue has not stood for long enough")
		}
		second := q.push(time.Now(), false)
		time.Sleep(q.target)
		if !q.sheds(first) || q.sheds(second) {
			t.Errorf("the first is refused: %v, the second: %v", q.sheds(first), q.sheds(second))
		}
		time.Sleep(time.Nanosecond)
		if !q.sheds(second) || q.sheds(q.push(time.Now().Add(-time.Second), true)) {
			t.Error("the second is not refused, or an urgent one is")
		}
	})
}

// With twice as much demand as there is capacity, those who are served have not
// waited long; a burst is not shed.
func TestLoadShedding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(4)
		g.queue.target = 20 * time.Millisecond
		const service = 10 * time.Millisecond // 400 a second
		var served, refused, slow atomic.Int64
		visit := func(ctx context.Context, bound time.Duration) {
			start := time.Now()
			err := g.enter(ctx)
			var e *ExhaustedError
			switch {
			case errors.As(err, &e) && e.Shed && e.Waited > 20*time.Millisecond:
				refused.Add(1)
				return
			case err != nil:
				t.Error(err)
				return
			}
			if time.Since(start) > bound {
				slow.Add(1)
			}
			served.Add(1)
			time.Sleep(service)
			g.leave()
		}
		for range 30 { // They need 80 ms.
			go visit(t.Context(), time.Second)
		}
		time.Sleep(time.Second)
		if served.Load() != 30 || refused.Load() != 0 {
			t.Errorf("of a burst of 30, %d were served and %d refused", served.Load(), refused.Load())
		}
		served.Store(0)
		random := rand.New(rand.NewPCG(1, 2))
		begin := time.Now()
		for i := 0; time.Since(begin) < 5*time.Second; i++ {
			bound := 30 * time.Millisecond // the target, and the time until the next place
			if i < 400 {
				bound = time.Second // The queue must stand for a while first.
			}
			go visit(t.Context(), bound)
			time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / 800))
		}
		time.Sleep(time.Second)
		if n := served.Load(); n < 1800 {
			t.Errorf("%d were served in 5 s, and 2000 could be", n)
		}
		if refused.Load() < 1500 || slow.Load() > 0 {
			t.Errorf("%d were refused, %d of those who were served had waited too long", refused.Load(), slow.Load())
		}
		if g.inside.Load() != 0 || g.length() != 0 {
			t.Errorf("%d are inside, %d wait", g.inside.Load(), g.length())
		}
	})
}

// As many callers get in as are wanted, as the server and the pool have connections for, and as
// a pool that is not warm yet may open.
func TestLimit(t *testing.T) {
	for _, c := range []struct {
		name                                      string
		wanted, max, capacity, opened, kept, want int64
	}{
		{"a cold pool opens four at a time", 50, 1000, 0, 0, 0, 4},
		{"also with three open", 50, 1000, 0, 3, 0, 7},
		{"later it doubles", 50, 1000, 0, 10, 0, 20},
		{"until it has what is wanted", 50, 1000, 0, 30, 0, 50},
		{"the server has fewer", 50, 1000, 16, 30, 0, 16},
		{"the server has more", 2, 1000, 16, 30, 0, 2},
		{"the pool has fewer", 50, 20, 0, 30, 0, 20},
		{"the Reader keeps some of the pool's", 50, 20, 0, 30, 5, 15},
		{"the Reader keeps some of the server's", 50, 1000, 16, 30, 5, 11},
		{"the Reader keeps all, and one gets in", 50, 5, 0, 30, 5, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newTestGate(0)
			a.max, a.held = c.max, c.kept
			a.spare = func(int64) int64 { return 1000 } // whatever the limit is
			a.setCapacity(c.capacity)
			a.connections(c.opened)
			a.setLimit(c.wanted)
			ctx, stop := context.WithCancel(t.Context())
			var in atomic.Int64
			for range 100 {
				go func() {
					if a.enter(ctx) == nil {
						in.Add(1)
					}
				}()
			}
			synctest.Wait()
			if in.Load() != c.want {
				t.Errorf("%s: %d are in, want %d", c.name, in.Load(), c.want)
			}
			stop()
			synctest.Wait()
			if n := a.length(); n != 0 || in.Load() != c.want {
				t.Errorf("%s: after the others have given up, %d are in and %d wait", c.name, in.Load(), n)
			}
			for range c.want {
				a.leave()
			}
			if n := a.inside.Load(); n != 0 {
				t.Errorf("%s: all have left, and %d are inside", c.name, n)
			}
		})
	}
}

// A connection is opened when an old one has gone for good, or after a second.
func TestNewConnectionsAwaitClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Int64
		g := newTestGate(2)
		g.used = used.Load
		took := func() time.Duration {
			start := time.Now()
			g.awaitClosed(t.Context())
			return time.Since(start)
		}
		used.Store(3)
		if d := took(); d != 0 {
			t.Errorf("it waited for %v without a known capacity", d)
		}
		g.setCapacity(2)
		if d := took(); d != closing {
			t.Errorf("it waited for %v, want %v", d, closing)
		}
		time.AfterFunc(100*time.Millisecond, func() { used.Store(2) })
		if d := took(); d < 100*time.Millisecond || d > 100*time.Millisecond+lookForThem {
			t.Errorf("it waited for %v, want 100 ms", d)
		}
	})
}

// Where the server's connections are counted, a caller goes on when there is one for it:
// not one that another has in view, nor one more while one is on its way back.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(8)
		g.setCapacity(2)
		var spare atomic.Int64
		g.spare = func(int64) int64 { return spare.Load() }
		spare.Store(1)
		if err := g.enter(t.Context()); err != nil { // It takes the one that there is.
			t.Fatal(err)
		}
		start := time.Now()
		time.AfterFunc(time.Millisecond, func() { spare.Store(2) })
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < time.Millisecond || d > 2*time.Millisecond {
			t.Errorf("the second went on after %v", d)
		}
		g.went()
		g.went()
		g.went() // of one that had entered before
		if n := g.going.Load(); n != 0 {
			t.Errorf("%d are on their way", n)
		}
		spare.Store(0)
		start = time.Now()
		g.leave()
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < unsettled || d > 2*unsettled {
			t.Errorf("nothing was to be expected any more after %v", d)
		}
	})
}
