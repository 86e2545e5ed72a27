package pgnotify_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/pgnotify"
	"github.com/gqlboost/gqlboost/internal/pgbouncer"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

func newBus(t *testing.T, dsn string, c pgnotify.Options) *pgnotify.Bus {
	t.Helper()
	b, err := pgnotify.New(dsn, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func newCache(t *testing.T, b *pgnotify.Bus) *plancache.Cache[func()] {
	t.Helper()
	c, err := plancache.New(plancache.Options[func()]{Schema: "1", Invalidator: b, StoreTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func query(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	return queryOn(t, server.DSN(), sql, args...)
}

func queryOn(t *testing.T, dsn, sql string, args ...any) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const listeners = "select count(*) from pg_stat_activity where query = 'listen \"' || $1 || '\"'"

// What one cache deletes, the others lose, and no more; also after all connections were
// killed, and by a migration.
func TestCachesOfAFleet(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const channel = `odd "channel`
	bus := newBus(t, server.DSN(), pgnotify.Options{Channel: channel})
	caches := []*plancache.Cache[func()]{newCache(t, bus), newCache(t, bus)}
	listening := func() bool { return query(t, listeners, `odd ""channel`) == 2 }
	wait.Until(t, "both listen", listening)
	for range 2 {
		for _, c := range caches {
			c.Add(t.Context(), plancache.Key{Query: "a"}, func() {})
			c.Add(t.Context(), plancache.Key{Query: "b"}, func() {})
		}
		if err := caches[0].Delete(t.Context(), plancache.Key{Query: "a"}); err != nil {
			t.Error(err)
		}
		for _, c := range caches {
			wait.Until(t, "it is gone", func() bool { _, ok := c.Get(t.Context(), plancache.Key{Query: "a"}); return !ok })
			if _, ok := c.Get(t.Context(), plancache.Key{Query: "b"}); !ok {
				t.Error("another one is gone as well")
			}
		}
		query(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> pg_backend_pid() and (query like 'listen%' or query like '%pg_notify%')")
		for _, c := range caches {
			wait.Until(t, "nothing is trusted that may have been deleted", func() bool { return c.Len() == 0 })
		}
		wait.Until(t, "both listen again", listening)
	}
	caches[1].Add(t.Context(), plancache.Key{Query: "a"}, func() {})
	query(t, "select 1 from pg_notify($1, '*')", channel)
	wait.Until(t, "a migration has taken all out", func() bool { return caches[1].Len() == 0 })
	for _, c := range caches {
		c.Close()
	}
	if err := errors.Join(bus.Close(), bus.Close()); err != nil {
		t.Error(err)
	}
	if err := bus.Delete(t.Context(), "x"); !errors.Is(err, pgnotify.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Behind PgBouncer notifications come in session mode. In transaction mode, where they do not, who
// listens is told so, with nothing of the channel left behind.
func TestPooler(t *testing.T) {
	for mode, works := range map[string]bool{"session": true, "transaction": false} {
		t.Run(mode, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			dsn := pgbouncer.Start(t, server.DSN(), map[string]string{"pool_mode": mode})
			b := newBus(t, dsn, pgnotify.Options{Channel: "pooled_" + mode})
			defer b.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			keys, err := b.Watch(ctx)
			if !works {
				if err == nil || !strings.Contains(err.Error(), "pooler") {
					t.Errorf("got %v", err)
				}
				// PgBouncer gives out the connection that was used last.
				if n := queryOn(t, dsn, "select count(*) from pg_listening_channels()", pgx.QueryExecModeExec); n != 0 {
					t.Errorf("a pooled connection listens on %d channels", n)
				}
				link, err := bus.New(b, bus.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer link.Close()
				wait.Until(t, "the link says why", func() bool {
					return link.Health().Err != nil && strings.Contains(link.Health().Err.Error(), "pooler")
				})
				if n := query(t, "select count(*) from pg_stat_activity where query ilike 'listen \"pooled%'"); n != 0 {
					t.Errorf("%d connections listen", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Delete(ctx, "k"); err != nil {
				t.Fatal(err)
			}
			if got := <-keys; got != "k" {
				t.Errorf("got %q", got)
			}
			cancel()
			for range keys {
			}
		})
	}
}

// Many keys are told of in one go, in their order.
func TestDeleteEach(t *testing.T) {
	bus := newBus(t, server.DSN(), pgnotify.Options{Channel: "each"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	keys, err := bus.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range 3000 {
		list = append(list, fmt.Sprint(`tag "{`, i))
	}
	if err := bus.DeleteEach(ctx, list); err != nil {
		t.Fatal(err)
	}
	for _, want := range list {
		if got := <-keys; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// throughProxy returns a proxy before Postgres, and the connection string of the way through it.
func throughProxy(t *testing.T) (p *proxy.Proxy, dsn string) {
	t.Helper()
	u, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if p, err = proxy.New(net.JoinHostPort(u.Hostname(), u.Port())); err != nil {
		t.Fatal(err)
	}
	u.Host = p.Addr()
	return p, u.String()
}

// A connection that is neither closed nor answered is noticed.
func TestSilence(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, dsn := throughProxy(t)
	defer p.Close()
	// Long enough for a busy machine to answer.
	bus := newBus(t, dsn, pgnotify.Options{CheckEvery: 2 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	keys, err := bus.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "it was asked", func() bool {
		return query(t, "select count(*) from pg_stat_activity where query = '-- ping' and state = 'idle'") == 1
	})
	if err := bus.Delete(ctx, "k"); err != nil {
		t.Error(err)
	}
	if got := <-keys; got != "k" {
		t.Errorf("got %q", got)
	}
	p.SetSilent(true)
	wait.Until(t, "the silence is noticed", func() bool {
		select {
		case _, ok := <-keys:
			return !ok
		default:
			return false
		}
	})
}

// A call that hangs keeps Close waiting, but not the bus open: it makes no other connection, and closes the one
// that it has if Close has given up.
func TestCloseWhileDeleteHangs(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, dsn := throughProxy(t)
	defer p.Close()
	for name, c := range map[string]struct {
		hang, end func()
		givesUp   bool  // Close
		want      error // of the call that hangs
	}{
		"the connection is lost": {
			func() { p.SetSilent(true) }, func() { p.SetSilent(false); p.Reset() }, false, pgnotify.ErrClosed,
		},
		"Postgres answers late": {func() { p.SetDelay(4 * time.Second) }, func() { p.SetDelay(0) }, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, dsn, pgnotify.Options{})
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			c.hang()
			hung, closed := make(chan error, 1), make(chan error, 1)
			go func() { hung <- b.Delete(context.Background(), "k") }()
			time.Sleep(300 * time.Millisecond)
			go func() { closed <- b.Close() }()
			wait.Until(t, "the bus is closed", func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := b.Watch(ctx)
				return errors.Is(err, pgnotify.ErrClosed) && errors.Is(b.Delete(ctx, "k"), pgnotify.ErrClosed)
			})
			if c.givesUp {
				if err := <-closed; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Close: %v", err)
				}
			}
			c.end()
			if err := <-hung; !errors.Is(err, c.want) {
				t.Errorf("the call: got %v, want %v", err, c.want)
			}
			wait.Until(t, "no connection is left", func() bool {
				return query(t, "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query like '%pg_notify%'") == 0
			})
			if !c.givesUp {
				if err := <-closed; err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	if _, err := pgnotify.New("postgres://%", pgnotify.Options{}); err == nil {
		t.Error("no error for a bad connection string")
	}
	bus := newBus(t, "postgres://127.0.0.1:1/none", pgnotify.Options{})
	if err := bus.Delete(t.Context(), "k"); err == nil {
		t.Error("no error without a server")
	}
	if _, err := bus.Watch(t.Context()); err == nil {
		t.Error("no error without a server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bus.Delete(ctx, "k"); err == nil {
		t.Error("no error for a context that has ended")
	}
	for _, o := range []pgnotify.Options{{CheckEvery: -1}, {Channel: strings.Repeat("é", 32)}} {
		if _, err := pgnotify.New(server.DSN(), o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
	closed := newBus(t, server.DSN(), pgnotify.Options{Channel: strings.Repeat("c", 63)})
	if _, err := closed.Watch(t.Context()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(closed.Delete(t.Context(), "k"), closed.Close(), closed.Close()); err != nil {
		t.Error(err)
	}
	if err := closed.Delete(t.Context(), "k"); !errors.Is(err, pgnotify.ErrClosed) {
		t.Errorf("Delete after Close: %v", err)
	}
	if _, err := closed.Watch(t.Context()); !errors.Is(err, pgnotify.ErrClosed) {
		t.Errorf("Watch after Close: %v", err)
	}
}
