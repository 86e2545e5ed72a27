package reader_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
