package reader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// run runs statements on the test's server.
func run(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// crowdUntil runs f from many goroutines, so often, and until enough statements have
// shared a connection.
func crowdUntil(t testing.TB, r *pool.Reader, n, each int, enough uint64, f func(i, j int)) {
	t.Helper()
	crowdWhile(n, each, func() bool { return r.Counts().Shared < enough }, f)
	if got := r.Counts().Shared; got < enough {
		t.Errorf("%d statements have shared a connection, want %d: nothing was tested", got, enough)
	}
}

func TestAfterConnectOnSharedConnections(t *testing.T) {
	run(t, "drop schema if exists hooks cascade", "create schema hooks", "drop role if exists hooks_ro", "create role hooks_ro", "grant usage on schema hooks to hooks_ro",
		"create table hooks.rows (tenant int)", "insert into hooks.rows select i % 10 from generate_series(1, 100) i",
		"alter table hooks.rows enable row level security", "create policy own on hooks.rows using (tenant = 3)", "grant select on hooks.rows to hooks_ro")
	c := config(t, "pool_max_conns=8")
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set search_path = hooks; set role hooks_ro")
		return err
	}
	r := openConfig(t, c).Reader()
	crowdUntil(t, r, 16, 50, 500, func(int, int) {
		var n, other int
		if err := r.QueryRow(t.Context(), "select count(*), count(*) filter (where tenant <> 3) from rows").Scan(&n, &other); err != nil || n != 10 || other != 0 {
			t.Errorf("%d rows, %d of other tenants, %v", n, other, err)
		}
	})
}

// With hooks for each use of a connection nothing is shared, whatever settings a statement has:
// a hook may have set what they do not mention.
func TestPerAcquireHooks(t *testing.T) {
	type key struct{}
	c := config(t, "pool_max_conns=8")
	c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		tenant, _ := ctx.Value(key{}).(string)
		_, err := conn.Exec(ctx, "select set_config('app.tenant', $1, false)", tenant)
		return true, err
	}
	r := openConfig(t, c).Reader()
	const sql = "select current_setting('app.tenant', true)"
	crowd(16, func(i int) {
		for range 50 {
			var got string
			want := fmt.Sprint("tenant ", i)
			if err := r.QueryRow(context.WithValue(t.Context(), key{}, want), sql).Scan(&got); err != nil || got != want {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		}
	})
	crowd(16, func(i int) {
		for range 50 {
			var got string
			want := fmt.Sprint("tenant ", i, " of a hook, zone UTC")
			ctx := context.WithValue(t.Context(), key{}, fmt.Sprint("tenant ", i, " of a hook"))
			ctx = reader.WithSettings(ctx, reader.Settings{GUC: map[string]string{"timezone": "UTC"}})
			if err := r.QueryRow(ctx, sql+" || ', zone ' || current_setting('timezone')").Scan(&got); err != nil || got != want {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		}
	})
	if n := r.Counts().Shared; n != 0 {
		t.Errorf("%d statements have shared a connection", n)
	}
}

// Hooks that prepare nothing may be left out where connections are shared.
func TestSkipAcquireHooks(t *testing.T) {
	c := config(t, "pool_max_conns=8&pool_reader_skip_acquire_hooks=true")
	var acquires atomic.Int64
	c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { acquires.Add(1); return true, nil }
	r := openConfig(t, c).Reader()
	crowdUntil(t, r, 16, 50, 300, func(int, int) {
		if _, err := r.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
	})
	if acquires.Load() == 0 {
		t.Error("the hook has not run for the pool's own connections")
	}
}

// What hooks of pgconn have set in a session holds on shared connections as well, also on
// those that others have used before.
func TestPgconnHooks(t *testing.T) {
	hook := func(ctx context.Context, conn *pgconn.PgConn) error {
		return conn.Exec(ctx, "set role hooked; set search_path = 'abc'").Close()
	}
	run(t, "do $$ begin if not exists (select from pg_roles where rolname = 'hooked') then create role hooked; end if; end $$")
	for name, set := range map[string]func(*pgconn.Config){
		"AfterConnect":    func(c *pgconn.Config) { c.AfterConnect = hook },
		"ValidateConnect": func(c *pgconn.Config) { c.ValidateConnect = hook },
	} {
		c := config(t, "pool_max_conns=8")
		set(&c.ConnConfig.Config)
		r := openConfig(t, c).Reader()
		crowdUntil(t, r, 16, 50, 300, func(int, int) {
			var got string
			if err := r.QueryRow(t.Context(), "select current_user || ' ' || current_setting('search_path')").Scan(&got); err != nil || got != "hooked abc" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		})
	}
}

// What is handled by hooks of the connection is heard of on shared connections as well.
func TestNoticesAndErrors(t *testing.T) {
	run(t, "create or replace function notes(n int) returns int language plpgsql volatile as $$ begin raise notice 'note %', n; return n; end $$")
	c := config(t, "pool_max_conns=8")
	var notices, errs atomic.Int64
	c.ConnConfig.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if conn == nil || !strings.HasPrefix(n.Message, "note ") {
			return
		}
		notices.Add(1)
	}
	c.ConnConfig.OnPgError = func(_ *pgconn.PgConn, e *pgconn.PgError) bool {
		if e.Code == "22012" {
			errs.Add(1)
		}
		return e.Code != "22012" // The connection is closed.
	}
	r := openConfig(t, c).Reader()
	var calls, failures atomic.Int64
	crowdUntil(t, r, 16, 40, 300, func(i, j int) {
		if _, err := r.Exec(t.Context(), "select notes($1)", i); err != nil {
			t.Error(err)
		}
		calls.Add(1)
		if j%37 == 5 {
			if _, err := r.Exec(t.Context(), "select 1 / $1::int", 0); err == nil {
				t.Error("no error")
			}
			failures.Add(1)
		}
	})
	if notices.Load() < calls.Load() {
		t.Errorf("%d notices of %d", notices.Load(), calls.Load())
	}
	if errs.Load() < failures.Load() {
		t.Errorf("%d errors of %d were heard of", errs.Load(), failures.Load())
	}
}

// Hooks that panic end a connection, and nothing else.
func TestHooksThatPanic(t *testing.T) {
	c := config(t, "pool_max_conns=8")
	var after atomic.Int64
	c.AfterConnect = func(context.Context, *pgx.Conn) error {
		if after.Add(1) == 3 {
			panic("after")
		}
		return nil
	}
	c.BeforeClose = func(*pgx.Conn) {}
	p := openConfig(t, c)
	r := p.Reader()
	query := func() (err error) {
		defer func() {
			if v := recover(); v != nil { // pgxpool lets its hooks panic.
				err = fmt.Errorf("%v", v)
			}
		}()
		return r.QueryRow(t.Context(), "select 1").Scan(new(int))
	}
	crowdUntil(t, r, 16, 20, 100, func(int, int) { _ = query() })
}

// A hook that calls Goexit where connections are shared, as FailNow of a test does, ends a connection, and
// what was on it runs elsewhere.
func TestHooksThatGoexit(t *testing.T) {
	run(t, `create or replace function tells(n int) returns int language plpgsql volatile as $$ begin
		raise notice '%', current_setting('default_transaction_read_only'); return n; end $$`)
	c := config(t, "pool_max_conns=8&pool_reader_conns=1")
	var exited atomic.Bool
	c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Message == "on" && exited.CompareAndSwap(false, true) { // only sessions of shared connections are read-only
			runtime.Goexit()
		}
	}
	r := openConfig(t, c).Reader()
	tell := func(i, _ int) {
		var got int
		if err := r.QueryRow(t.Context(), "select tells($1)", i).Scan(&got); err != nil || got != i {
			t.Errorf("got %d, %v, want %d", got, err, i)
		}
	}
	crowdWhile(16, 20, func() bool { return !exited.Load() }, tell)
	if !exited.Load() {
		t.Fatal("nothing was tested")
	}
	crowdUntil(t, r, 16, 20, r.Counts().Shared+100, tell)
	wait.Until(t, "nothing is on the way", r.Idle)
}

// Connections live no longer than those of the pool, end with Reset, and when they are idle.
func TestLifetimes(t *testing.T) {
	pids := func(r *pool.Reader) map[int]bool {
		seen := map[int]bool{}
		var mu sync.Mutex
		before := r.Counts().Shared
		for r.Counts().Shared < before+400 && t.Context().Err() == nil {
			crowd(16, func(int) {
				for range 10 {
					var pid int
					if err := r.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
						t.Error(err)
					}
					mu.Lock()
					seen[pid] = true
					mu.Unlock()
				}
			})
		}
		return seen
	}
	all := func(old, now map[int]bool) (shared int) {
		for pid := range now {
			if old[pid] {
				shared++
			}
		}
		return shared
	}
	t.Run("Reset", func(t *testing.T) {
		p := open(t, "pool_max_conns=8")
		old := pids(p.Reader())
		p.Reset()
		wait.Until(t, "all connections are new", func() bool { return all(old, pids(p.Reader())) == 0 })
	})
	t.Run("MaxConnLifetime", func(t *testing.T) {
		p := open(t, "pool_max_conns=8&pool_max_conn_lifetime=1s&pool_health_check_period=200ms")
		old := pids(p.Reader())
		wait.Until(t, "all connections are new", func() bool { return all(old, pids(p.Reader())) == 0 })
	})
	t.Run("MaxConnIdleTime", func(t *testing.T) {
		closed := new(atomic.Int64)
		c := config(t, "pool_max_conns=8&pool_max_conn_idle_time=200ms&pool_health_check_period=50ms")
		c.BeforeClose = func(conn *pgx.Conn) {
			// It is as good as any.
			if err := conn.QueryRow(context.Background(), "select 1").Scan(new(int)); err == nil {
				closed.Add(1)
			}
		}
		p := openConfig(t, c)
		pids(p.Reader())
		wait.Until(t, "idle connections are closed", func() bool {
			return closed.Load() >= 4 && p.Stat().TotalConns() == 0
		})
		pids(p.Reader()) // They come back.
	})
}

// BeforeConnect changes what a connection is opened with.
func TestBeforeConnect(t *testing.T) {
	run(t, "drop role if exists fresh", "create role fresh login password 'secret'")
	c := config(t, "pool_max_conns=8")
	var calls atomic.Int64
	c.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		calls.Add(1)
		cc.User, cc.Password = "fresh", "secret"
		cc.RuntimeParams["application_name"] = "fresh"
		return nil
	}
	r := openConfig(t, c).Reader()
	crowdUntil(t, r, 16, 20, 200, func(int, int) {
		var user, name string
		if err := r.QueryRow(t.Context(), "select current_user, current_setting('application_name')").Scan(&user, &name); err != nil || user != "fresh" || name != "fresh" {
			t.Errorf("%s %s, %v", user, name, err)
		}
	})
}

// The configuration is the pool's own, whatever becomes of the caller's.
func TestConfigIsCopied(t *testing.T) {
	c := config(t, "pool_max_conns=8&pool_reader_conns=3")
	p := openConfig(t, c)
	c.ConnConfig.Database, c.MaxConns, c.Reader.Conns = "nowhere", 1, 9
	c.ConnConfig.RuntimeParams["search_path"] = "nowhere"
	r := p.Reader()
	crowdUntil(t, r, 16, 20, 100, func(int, int) {
		if _, err := r.Exec(t.Context(), "select current_database()"); err != nil {
			t.Error(err)
		}
	})
	got := p.Config()
	got.ConnConfig.Database, got.Reader.Conns = "nowhere", 7
	if again := p.Config(); again.ConnConfig.Database == "nowhere" || again.Reader.Conns != 3 || again.MaxConns != 8 {
		t.Errorf("got %+v", again.Reader)
	}
}

func TestTargetSessionAttributes(t *testing.T) {
	r := open(t, "pool_max_conns=8&target_session_attrs=read-write").Reader()
	crowdUntil(t, r, 16, 20, 100, func(int, int) {
		if _, err := r.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
	})
}

// The table in the documentation has each field of pgx's configuration.
func TestEveryFieldIsDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '.' || r == ':' || r == '\t' }) {
		words[word] = true
	}
	for _, of := range []reflect.Type{reflect.TypeFor[pgxpool.Config](), reflect.TypeFor[pgx.ConnConfig](), reflect.TypeFor[pgconn.Config]()} {
		for i := range of.NumField() {
			f := of.Field(i)
			if f.IsExported() && !f.Anonymous && f.Type != reflect.TypeFor[*pgx.ConnConfig]() && !words[f.Name] {
				t.Errorf("%s.%s is not in the table: say what becomes of it on shared connections", of, f.Name)
			}
		}
	}
}

func TestClosedReader(t *testing.T) {
	for name, end := range map[string]func(p *pool.Pool){"pool": (*pool.Pool).Close, "reader": func(p *pool.Pool) { p.Reader().Close() }} {
		p := open(t, "pool_max_conns=4")
		r := p.Reader()
		crowd(16, func(int) { _, _ = r.Exec(t.Context(), "select 1") })
		end(p)
		if _, err := r.Exec(t.Context(), "select 1"); !errors.Is(err, reader.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.SendBatch(t.Context(), &pgx.Batch{}).Close(); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
