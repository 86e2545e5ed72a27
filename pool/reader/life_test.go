package reader_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
)

// Each connection is made ready once and closed once, also where the Reader takes the place of
// one that callers have used.
func TestHooksOfALife(t *testing.T) {
	var mu sync.Mutex
	type life struct{ begun, ended int }
	lives := map[*pgx.Conn]*life{}
	connects := 0
	tracer := &countingTracer{}
	of := func(conn *pgx.Conn) *life {
		if lives[conn] == nil {
			lives[conn] = &life{}
		}
		return lives[conn]
	}
	c := config(t, "pool_max_conns=6")
	c.ConnConfig.Tracer = tracer
	c.BeforeConnect = func(_ context.Context, own *pgx.ConnConfig) error {
		mu.Lock()
		defer mu.Unlock()
		connects++
		own.RuntimeParams["application_name"] = "of a hook"
		return nil
	}
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		mu.Lock()
		of(conn).begun++
		mu.Unlock()
		_, err := conn.Exec(ctx, "create temp table once (i int)")
		return err
	}
	c.BeforeClose = func(conn *pgx.Conn) {
		mu.Lock()
		defer mu.Unlock()
		of(conn).ended++
	}
	p := openConfig(t, c)
	r := p.Reader()
	for range 2 {
		crowd(6, func(int) { _, _ = p.Exec(t.Context(), "select pg_sleep(0.05)") }) // All have been used.
		wait.Until(t, "connections are shared", func() bool {
			crowd(32, func(i int) { _, _ = r.Exec(t.Context(), "select $1::int", i) })
			return r.Up() == int32(sharedBy(p))
		})
		crowd(32, func(int) {
			for range 50 {
				var name string
				err := r.QueryRow(t.Context(), "select current_setting('application_name')").Scan(&name)
				if err != nil || name != "of a hook" {
					t.Errorf("got %q, %v", name, err)
				}
				if _, err := r.Exec(t.Context(), "select from once"); err != nil {
					t.Error(err)
				}
			}
		})
		if n := p.Stat().TotalConns(); n > c.MaxConns {
			t.Errorf("there are %d connections", n)
		}
		p.Reset()
	}
	p.Close()
	mu.Lock()
	defer mu.Unlock()
	for _, l := range lives {
		if l.begun != 1 || l.ended != 1 {
			t.Errorf("a connection was begun %d times and ended %d times", l.begun, l.ended)
		}
	}
	if n := int(tracer.once.Load()); n != len(lives) {
		t.Errorf("the tracer has seen %d statements of AfterConnect on %d connections", n, len(lives))
	}
	if connects != len(lives) {
		t.Errorf("%d connections, and %d calls of BeforeConnect", len(lives), connects)
	}
}

// countingTracer counts the statements of a hook.
type countingTracer struct{ once atomic.Int64 }

// TraceQueryStart implements [pgx.QueryTracer].
func (c *countingTracer) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData,
) context.Context {
	if strings.HasPrefix(data.SQL, "create temp table once") {
		c.once.Add(1)
	}
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (*countingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
