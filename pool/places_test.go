package pool

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Places alone: as many callers are in as there are places, and nobody waits who need not.
func TestPlaces(t *testing.T) {
	a := newPlaces(&Config{})
	a.limit.Store(2)
	ended, end := context.WithCancel(t.Context())
	end()
	for i := range 2 {
		if a.full() {
			t.Errorf("full with %d of 2", i)
		}
		if err := a.take(ended); err != nil {
			t.Error(err)
		}
	}
	if !a.full() {
		t.Error("not full with 2 of 2")
	}
	if err := a.take(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the third got %v", err)
	}
	if n := a.waits.Load(); n != 1 {
		t.Errorf("%d have waited", n)
	}
	if a.leave(); a.full() || a.inside.Load() != 1 {
		t.Errorf("one has left, and %d are inside", a.inside.Load())
	}
}

// A caller that somebody made room for meanwhile does not wait, unless others do.
func TestRoomMeanwhile(t *testing.T) {
	a := newTestGate(1)
	a.inside.Store(1)
	if w, err := a.enqueue(time.Now(), false); w != nil || err != nil {
		t.Errorf("there is room: %v, %v", w, err)
	}
	a.inside.Store(2)
	first, err := a.enqueue(time.Now(), false)
	if first == nil || err != nil {
		t.Errorf("there is no room: %v", err)
	}
	a.inside.Store(1)
	if w, err := a.enqueue(time.Now(), false); w == nil || err != nil {
		t.Errorf("it has passed one that waits: %v", err)
	}
}

// A place that is given back while a caller is on its way to the queue goes to the first in it, also if
// the queue is too long for that caller.
func TestNoPlaceIsLost(t *testing.T) {
	for maxQueue := range 2 {
		a := newPlaces(&Config{MaxQueue: maxQueue})
		a.limit.Store(1)
		if err := a.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.inside.Add(2) // What take does first, for one that waits and one on its way.
		first, err := a.enqueue(time.Now(), false)
		if err != nil || first.served {
			t.Fatalf("the first: %+v, %v", first, err)
		}
		a.leave()
		late, err := a.enqueue(time.Now(), false)
		if !first.served || (late == nil) != (maxQueue == 1) || (err != nil) != (maxQueue == 1) {
			t.Errorf("MaxQueue %d: nobody is in: the first %+v, the late one %+v, %v", maxQueue, first, late, err)
		}
		a.leave()
		if n := a.inside.Load(); n != int64(1-maxQueue) || late != nil && !late.served {
			t.Errorf("MaxQueue %d: %d are inside, the late one %+v", maxQueue, n, late)
		}
	}
}

// A caller that has entered is counted once, and one that asks pgxpool itself is counted then.
func TestCame(t *testing.T) {
	for _, capacity := range []int64{0, 4} {
		a := newTestGate(8)
		a.spare = func(int64) int64 { return 8 }
		a.setCapacity(capacity)
		if err := a.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.came()
		if n, going := a.inside.Load(), a.going.Load(); n != 1 || going != min(capacity, 1) {
			t.Errorf("capacity %d: %d are inside, %d on their way", capacity, n, going)
		}
		a.came()
		if n, going := a.inside.Load(), a.going.Load(); n != 2 || going != min(capacity, 2) || a.expected.Load() != 0 {
			t.Errorf("capacity %d: %d are inside, %d on their way, %d expected", capacity, n, going, a.expected.Load())
		}
	}
}

// A caller whose hook has called Goexit keeps its place, as it keeps its connection in pgxpool's count.
func TestGoexitOfAHook(t *testing.T) {
	a := newTestGate(8)
	if err := a.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := a.TraceAcquireStart(t.Context(), nil, pgxpool.TraceAcquireStartData{})
	a.TraceAcquireEnd(ctx, nil, pgxpool.TraceAcquireEndData{})
	if n, taken := a.inside.Load(), a.hands.taken.Load(); n != 1 || taken != 1 {
		t.Errorf("%d are inside, %d taken", n, taken)
	}
}

// The errors of waiters say how many waited, for how long and for what; all are counted.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestGate(1)
		a.timeout, a.maxQueue = 50*time.Millisecond, 2
		enter := func() *ExhaustedError {
			var e *ExhaustedError
			if err := a.enter(t.Context()); !errors.As(err, &e) {
				t.Errorf("got %v", err)
				return &ExhaustedError{}
			}
			return e
		}
		if err := a.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			go func() {
				if e := *enter(); e != (ExhaustedError{Waited: a.timeout, Limit: 1, Queue: 2 - i}) {
					t.Errorf("caller %d: %+v", i, e)
				}
			}()
			time.Sleep(10 * time.Millisecond)
		}
		if e := *enter(); e != (ExhaustedError{Limit: 1, Queue: 3, Full: true}) {
			t.Errorf("the queue is full: %+v", e)
		}
		time.Sleep(time.Second)
		if w, r, o := a.waits.Load(), a.refusals.Load(), a.timeouts.Load(); w != 2 || r != 1 || o != 2 {
			t.Errorf("%d waits, %d refusals, %d timeouts", w, r, o)
		}
		if d := time.Duration(a.waited.sum.Load()); d != 2*a.timeout {
			t.Errorf("they waited for %v", d)
		}
		if n := a.inside.Load(); n != 1 {
			t.Errorf("%d are inside", n)
		}
	})
}

// Waiters that have waited for too long are shed one after the other, and hold no place.
func TestShedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestGate(1)
		a.queue.target = 10 * time.Millisecond
		if err := a.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			go func() {
				var e *ExhaustedError
				err := a.enter(t.Context())
				if !errors.As(err, &e) || *e != (ExhaustedError{Waited: time.Second, Limit: 1, Queue: 3 - i, Shed: true}) {
					t.Errorf("caller %d: %+v", i, e)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		a.leave()
		synctest.Wait()
		if n := a.inside.Load(); n != 0 || a.shed.Load() != 3 {
			t.Errorf("%d are inside, %d were shed", n, a.shed.Load())
		}
	})
}

// Callers that wait, or come later, are refused when the admission has closed.
func TestRefuseAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestGate(1)
		if err := a.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			go func() {
				if err := a.enter(t.Context()); !errors.Is(err, ErrClosed) {
					t.Errorf("one that waited got %v", err)
				}
			}()
		}
		synctest.Wait()
		a.refuseAll(ErrClosed)
		synctest.Wait()
		if err := a.enter(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("one that came later got %v", err)
		}
		if n := a.inside.Load(); n != 1 || a.length() != 0 {
			t.Errorf("%d are inside, %d wait", n, a.length())
		}
	})
}

// Places that are off in all of the counts are corrected, by what all of them say at least. Those of
// the Reader are its own, also while it waits for a connection, and waiters have none.
func TestPlacesAreCorrected(t *testing.T) {
	for name, c := range map[string]struct {
		inside, waiting, held, openings int64
		used                            [2]int64 // in one count and in the others
		want                            int64    // inside
	}{
		"right":                         {inside: 3, used: [2]int64{3, 3}, want: 3},
		"taken by nobody":               {inside: 3, used: [2]int64{1, 1}, want: 1},
		"fewer in all but one":          {inside: 3, used: [2]int64{2, 1}, want: 2},
		"right once":                    {inside: 3, used: [2]int64{3, 1}, want: 3},
		"not counted":                   {inside: 1, used: [2]int64{3, 3}, want: 3},
		"fewer not counted once":        {inside: 1, used: [2]int64{2, 3}, want: 2},
		"now too many, now too few":     {inside: 2, used: [2]int64{3, 1}, want: 2},
		"the Reader keeps some":         {inside: 1, held: 4, used: [2]int64{5, 5}, want: 1},
		"the Reader waits for some":     {inside: 5, openings: 2, used: [2]int64{3, 3}, want: 5},
		"and one is taken by nobody":    {inside: 6, openings: 2, used: [2]int64{3, 3}, want: 5},
		"the Reader opens some":         {inside: 5, openings: 2, used: [2]int64{5, 5}, want: 5},
		"a waiter gets what nobody has": {inside: 10, waiting: 2, used: [2]int64{7, 7}, want: 9},
	} {
		a := newTestGate(8)
		a.held = c.held
		a.openings.Store(c.openings)
		a.open = func() int64 { return 8 + c.held }
		a.inside.Store(c.inside)
		for range c.waiting {
			a.queue.push(time.Now(), false)
		}
		d := &drift{}
		for round := range 2 {
			for count := range settled {
				used := c.used[1]
				if count == settled/2 {
					used = c.used[0]
				}
				a.used = func() int64 { return used }
				a.recover(d)
				if count < settled-1 && round == 0 && a.inside.Load() != c.inside {
					t.Errorf("%s: corrected after %d counts", name, count+1)
				}
			}
			if n := a.inside.Load(); round == 0 && n != c.want {
				t.Errorf("%s: %d are inside, want %d", name, n, c.want)
			}
			if round == 0 { // It is so again, and is corrected no sooner.
				a.inside.Store(c.inside)
			}
		}
		if a.opened != 8 || a.limit.Load() != 8 {
			t.Errorf("%s: %d are open, %d may be in", name, a.opened, a.limit.Load())
		}
		if c.waiting > 0 && a.queue.Len() != 0 {
			t.Errorf("%s: %d still wait, and two places were found", name, a.queue.Len())
		}
	}
}

// Each correction takes as many counts as the first one.
func TestCorrectionsBeginAnew(t *testing.T) {
	a := newTestGate(8)
	d := &drift{}
	for range 3 {
		a.inside.Store(2)
		for range settled - 1 {
			a.recover(d)
		}
		if n := a.inside.Load(); n != 2 {
			t.Errorf("%d are inside, one count too early", n)
		}
		if a.recover(d); a.inside.Load() != 0 {
			t.Errorf("%d are inside, and none is in use", a.inside.Load())
		}
	}
}

// The admission counts by itself, in a second or so.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestGate(8)
		a.inside.Store(2)
		ctx, stop := context.WithCancel(t.Context())
		go a.watch(ctx)
		time.Sleep(2 * time.Second)
		if n := a.inside.Load(); n != 0 {
			t.Errorf("%d are inside, and none is in use", n)
		}
		stop()
	})
}

// The peak is what could have been used at any count since it was taken, and what could be now.
func TestPeak(t *testing.T) {
	a := newTestGate(8)
	a.held = 2
	look := func(inside int64) {
		a.inside.Store(inside)
		a.recover(&drift{})
	}
	look(3)
	look(1)
	for i, want := range []int64{5, 3} {
		if got := a.takePeak(); got != want {
			t.Errorf("take %d: %d, want %d", i+1, got, want)
		}
	}
	if a.inside.Store(6); a.takePeak() != 8 {
		t.Error("what is inside now does not count")
	}
}

// Where callers wait and no connection comes back, an adaptive limit grows to what the pool has; no
// other does, nor one where they come back, or where nobody waits.
func TestStarvingGrows(t *testing.T) {
	for name, c := range map[string]struct {
		fixed, back bool
		callers     int
		within      int64 // callers that wait in pgxpool
		openings    int64 // connections that the Reader is about to keep
		want        int64
	}{
		"callers wait":          {callers: 6, want: 4},
		"the limit is fixed":    {callers: 6, fixed: true, want: 2},
		"connections come back": {callers: 6, back: true, want: 2},
		"nobody waits":          {want: 2},
		"one waits in pgxpool":  {within: 1, want: 4},
		"that is the Reader":    {within: 1, openings: 1, want: 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newTestGate(2)
			a.max, a.adaptive = 4, !c.fixed
			a.used = func() int64 { return 2 }
			a.open = func() int64 { return 8 }
			a.inside.Store(2 + c.within)
			a.openings.Store(c.openings)
			ctx, stop := context.WithCancel(t.Context())
			go a.watch(ctx)
			for range c.callers {
				go func() { _ = a.enter(ctx) }()
			}
			if time.Sleep(reader.StarvedAfter); a.getLimit() != 2 {
				t.Errorf("%s: the limit is %d before its time", name, a.getLimit())
			}
			for range 5 { // Then the place is taken for one of nobody.
				if c.back {
					a.hands.returned.Add(1)
				}
				time.Sleep(recount)
			}
			if n := a.getLimit(); n != c.want {
				t.Errorf("%s: the limit is %d, want %d", name, n, c.want)
			}
			stop()
		})
	}
}

// What the Reader has given up may be used by callers, and is open until it is gone.
func TestUnhold(t *testing.T) {
	a := newTestGate(3)
	a.max, a.held, a.opened = 10, 8, 2
	a.setLimit(10)
	if n := a.limit.Load(); n != 2 {
		t.Errorf("%d may be in", n)
	}
	if a.unhold(); a.held != 7 || a.opened != 3 || a.limit.Load() != 3 {
		t.Errorf("%d are kept, %d open, %d may be in", a.held, a.opened, a.limit.Load())
	}
}

// A connection that the Reader keeps is no caller's: it takes no caller's place, is no leak, and is
// counted once when it is dropped.
func TestTheReaderKeeps(t *testing.T) {
	p := openOwn(t, server.DSN()+"&pool_max_conns=5", func(c *Config) {
		c.LeakAfter, c.OnLeak = time.Hour, func(Leak) {}
	})
	p.stop() // It counts places no more.
	p.watchers.Wait()
	a := p.admission
	check := func(when string, held, opened, returned int64) {
		t.Helper()
		wait.Until(t, when+": what was dropped is gone", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.opened <= opened })
		got := [...]int64{a.inside.Load(), a.held, a.opened, a.hands.taken.Load(), a.hands.returned.Load()}
		if want := [...]int64{0, held, opened, returned, returned}; got != want {
			t.Errorf("%s: inside, held, opened, taken and returned are %v, want %v", when, got, want)
		}
		if leaks := a.holders.leaks(time.Now().Add(2 * time.Hour)); len(leaks) > 0 {
			t.Errorf("%s: leaks are %+v", when, leaks)
		}
	}
	for i := range int64(3) {
		conn, err := p.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check("kept", 1, 0, i+1)
		p.drop(conn, false)
		check("dropped", 0, 0, i+1)
	}
}

// The admission counts connections as pgxpool does, also one that is being opened.
func TestCountsOfPgxpool(t *testing.T) {
	dials, answer := make(chan struct{}, 10), make(chan struct{}, 10)
	p := openOwn(t, server.DSN()+"&pool_max_conns=5", func(c *Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials <- struct{}{}
			<-answer
			return dial(ctx, network, addr)
		}
	})
	a := p.admission
	check := func(when string, used, open, acquired, spareOf2, spareOf9 int64) {
		t.Helper()
		got := [...]int64{a.used(), a.open(), a.hands.acquired(), a.spare(2), a.spare(9)}
		if want := [...]int64{used, open, acquired, spareOf2, spareOf9}; got != want {
			t.Errorf("%s: used, open, acquired and spare are %v, want %v", when, got, want)
		}
	}
	check("at first", 0, 0, 0, 2, 9)
	answer <- struct{}{}
	answer <- struct{}{}
	answer <- struct{}{}
	for range 3 {
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-dials
		defer c.Release()
		if c.Conn().PgConn().PID() == 0 {
			t.Error("no connection")
		}
	}
	check("three in use", 3, 3, 3, 0, 6)
	done := make(chan error)
	go func() { done <- p.Ping(t.Context()) }()
	<-dials
	check("one more is being opened", 4, 3, 3, 1, 6)
	answer <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wait.Until(t, "it is idle", func() bool { return p.Stat().IdleConns() == 1 })
	check("it is idle", 3, 4, 3, 1, 6)
}
