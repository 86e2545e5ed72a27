package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// AcquireTimeout bounds the whole wait: also that for a connection which is being opened.
// When it is open at last, others have it.
func TestQueueTimeoutWhileOpening(t *testing.T) {
	answer := make(chan struct{})
	p := openOwn(t, server.DSN()+"&pool_max_conns=2&pool_queue_timeout=50ms", func(c *Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			select {
			case <-answer: // Until then the network drops packets.
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return dial(ctx, network, addr)
		}
	})
	for range 2 {
		for name, way := range ways(p) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err := way(ctx)
			cancel()
			var e *ExhaustedError
			if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || e.Waited < 50*time.Millisecond {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	if n := p.admission.timeouts.Load(); n < uint64(2*len(ways(p))) {
		t.Errorf("%d timeouts are counted", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrExhausted) {
		t.Errorf("a caller whose own context has ended got %v", err)
	}
	close(answer)
	wait.Until(t, "it has a connection", func() bool { return p.Ping(t.Context()) == nil })
	if n := p.Stat().NewConnsCount(); n > 2 {
		t.Errorf("%d connections were opened", n)
	}
}

// Hooks that make a connection ready are not stopped by it.
func TestQueueTimeoutAndHooks(t *testing.T) {
	for name, set := range map[string]func(c *Config, hook func(context.Context)){
		"PrepareConn": func(c *Config, hook func(context.Context)) {
			c.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) { hook(ctx); return true, ctx.Err() }
		},
		"BeforeAcquire": func(c *Config, hook func(context.Context)) {
			//lint:ignore SA1019 a configuration may still have it
			c.BeforeAcquire = func(ctx context.Context, _ *pgx.Conn) bool { hook(ctx); return ctx.Err() == nil }
		},
	} {
		var calls atomic.Int64
		p := openOwn(t, server.DSN()+"&pool_max_conns=2&pool_queue_timeout=10s", func(c *Config) {
			set(c, func(ctx context.Context) {
				calls.Add(1)
				if _, ok := ctx.Deadline(); ok {
					t.Errorf("%s: its context is that of the wait", name)
				}
			})
		})
		if _, err := p.Exec(t.Context(), "select 1"); err != nil || calls.Load() != 1 {
			t.Errorf("%s: %v, %d calls", name, err, calls.Load())
		}
	}
}

// acquireTracer records its calls.
type acquireTracer struct {
	mu     sync.Mutex
	events []string
}

type acquireKey struct{}

func (a *acquireTracer) add(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, fmt.Sprintf(format, args...))
}

func (a *acquireTracer) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)
}

func (a *acquireTracer) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData,
) context.Context {
	a.add("%s within acquire: %v", data.SQL, ctx.Value(acquireKey{}) != nil)
	return ctx
}

func (a *acquireTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (a *acquireTracer) TraceAcquireStart(
	ctx context.Context, p *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	a.add("start, pool %v", p != nil)
	return context.WithValue(ctx, acquireKey{}, "start")
}

func (a *acquireTracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	a.add("end of %v, %v, connection %v", ctx.Value(acquireKey{}), data.Err, data.Conn != nil)
}

// bounding is a tracer that bounds the wait for a connection in contexts that have its key.
type bounding struct{ acquireTracer }

type boundingKey struct{}

func (*bounding) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	if ctx.Value(boundingKey{}) == nil {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// The context that a tracer returns is that of the whole wait, as in pgxpool: also of the wait in the
// queue.
func TestAcquireTracerBoundsTheWait(t *testing.T) {
	for _, parameters := range []string{"", "&pool_queue_timeout=1h"} {
		p := openOwn(t, server.DSN()+"&pool_max_conns=1"+parameters, func(c *Config) {
			c.ConnConfig.Tracer = &bounding{}
		})
		conn, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), boundingKey{}, true), time.Minute)
		for name, way := range ways(p) {
			if err := way(ctx); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		cancel()
		conn.Release()
	}
}

// A tracer receives the same events for callers that wait for a connection, or get none, as
// from pgxpool.
func TestAcquireTracer(t *testing.T) {
	type pool interface {
		methods
		Close()
	}
	events := func(parameters string, open func(dsn string, tracer pgx.QueryTracer) (pool, error)) []string {
		a := &acquireTracer{}
		p, err := open(server.DSN()+"&pool_max_conns=1"+parameters, a)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err = p.Exec(ctx, "select 0"); err == nil {
			t.Error("no error")
		}
		before, done := a.count(), make(chan error)
		go func() { _, err := p.Exec(t.Context(), "select 1"); done <- err }()
		wait.Until(t, "the start of a wait is reported", func() bool { return a.count() > before })
		c.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return a.events
	}
	want := events("", func(dsn string, tracer pgx.QueryTracer) (pool, error) {
		c, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		c.ConnConfig.Tracer = tracer
		return pgxpool.NewWithConfig(t.Context(), c)
	})
	for _, parameters := range []string{"", "&pool_queue_timeout=10s"} {
		got := events(parameters, func(dsn string, tracer pgx.QueryTracer) (pool, error) {
			c, err := ParseConfig(dsn)
			if err != nil {
				return nil, err
			}
			c.ConnConfig.Tracer = tracer
			return NewWithConfig(t.Context(), c)
		})
		if !slices.Equal(got, want) {
			t.Errorf("with %q\ngot  %q\nwant %q", parameters, got, want)
		}
	}
}
