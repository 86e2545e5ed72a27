package pool

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// panics is an argument that panics when it is sent.
type panics struct{}

func (panics) Value() (driver.Value, error) { panic("x") }

// panicking is a source that panics in one of its methods.
type panicking struct {
	in   string
	rows int
}

func (p *panicking) call(method string) {
	if p.in == method {
		panic("x")
	}
}

func (p *panicking) Next() bool             { p.rows++; p.call("Next"); return p.rows < 3 }
func (p *panicking) Values() ([]any, error) { p.call("Values"); return []any{p.rows}, nil }
func (p *panicking) Err() error             { p.call("Err"); return nil }

// A panic of a source is an error of CopyFrom, which copies nothing then.
func TestSourcesThatPanic(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_queue_timeout=5s")
	if _, err := p.Exec(t.Context(), "drop table if exists panicked; create table panicked (i int)"); err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{t.Context(), reader.WithSettings(t.Context(), reader.Settings{})} {
		for method, source := range map[string]pgx.CopyFromSource{
			"Next": &panicking{in: "Next"}, "Values": &panicking{in: "Values"}, "Err": &panicking{in: "Err"},
			"none": (*panicking)(nil),
		} {
			n, err := p.CopyFrom(ctx, pgx.Identifier{"panicked"}, []string{"i"}, source)
			if err == nil || n != 0 || !strings.Contains(err.Error(), "pool: the source of CopyFrom panicked: ") {
				t.Errorf("%s: %d, %v", method, n, err)
			}
		}
		if n, err := p.CopyFrom(ctx, pgx.Identifier{"panicked"}, []string{"i"}, &panicking{}); n != 2 || err != nil {
			t.Errorf("without a panic: %d, %v", n, err)
		}
	}
	var n int
	if err := p.QueryRow(t.Context(), "select count(*) from panicked").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// watched is a context that never ends, and counts those that wait for its end.
type watched struct {
	context.Context
	done     chan struct{}
	watchers *atomic.Int64
}

func (w watched) Done() <-chan struct{} { return w.done }

// AfterFunc is found by [context.AfterFunc].
func (w watched) AfterFunc(func()) (stop func() bool) {
	w.watchers.Add(1)
	return func() bool { w.watchers.Add(-1); return true }
}

// Nothing watches the context of a batch whose argument has panicked: it may be one of the whole process.
func TestNothingWatchesAfterPanics(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_queue_timeout=1m")
	if err := p.Ping(t.Context()); err != nil { // It opens the connection in another context.
		t.Fatal(err)
	}
	ctx := watched{context.Background(), make(chan struct{}), new(atomic.Int64)}
	batch := &pgx.Batch{}
	batch.Queue("select $1::int", panics{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = p.SendBatch(ctx, batch).Close()
	}()
	if n := ctx.watchers.Load(); n != 0 {
		t.Errorf("%d still watch", n)
	}
}

// A panic of an argument or a batch's callback reaches the caller, and no connection is lost.
func TestArgumentsThatPanic(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_queue_timeout=5s&pool_reader_direct_conns=1")
	batch := &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select $1::int", panics{})
	plain, settings := t.Context(), reader.WithSettings(t.Context(), reader.Settings{})
	calling := func() *pgx.Batch {
		b := &pgx.Batch{}
		b.Queue("select 1").QueryRow(func(pgx.Row) error { panic("x") })
		b.Queue("select 2")
		return b
	}
	for name, run := range map[string]func(){
		"Exec":                      func() { _, _ = p.Exec(plain, "select $1::int", panics{}) },
		"Query":                     func() { _, _ = p.Query(plain, "select $1::int", panics{}) },
		"QueryRow":                  func() { _ = p.QueryRow(plain, "select $1::int", panics{}).Scan(new(int)) },
		"Exec with settings":        func() { _, _ = p.Exec(settings, "select $1::int", panics{}) },
		"Query with settings":       func() { _, _ = p.Query(settings, "select $1::int", panics{}) },
		"QueryRow with settings":    func() { _ = p.QueryRow(settings, "select $1::int", panics{}).Scan(new(int)) },
		"SendBatch":                 func() { _ = p.SendBatch(plain, batch).Close() },
		"SendBatch with settings":   func() { _ = p.SendBatch(settings, batch).Close() },
		"Reader.Query":              func() { _, _ = p.Reader().Query(plain, "select $1::int", panics{}) },
		"Reader.SendBatch":          func() { _ = p.Reader().SendBatch(plain, batch).Close() },
		"Reader.SendBatch settings": func() { _ = p.Reader().SendBatch(settings, batch).Close() },
		"callback":                  func() { _ = p.SendBatch(plain, calling()).Close() },
		"callback with settings":    func() { _ = p.SendBatch(settings, calling()).Close() },
		"callback of the Reader's":  func() { _ = p.Reader().SendBatch(plain, calling()).Close() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			run()
		}()
		wait.Until(t, name+": the connection is given back", func() bool {
			return p.Stat().AcquiredConns() == 0 && p.admission.inside.Load() == 0 && p.direct.inside.Load() == 0
		})
	}
	if err := p.Ping(context.Background()); err != nil {
		t.Error(err)
	}
}

// A panic of OnNotice reaches the caller, and no connection is lost, also if closing the rows panics again.
func TestNoticesThatPanic(t *testing.T) {
	if _, err := open(t, "").Exec(t.Context(), `create or replace function twice(n int, first int) returns int
		language plpgsql volatile as $$ begin
			if n >= first then raise notice 'once'; raise notice 'twice'; end if;
			return n;
		end $$`); err != nil {
		t.Fatal(err)
	}
	p := openOwn(t, server.DSN()+"&pool_max_conns=1&pool_queue_timeout=5s&pool_reader_direct_conns=1", func(c *Config) {
		c.ConnConfig.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { panic("x") }
	})
	const later = "select twice(n, 2) from generate_series(1, 3) n" // The first row is read without a panic.
	const atOnce = "select twice(n, 1) from generate_series(1, 3) n"
	type queries interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	}
	settings := reader.WithSettings(t.Context(), reader.Settings{})
	for name, from := range map[string]queries{"pool": p, "Reader": p.Reader()} {
		for use, run := range map[string]func(ctx context.Context, sql string){
			"Query": func(ctx context.Context, sql string) {
				rows, err := from.Query(ctx, sql)
				if err != nil {
					t.Error(err)
					return
				}
				defer rows.Close()
				for rows.Next() {
				}
			},
			"QueryRow": func(ctx context.Context, sql string) { _ = from.QueryRow(ctx, sql).Scan(new(int)) },
			"Exec":     func(ctx context.Context, sql string) { _, _ = from.Exec(ctx, sql) },
		} {
			for _, sql := range []string{later, atOnce} {
				for with, ctx := range map[string]context.Context{"nothing": t.Context(), "settings": settings} {
					func() {
						defer func() {
							if recover() == nil {
								t.Errorf("%s.%s with %s, %s: no panic", name, use, with, sql)
							}
						}()
						run(ctx, sql)
					}()
					wait.Until(t, name+"."+use+" with "+with+", "+sql+": the connection is given back", func() bool {
						return p.Stat().AcquiredConns() == 0 && p.admission.inside.Load() == 0 && p.direct.inside.Load() == 0
					})
				}
			}
		}
	}
}
