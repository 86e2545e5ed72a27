package reader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// A statement whose function raises an error that usually means a changed schema, after it
// has done something, runs twice at most.
func TestRunsTwiceAtMost(t *testing.T) {
	for _, code := range []string{"26000", "42501", "0A000", "08P01", "XX000"} {
		run(t, "create or replace function boom(id int) returns int language plpgsql as $$ begin if id >= 0 then raise notice 'ran %', id; raise exception 'x' using errcode='"+code+"'; end if; return id; end $$")
		var ran [2000]atomic.Int32
		c := config(t, "pool_max_conns=8&pool_reader_slow_after=1s")
		c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			var id int
			if _, err := fmt.Sscanf(n.Message, "ran %d", &id); err == nil {
				ran[id].Add(1)
			}
		}
		r := openConfig(t, c).Reader()
		crowdUntil(t, r, 16, 50, 300, func(int, int) { _ = r.QueryRow(t.Context(), "select boom($1)", -1).Scan(new(int)) })
		var next atomic.Int64
		crowd(16, func(int) {
			for range len(ran) / 16 {
				n := int(next.Add(1)) - 1
				if arg := n; n%50 == 0 {
					_ = r.QueryRow(t.Context(), "select boom($1)", arg).Scan(new(int))
				} else {
					_ = r.QueryRow(t.Context(), "select boom($1)", -1).Scan(new(int))
				}
			}
		})
		for id := range ran {
			if n := ran[id].Load(); n > 2 {
				t.Errorf("%s: statement %d ran %d times", code, id, n)
			}
		}
	}
}

// acquires counts the events of connections that a tracer receives.
type acquires struct {
	tracer
	acquired, released atomic.Int64
}

func (*acquires) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}
func (a *acquires) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {
	a.acquired.Add(1)
}
func (a *acquires) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) { a.released.Add(1) }

// A tracer receives no release without its acquisition, and hooks for errors receive only errors
// of the program's own statements.
func TestWhatTheReaderDoesForItself(t *testing.T) {
	tracer := &acquires{}
	c := config(t, "pool_max_conns=8")
	c.ConnConfig.Tracer = tracer
	c.ConnConfig.OnPgError = func(_ *pgconn.PgConn, e *pgconn.PgError) bool {
		t.Error("an error that nobody has made: ", e)
		return true
	}
	p := openConfig(t, c)
	r := p.Reader()
	before := r.Looks()
	for i := range 200 {
		for _, sql := range []string{fmt.Sprint("select ", i%3), "show server_version", "explain select 1"} {
			if _, err := r.Exec(t.Context(), sql); err != nil {
				t.Error(err)
			}
		}
	}
	wait.Until(t, "the Reader looks at the catalog", func() bool {
		_, _ = r.Exec(t.Context(), "select 1")
		return r.Looks() > before
	})
	p.Close()
	if a, b := tracer.acquired.Load(), tracer.released.Load(); a != b || a == 0 {
		t.Errorf("%d acquired, %d released", a, b)
	}
}

// COPY is no read, though a read-only transaction lets it write a file of the server's.
func TestCopyToFile(t *testing.T) {
	r := open(t, "pool_max_conns=4").Reader()
	file := filepath.Join(os.TempDir(), "gqlboost-copied")
	defer os.Remove(file)
	if _, err := r.Exec(t.Context(), "copy (select 1) to '"+file+"'"); !errors.Is(err, reader.ErrNotRead) {
		t.Errorf("%v, want ErrNotRead", err)
	}
}

// Rows tell no connection, whether theirs is shared or not: what works for a few callers
// works for many.
func TestRowsTellNoConnection(t *testing.T) {
	r := open(t, "pool_max_conns=8").Reader()
	crowdUntil(t, r, 16, 50, 300, func(int, int) {
		rows, err := r.Query(t.Context(), "select 1")
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			if rows.Conn() != nil || rows.TypeMap() == nil {
				t.Error("rows tell a connection, or no types")
			}
		}
	})
}

// scans counts statements that have ended with an error.
type scans struct{ failed atomic.Int64 }

func (*scans) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (s *scans) TraceQueryEnd(_ context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	if d.Err != nil {
		s.failed.Add(1)
	}
}

// The tracer receives errors of Scan.
func TestScanErrorsAreTraced(t *testing.T) {
	tracer := &scans{}
	c := config(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	c.ConnConfig.Tracer = tracer
	r := openConfig(t, c).Reader()
	var failed atomic.Int64
	crowdUntil(t, r, 16, 50, 300, func(i, j int) {
		var dest any = new(string)
		if j%2 == 1 {
			dest = new(int)
		}
		if r.QueryRow(t.Context(), "select 'x'").Scan(dest) != nil {
			failed.Add(1)
		}
	})
	if failed.Load() != tracer.failed.Load() {
		t.Errorf("%d have failed, %d were traced", failed.Load(), tracer.failed.Load())
	}
}

// deadlines is a tracer that bounds statements.
type deadlines struct{ after time.Duration }

func (d *deadlines) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if len(data.Args) == 1 && data.Args[0] != 0.0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.after)
		context.AfterFunc(ctx, cancel)
	}
	return ctx
}
func (*deadlines) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// The context that a tracer returns holds for the rest of the call.
func TestContextOfTheTracer(t *testing.T) {
	c := config(t, "pool_max_conns=8&pool_reader_slow_after=1m")
	c.ConnConfig.Tracer = &deadlines{100 * time.Millisecond}
	r := openConfig(t, c).Reader()
	crowdUntil(t, r, 16, 50, 300, func(int, int) { _, _ = r.Exec(t.Context(), "select pg_sleep($1)", 0.0) })
	crowd(4, func(int) {
		if _, err := r.Exec(t.Context(), "select pg_sleep($1)", 30.0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline of the tracer's context", err)
		}
	})
}

// Settings that Postgres refuses cost no connection.
func TestRefusedSettings(t *testing.T) {
	ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"TimeZone": "Nowhere"}})
	for name, f := range map[string]func(p *pool.Pool) error{
		"Pool.Begin":  func(p *pool.Pool) error { _, err := p.Begin(ctx); return err },
		"Pool.Exec":   func(p *pool.Pool) error { _, err := p.Exec(ctx, "select 1"); return err },
		"Reader.Exec": func(p *pool.Pool) error { _, err := p.Reader().Exec(ctx, "select 1"); return err },
	} {
		p := open(t, "pool_max_conns=4&pool_reader_conns=1")
		for range 10 {
			var e *pgconn.PgError
			if err := f(p); !errors.As(err, &e) || e.Code != "22023" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := p.Stat().NewConnsCount(); n > 2 { // one may be the learner's
			t.Errorf("%s: 10 refusals have opened %d connections", name, n)
		}
	}
}

// With options of pgx's for the result no transaction stays open while rows are read.
func TestSlowRowsWithOptions(t *testing.T) {
	run(t, "create or replace function mine(i int) returns int language plpgsql stable as $$ begin return i; end $$")
	r := open(t, "pool_max_conns=4&idle_in_transaction_session_timeout=50").Reader()
	for _, option := range []any{pgx.QueryResultFormats{pgx.TextFormatCode}, pgx.QueryResultFormatsByOID{23: pgx.TextFormatCode}, pgx.QueryExecModeDescribeExec} {
		rows, err := r.Query(t.Context(), "select mine(i) from generate_series(1, $1) i", option, 2)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; rows.Next(); n++ {
			if _, formats := option.(pgx.QueryExecMode); !formats && string(rows.RawValues()[0]) != fmt.Sprint(n+1) {
				t.Errorf("%T: %q", option, rows.RawValues())
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := rows.Err(); err != nil || n != 2 {
			t.Errorf("%T: %d rows, %v", option, n, err)
		}
	}
}
