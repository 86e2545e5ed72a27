package pool

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

// Configurations that pgx panics with, sooner or later, are errors.
func TestConfigurationsThatCannotBe(t *testing.T) {
	good := func() *Config {
		c, err := ParseConfig(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	unparsed := good()
	unparsed.Config.ConnConfig = &pgx.ConnConfig{}
	none := good()
	none.MaxConns = 0
	for name, c := range map[string]*Config{
		"nil": nil, "zero": {}, "no connection": {Config: &pgxpool.Config{}}, "not parsed": {Config: &pgxpool.Config{ConnConfig: good().ConnConfig, MaxConns: 1}}, "connection not parsed": unparsed, "no connections": none,
	} {
		if p, err := NewWithConfig(t.Context(), c); err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

// After Close every method says so, also of a pool that was closed within.
func TestErrorsAfterClose(t *testing.T) {
	used := open(t, "pool_max_conns=2")
	if _, err := used.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	used.Close()
	within := open(t, "pool_max_conns=2")
	within.Pool.Close()
	for name, p := range map[string]*Pool{"pool": used, "within": within} {
		for method, way := range ways(p) {
			if err := way(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %s: %v", name, method, err)
			}
		}
		db := OpenDB(p)
		if err := db.PingContext(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: database/sql: %v", name, err)
		}
		db.Close()
		if _, err := p.Exec(reader.WithSettings(t.Context(), reader.Settings{}), "select 1"); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: with settings: %v", name, err)
		}
	}
	used.Close() // Twice is once.
}

// Closing the pool within does not wait for the Reader forever.
func TestClosedWithin(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	p := open(t, "pool_max_conns=6")
	r := p.Reader()
	wait.Until(t, "connections are shared", func() bool {
		crowd(16, func(int) { _, _ = r.Exec(t.Context(), "select 1") })
		return p.Stat().AcquiredConns() > 0
	})
	closed := make(chan struct{})
	go func() { p.Pool.Close(); close(closed) }()
	wait.Until(t, "the pool says that it is closed", func() bool { _, err := p.Exec(t.Context(), "select 1"); return errors.Is(err, ErrClosed) })
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Fatal("it waits forever")
	}
	if _, err := r.Exec(t.Context(), "select 1"); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	p.Close()
	goleak.VerifyNone(t, ignore)
}

// The pool within may be used, and is counted.
func TestUseOfThePoolWithin(t *testing.T) {
	p := open(t, "pool_max_conns=2&pool_queue_timeout=100ms")
	p.stop() // It corrects no places: callers that wait within for longer than a second would lose theirs.
	p.watchers.Wait()
	for range 200 {
		if _, err := p.Pool.Exec(t.Context(), "select 1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range p.Pool.AcquireAllIdle(t.Context()) {
		c.Release()
	}
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
	var held []*pgxpool.Conn
	for range 2 {
		c, err := p.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	bounded, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Ping(bounded); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v", err)
	}
	for _, c := range held {
		c.Release()
	}
	crowd(8, func(i int) {
		for range 50 {
			query := p.Query
			if i%2 == 0 {
				query = p.Pool.Query
			}
			rows, err := query(t.Context(), "select 1")
			if err == nil {
				rows.Close()
			} else if !errors.Is(err, ErrExhausted) {
				t.Error(err)
			}
		}
	})
	if n := p.admission.inside.Load(); n != 0 || p.admission.expected.Load() != 0 {
		t.Errorf("%d places are taken, %d are expected", n, p.admission.expected.Load())
	}
}

// A batch that begins a transaction keeps its connection until that ends.
func TestBatchWithTransaction(t *testing.T) {
	p := open(t, "pool_max_conns=1&pool_queue_timeout=5s")
	for range 3 {
		b := &pgx.Batch{}
		b.BeginTx(pgx.TxOptions{})
		b.Queue("select 1")
		results := p.SendBatch(t.Context(), b)
		tx := results.Tx()
		if err := results.Close(); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := tx.QueryRow(t.Context(), "select 2").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}
	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{})
	if err := p.SendBatch(reader.WithSettings(t.Context(), reader.Settings{}), b).Close(); err == nil {
		t.Error("a batch with its own transaction has taken settings")
	}
}

// made is a rewriter that makes a text.
type made string

func (m made) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return string(m), nil, nil
}

// A batch with settings is one transaction that has them: what would end it is refused.
func TestBatchesKeepTheirSettings(t *testing.T) {
	ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.x": "1"}})
	for _, mode := range []string{"cache_statement", "simple_protocol"} {
		p := open(t, "pool_max_conns=1&pool_queue_timeout=5s&default_query_exec_mode="+mode)
		for _, sql := range []string{
			"commit", "prepare transaction 'x'", "reset app.x", "select 1; select 2; end", "-- a\nROLLBACK",
		} {
			for name, queue := range map[string]func(b *pgx.Batch){
				"queued":        func(b *pgx.Batch) { b.Queue(sql) },
				"by a rewriter": func(b *pgx.Batch) { b.Queue("select 1", pgx.NamedArgs{}, made(sql)) },
			} {
				b := &pgx.Batch{}
				queue(b)
				b.Queue("select 1")
				ours := mode == "simple_protocol" || !strings.Contains(sql, ";") // else Postgres refuses it
				if err := p.SendBatch(ctx, b).Close(); err == nil || ours && !strings.Contains(err.Error(), "use Pool.Begin") {
					t.Errorf("%s, %s, %s: %v", mode, sql, name, err)
				}
			}
		}
		const several = "select 1; commit; select 2"
		for name, way := range map[string]func() (pgx.Rows, error){
			"queried":       func() (pgx.Rows, error) { return p.Query(ctx, several) },
			"by a rewriter": func() (pgx.Rows, error) { return p.Query(ctx, "select 1", pgx.NamedArgs{}, made(several)) },
		} {
			rows, err := way()
			rows.Close()
			if err == nil || mode == "simple_protocol" && !strings.Contains(err.Error(), "use Pool.Begin") {
				t.Errorf("%s, %s, %s: %v", mode, several, name, err)
			}
		}
		var got string
		b := &pgx.Batch{}
		if mode != "simple_protocol" {
			b.Queue("prepare x as select 1")
			b.Queue("deallocate x")
		}
		asked := b.Queue("select 1", made("select current_setting('app.x')"))
		asked.QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
		if err := p.SendBatch(ctx, b).Close(); err != nil || got != "1" {
			t.Errorf("%s: what a rewriter makes is read as %q, %v", mode, got, err)
		}
	}
}

// What comes behind a semicolon may be of a function's body. Only the simple protocol takes more than one
// statement, which a mode among the arguments may choose.
func TestBodiesOfFunctions(t *testing.T) {
	const body = "create function f() returns int begin atomic select 1; end"
	var simple any = pgx.QueryExecModeSimpleProtocol
	for name, c := range map[string]struct {
		sql     string
		args    []any
		refused bool
	}{
		"a body":                 {body, nil, false},
		"a body, with options":   {body, []any{pgx.NamedArgs{}, pgx.QueryResultFormats{1}, 1, simple}, false},
		"several":                {"select 1; commit; select 2", []any{pgx.QueryResultFormats{1}, simple}, true},
		"several, with a rest":   {"select 1; commit; select 2", []any{pgx.NamedArgs{}, simple, 1}, true},
		"several that may be so": {"select 1; select 2", []any{simple}, false},
		"one":                    {"commit;", []any{simple}, false},
	} {
		if _, err := guard.CheckQuery(c.sql, c.args, pgx.QueryExecModeCacheStatement); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := guard.CheckText(body, pgx.QueryExecModeExec); err != nil {
		t.Error(err)
	}
}

// Hooks that panic are errors, and lose no connection.
func TestHooksThatPanic(t *testing.T) {
	for name, set := range map[string]func(c *Config){
		"BeforeConnect": func(c *Config) { c.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { panic("x") } },
		"AfterConnect":  func(c *Config) { c.AfterConnect = func(context.Context, *pgx.Conn) error { panic("x") } },
		"PrepareConn":   func(c *Config) { c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { panic("x") } },
		"ShouldPing": func(c *Config) {
			c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { panic("x") }
		},
		"AfterRelease": func(c *Config) { c.AfterRelease = func(*pgx.Conn) bool { panic("x") } },
		"BeforeClose":  func(c *Config) { c.BeforeClose = func(*pgx.Conn) { panic("x") } },
	} {
		p := openOwn(t, server.DSN()+"&pool_max_conns=2&pool_queue_timeout=5s", set)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 5 {
					_, err := p.Exec(t.Context(), "select 1")
					fails := name != "ShouldPing" && name != "AfterRelease" && name != "BeforeClose"
					if fails != (err != nil) {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		wg.Wait()
		p.Reset()
		wait.Until(t, name+": all is given back", func() bool { return p.Stat().AcquiredConns() == 0 && p.admission.inside.Load() == 0 })
		p.Close()
	}
}

// Callers that wait for a connection when the pool is closed do not wait for those who have one.
func TestCloseRefusesWaiters(t *testing.T) {
	p := open(t, "pool_max_conns=1")
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	go func() { errs <- p.Ping(t.Context()) }()
	wait.Until(t, "somebody waits", func() bool { return p.admission.length() == 1 })
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	select {
	case <-closed:
		t.Error("the pool was closed while a connection was in use")
	default:
	}
	conn.Release()
	<-closed
}
