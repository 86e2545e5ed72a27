package reader

import (
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const tooSlow = 5 * time.Millisecond

func newStatement() *statement {
	s := &statement{}
	s.learned.Store(&description{StatementDescription: &pgconn.StatementDescription{}})
	return s
}

// routeOf is the route of a statement for which a shared connection is free.
func routeOf(s *statement) route {
	r := &Reader{config: Config{}.WithDefaults(8)}
	t := &backend{reader: r}
	p := &pipe{backend: t, reader: r}
	p.session.Store(&session{})
	t.pipes = []*pipe{p}
	to, _ := r.route(&call{statement: s}, t, 3)
	return to
}

// The longest times that a configuration may have are no negative ones where several times as much
// counts, and Postgres takes the timeout.
func TestLongestTimes(t *testing.T) {
	c := Config{SlowAfter: math.MaxInt64, MaxLag: math.MaxInt64, StatementTimeout: math.MaxInt64}.WithDefaults(8)
	b := &backend{reader: &Reader{config: c}}
	if 2*b.patience() < c.SlowAfter || 2*c.MaxLag < c.MaxLag {
		t.Errorf("slow is %v, the patience %v, the lag %v", b.slow(), b.patience(), c.MaxLag)
	}
	if n := c.StatementTimeout.Milliseconds(); n != math.MaxInt32 {
		t.Errorf("the timeout is %d ms", n)
	}
}

// A session releases its own callers, and not those of another one that have the requests of callers whose
// statements have ended.
func TestReleaseOfASession(t *testing.T) {
	stuck, other := &session{pipe: &pipe{}}, &session{}
	var list []*request
	for _, s := range []*session{stuck, other, nil} {
		q := &request{done: make(chan struct{}, 1)}
		q.session.Store(s)
		list = append(list, q)
	}
	stuck.batches = []*batch{group(list, 0)}
	stuck.release()
	for i, want := range []int32{left, waiting, waiting} {
		if got := list[i].state.Load(); got != want {
			t.Errorf("request %d is in state %d, want %d", i, got, want)
		}
	}
}

// One late answer of a fast statement is not its fault; many are.
func TestLateAnswers(t *testing.T) {
	s := newStatement()
	if routeOf(s) != direct {
		t.Error("a statement that nobody has seen before is shared")
	}
	s.observeAlone(100 * time.Microsecond)
	for range 10 {
		s.observeShared(30*time.Millisecond, tooSlow)
		if routeOf(s) != shared {
			t.Fatal("one late answer has made it slow")
		}
		for range 30 {
			s.observeShared(100*time.Microsecond, tooSlow)
		}
	}
	s.observeAlone(time.Second) // Its caller had no CPU.
	if routeOf(s) != shared {
		t.Error("what happens on another connection has made it slow")
	}
	for range 3 {
		s.observeShared(30*time.Millisecond, tooSlow)
	}
	if routeOf(s) == shared {
		t.Error("it goes on to be shared though it is slow")
	}
}

// A statement that looks slow is tried, less and less often, until it is fast.
func TestTrials(t *testing.T) {
	s := newStatement()
	s.observeAlone(20 * time.Millisecond)
	trials := 0
	for range 10_000 {
		switch routeOf(s) {
		case shared:
			t.Fatal("a slow statement is shared")
		case trial:
			trials++
			s.observeShared(20*time.Millisecond, tooSlow)
		case direct:
			s.observeAlone(20 * time.Millisecond)
		}
	}
	if trials < 8 || trials > 14 {
		t.Errorf("%d trials in 10000 runs", trials)
	}
	for range maxPause + 1 {
		if routeOf(s) == trial {
			s.observeShared(time.Millisecond, tooSlow)
			break
		}
	}
	if routeOf(s) != shared {
		t.Error("a trial that went well has not brought it back")
	}
}
