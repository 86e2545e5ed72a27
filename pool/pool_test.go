package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func open(t testing.TB, parameters string) *Pool {
	t.Helper()
	p, err := New(t.Context(), server.DSN()+"&"+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// crowd runs f from many goroutines.
func crowd(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// methods are all of pgxpool.Pool's but Config, which returns our own. Both types must have them.
type methods interface {
	Acquire(ctx context.Context) (c *pgxpool.Conn, err error)
	AcquireAllIdle(ctx context.Context) []*pgxpool.Conn
	AcquireFunc(ctx context.Context, f func(*pgxpool.Conn) error) error
	Begin(ctx context.Context) (pgx.Tx, error)
	BeginTx(ctx context.Context, txOptions pgx.TxOptions) (pgx.Tx, error)
	Close()
	CopyFrom(ctx context.Context, tableName pgx.Identifier, columnNames []string, rowSrc pgx.CopyFromSource) (int64, error)
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
	Ping(ctx context.Context) error
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Reset()
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	Stat() *pgxpool.Stat
}

var (
	_ methods = (*pgxpool.Pool)(nil)
	_ methods = (*Pool)(nil)
)

// ways are all ways to take a connection, each giving it back.
func ways(p *Pool) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Acquire": func(ctx context.Context) error {
			c, err := p.Acquire(ctx)
			if err == nil {
				c.Release()
			}
			return err
		},
		"AcquireFunc": func(ctx context.Context) error {
			return p.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return c.Ping(ctx) })
		},
		"Query": func(ctx context.Context) error {
			rows, err := p.Query(ctx, "select 1")
			rows.Close()
			return err
		},
		"QueryRow": func(ctx context.Context) error { return p.QueryRow(ctx, "select 1").Scan(new(int)) },
		"Exec": func(ctx context.Context) error {
			_, err := p.Exec(ctx, "select 1")
			return err
		},
		"SendBatch": func(ctx context.Context) error {
			b := new(pgx.Batch)
			b.Queue("select 1")
			return p.SendBatch(ctx, b).Close()
		},
		"Begin": func(ctx context.Context) error {
			tx, err := p.Begin(ctx)
			if err == nil {
				err = tx.Rollback(ctx)
			}
			return err
		},
		"CopyFrom": func(ctx context.Context) error {
			_, err := p.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id"}, pgx.CopyFromRows([][]any{{1}}))
			return err
		},
		"Ping": p.Ping,
	}
}

func TestClosedPool(t *testing.T) {
	p := open(t, "pool_warm=true&pool_min_conns=3")
	if n := p.Stat().TotalConns(); n < 3 {
		t.Errorf("%d connections are warm", n)
	}
	p.Close()
	if _, err := p.Reader().Query(t.Context(), "select 1"); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	for _, dsn := range []string{"pool_reader_conns=0", "pool_warm=x", "pool_reader_slow_after=1"} {
		if _, err := New(t.Context(), "postgres://x/?"+dsn); err == nil || !strings.Contains(err.Error(), strings.SplitN(dsn, "=", 2)[0]) {
			t.Errorf("%s: got %v", dsn, err)
		}
	}
}

func TestEveryWayGivesItsPlaceBack(t *testing.T) {
	p := open(t, "pool_max_conns=2&pool_queue_timeout=5s")
	if _, err := p.Exec(t.Context(), "create table if not exists copied (id int)"); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, way := range ways(p) {
		for range 5 { // More than there are places.
			if err := way(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := way(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := p.Exec(t.Context(), "select 1/0"); err == nil {
			t.Error("no error")
		}
		if n := p.admission.inside.Load(); n != 0 {
			t.Fatalf("%s: %d places are taken", name, n)
		}
	}
	for _, c := range p.AcquireAllIdle(t.Context()) {
		c.Release()
	}
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

func TestExhausted(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_warm=true&pool_queue_timeout=50ms&pool_max_queue=2")
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, way := range ways(p) {
		err := way(t.Context())
		var exhausted *ExhaustedError
		if !errors.As(err, &exhausted) || !errors.Is(err, ErrExhausted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: got %v", name, err)
		}
		if exhausted.Waited < 50*time.Millisecond || exhausted.Limit != 1 || exhausted.Queue != 1 || exhausted.Full || !exhausted.Timeout() {
			t.Errorf("%s: got %+v", name, exhausted)
		}
	}
	conn.Release()

	// All ten must have come before the first of them gives up, also on a busy machine.
	p = open(t, "pool_max_conns=1&pool_warm=true&pool_queue_timeout=1s&pool_max_queue=2")
	if conn, err = p.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	var full, timedOut atomic.Int64
	crowd(10, func(int) {
		var exhausted *ExhaustedError
		_, err := p.Acquire(t.Context())
		if !errors.As(err, &exhausted) {
			t.Errorf("got %v", err)
			return
		}
		if exhausted.Full {
			full.Add(1)
			if !strings.Contains(err.Error(), "2 callers wait already") {
				t.Error(err)
			}
		} else {
			timedOut.Add(1)
		}
	})
	if full.Load() != 8 || timedOut.Load() != 2 {
		t.Errorf("%d were refused and %d timed out, want 8 and 2", full.Load(), timedOut.Load())
	}
	conn.Release()
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

// The queue is one for queries and transactions.
func TestMaxQueue(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_max_queue=2")
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	all := ways(p)
	for i, name := range []string{"Exec", "Begin"} {
		go func() { done <- all[name](t.Context()) }()
		wait.Until(t, name+" waits", func() bool { return p.admission.length() == i+1 })
	}
	for name, way := range all {
		var exhausted *ExhaustedError
		if err := way(t.Context()); !errors.As(err, &exhausted) || !exhausted.Full || exhausted.Queue != 3 {
			t.Errorf("%s: got %v", name, err)
		}
	}
	conn.Release()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// The query's own context has its own error.
func TestCancelledInTheQueue(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_queue_timeout=10s")
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Query(ctx, "select 1"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrExhausted) {
		t.Errorf("got %v", err)
	}
	conn.Release()
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

func TestQueueIsFair(t *testing.T) {
	p := open(t, "pool_max_conns=1")
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			c, err := p.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			c.Release()
		})
		wait.Until(t, "it waits", func() bool { return p.admission.length() == i+1 })
	}
	conn.Release()
	wg.Wait()
	for i, got := range order {
		if got != i {
			t.Fatalf("got order %v", order)
		}
	}
}

// A hijacked connection leaves the pool, and its place with it: for the next caller at once, and
// for those who wait.
func TestHijack(t *testing.T) {
	p := open(t, "pool_max_conns=2")
	p.stop() // It counts places no more.
	p.watchers.Wait()
	other, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		conn, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mine := conn.Hijack()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := p.Ping(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if err := mine.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	other.Release()
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// Those who wait already get its place as well.
func TestHijackWithWaiters(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_queue_timeout=1m")
	for range 2 {
		conn, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- p.Ping(t.Context()) }()
		wait.Until(t, "somebody waits", func() bool { return p.admission.length() == 1 })
		mine := conn.Hijack()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = mine.Close(t.Context())
	}
}

// Callers who come and go are not taken for connections that were hijacked: there are never more
// in use than may be, and no place is lost.
func TestHijackUnderLoad(t *testing.T) {
	p := open(t, "pool_max_conns=3")
	var inUse, most, hijacked atomic.Int64
	crowd(16, func(i int) {
		for j := range 60 {
			conn, err := p.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			n := inUse.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			runtime.Gosched()
			inUse.Add(-1)
			if (i+j)%20 != 0 {
				conn.Release()
				continue
			}
			hijacked.Add(1)
			_ = conn.Hijack().Close(t.Context())
		}
	})
	p.admission.mu.Lock()
	p.admission.freeHijacked()
	found := p.admission.hands.hijacked
	p.admission.mu.Unlock()
	if found != hijacked.Load() || most.Load() > 3 {
		t.Errorf("%d of %d hijacked connections were found, %d were in use at a time", found, hijacked.Load(), most.Load())
	}
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

func TestGateUnderLoad(t *testing.T) {
	p := open(t, "pool_max_conns=3&pool_min_conns=3&pool_warm=true&pool_queue_timeout=30ms&pool_max_queue=20")
	var inUse, most, got, refused atomic.Int64
	crowd(64, func(i int) {
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*time.Millisecond)
			c, err := p.Acquire(ctx)
			cancel()
			if err != nil {
				refused.Add(1)
				continue
			}
			got.Add(1)
			n := inUse.Add(1)
			for {
				m := most.Load()
				if n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			time.Sleep(200 * time.Microsecond)
			inUse.Add(-1)
			c.Release()
		}
	})
	if most.Load() > 3 || got.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d at a time, %d got one, %d did not", most.Load(), got.Load(), refused.Load())
	}
	if n := p.admission.inside.Load(); n != 0 || p.admission.length() != 0 {
		t.Errorf("%d places are taken, %d wait", n, p.admission.length())
	}
}

// A connection that is held for too long is reported, once, and nobody else.
func TestLeaks(t *testing.T) {
	c, err := ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	leaks := make(chan Leak, 10)
	c.LeakAfter, c.OnLeak = 30*time.Millisecond, func(l Leak) { leaks <- l }
	p, err := NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "somebody is told", func() bool { return len(leaks) > 0 })
	if l := <-leaks; l.Held < 30*time.Millisecond || l.PID != conn.Conn().PgConn().PID() ||
		!strings.Contains(l.Stack, "TestLeaks") {
		t.Errorf("got %+v", l)
	}
	later := func() []Leak { return p.admission.holders.leaks(time.Now().Add(time.Hour)) }
	if more := later(); len(more) != 0 {
		t.Errorf("told again: %+v", more)
	}
	conn.Release()
	if _, err := p.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	if more := later(); len(more) != 0 {
		t.Errorf("told of what was given back: %+v", more)
	}
	if n := len(p.admission.holders.held); n != 0 {
		t.Errorf("%d holders", n)
	}
}

// A user's tracer receives what it would from pgxpool.
func TestTracersOfTheUser(t *testing.T) {
	c, err := ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	tracer := new(countingTracer)
	c.ConnConfig.Tracer = tracer
	p, err := NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tracer.queries.Load(), tracer.acquires.Load(), tracer.releases.Load()); got != "1 1 1" {
		t.Errorf("got %s", got)
	}
}

type countingTracer struct{ queries, acquires, releases atomic.Int64 }

func (c *countingTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (c *countingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	c.queries.Add(1)
}
func (c *countingTracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}
func (c *countingTracer) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {
	c.acquires.Add(1)
}
func (c *countingTracer) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) { c.releases.Add(1) }
