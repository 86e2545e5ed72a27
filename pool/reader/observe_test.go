package reader_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tracer counts a caller's statements.
type tracer struct{ calls atomic.Int64 }

func (*tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, tracer{}, data.SQL)
}

func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if sql, _ := ctx.Value(tracer{}).(string); sql == observed {
		t.calls.Add(1)
	}
}

// What Observe or a tracer panics with reaches the caller, whose statement counts as running no more.
func TestObserveThatPanics(t *testing.T) {
	var observing, acquires atomic.Bool // what panics
	c := config(t, "pool_max_conns=8")
	c.Reader.Observe = func(context.Context, string, []any, time.Time, pgconn.CommandTag, error) {
		if observing.Load() {
			panic("x")
		}
	}
	c.ConnConfig.Tracer = acquiring{&acquires}
	r := openConfig(t, c).Reader()
	crowdUntil(t, r, 16, 20, 100, func(int, int) {
		if _, err := r.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
	})
	var caught atomic.Int64
	for ctx, panics := range map[context.Context]*atomic.Bool{
		t.Context(): &observing, reader.Alone(t.Context()): &acquires,
	} {
		panics.Store(true) // One at a time: where the tracer panics as well, nothing lasts until it is shared.
		before := caught.Load()
		crowdWhile(16, 20, func() bool { return caught.Load() == before }, func(int, int) {
			defer func() {
				if recover() != nil {
					caught.Add(1)
				}
			}()
			_, _ = r.Exec(ctx, "select 1")
		})
		if panics.Store(false); caught.Load() == before {
			t.Error("nothing has panicked")
		}
	}
	wait.Until(t, "nothing is running", r.Idle)
}

// acquiring is a tracer that panics when a caller wants a connection.
type acquiring struct{ panics *atomic.Bool }

func (acquiring) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (acquiring) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (a acquiring) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	if a.panics.Load() {
		panic("x")
	}
	return ctx
}

func (acquiring) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {}

const observed = "select generate_series(1, $1::int), 10 / ($1::int - 3)"

// The tracer receives each statement once, whichever way it runs, and Observe those that
// have shared a connection.
func TestObserve(t *testing.T) {
	config, err := pool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	traced := new(tracer)
	var calls, failures, wrong atomic.Int64
	type key struct{}
	config.ConnConfig.Tracer = traced
	config.Reader.Observe = func(ctx context.Context, sql string, args []any, start time.Time, tag pgconn.CommandTag, err error) {
		calls.Add(1)
		var e *pgconn.PgError
		switch n, _ := args[0].(int); {
		case ctx.Value(key{}) != n, sql != observed, time.Since(start) > time.Minute:
			wrong.Add(1)
		case errors.As(err, &e):
			failures.Add(1)
		case err != nil || tag.RowsAffected() != int64(n):
			wrong.Add(1)
		}
	}
	p, err := pool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := p.Reader()
	var made, failing atomic.Int64
	crowdUntil(t, r, 32, 40, 500, func(i, j int) {
		n := 4 + j%5
		if i == 0 && j%8 == 7 {
			n = 3 // a division by zero
			failing.Add(1)
		}
		made.Add(1)
		_, err := r.Exec(context.WithValue(t.Context(), key{}, n), observed, n)
		if (err != nil) != (n == 3) {
			t.Error(err)
		}
	})
	if traced.calls.Load() != made.Load() {
		t.Errorf("%d of %d were traced", traced.calls.Load(), made.Load())
	}
	if n := r.Counts().Shared; calls.Load() != int64(n) || wrong.Load() != 0 || failures.Load() > failing.Load() {
		t.Errorf("%d observed of %d that have shared a connection, %d of them wrong, %d failures", calls.Load(), n, wrong.Load(), failures.Load())
	}
}
