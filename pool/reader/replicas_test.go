package reader_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The Reader reads from a replica while it is there and up to date, and from the
// primary else, and callers notice nothing.
func TestReplicas(t *testing.T) {
	primary := startOwn(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var replicas []*postgres.Server
	var dsns string
	for range 2 {
		r := startReplica(t, primary)
		replicas = append(replicas, r)
		dsns += " " + r.DSN()
	}
	p := openOwn(t, primary.DSN()+"&pool_max_conns=8&pool_reader_max_lag=1s&pool_reader_replicas="+escape(dsns), nil)
	if _, err := p.Exec(ctx, "create table lines (id int primary key); insert into lines select generate_series(1, 1000)"); err != nil {
		t.Fatal(err)
	}
	for _, replica := range replicas { // A table is not old enough to be everywhere.
		own := openOwn(t, replica.DSN(), nil)
		wait.Until(t, "the lines are there", func() bool { _, err := own.Exec(ctx, "select from lines"); return err == nil })
	}
	r := p.Reader()
	const sql = "select pg_is_in_recovery(), current_setting('port')::int"
	where := func() (replica bool, port int) {
		t.Helper()
		if err := r.QueryRow(ctx, sql).Scan(&replica, &port); err != nil {
			t.Error(err)
		}
		return replica, port
	}
	used := func() (primary bool, n int) {
		ports := map[int]bool{}
		var mu sync.Mutex
		crowd(16, func(int) {
			for range 20 {
				replica, port := where()
				mu.Lock()
				ports[port] = true
				primary = primary || !replica
				mu.Unlock()
			}
		})
		return primary, len(ports)
	}
	wait.Until(t, "both replicas are used, and the primary is not", func() bool { primary, n := used(); return !primary && n == 2 })

	// Callers go on while a replica is restarted.
	running, stop := context.WithCancel(ctx)
	var answers atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for running.Err() == nil {
				var got int
				if err := r.QueryRow(ctx, "select id from lines where id = $1", i+1).Scan(&got); err != nil || got != i+1 {
					t.Errorf("got %d, %v, want %d", got, err, i+1)
				}
				answers.Add(1)
			}
		})
	}
	wait.Until(t, "callers are answered", func() bool { return answers.Load() > 100 })
	if err := replicas[0].Kill(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the one that is left is used", func() bool { primary, n := used(); return !primary && n == 1 })
	if err := replicas[0].Restart(ctx); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "both are used again", func() bool { primary, n := used(); return !primary && n == 2 })
	stop()
	wg.Wait()
	t.Logf("%d answers, %d run again", answers.Load(), r.Counts().Lost)

	// A replica that does not replay is left out, once there is something to replay.
	var own []*pool.Pool
	for _, one := range replicas {
		own = append(own, openOwn(t, one.DSN(), nil))
	}
	all := func(sql string) {
		t.Helper()
		for _, one := range own {
			if _, err := one.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer all("select pg_wal_replay_resume()")
	written := func() (lsn string) {
		t.Helper()
		if err := p.QueryRow(ctx, "select pg_current_wal_lsn()::text").Scan(&lsn); err != nil {
			t.Fatal(err)
		}
		return lsn
	}
	wait.Until(t, "replicas that have all there is are used for longer than the lag that is allowed", func() bool {
		all("select pg_wal_replay_resume()")
		before := written()
		wait.Until(t, "replicas have all there is", func() bool { primary, n := used(); return !primary && n == 2 && caughtUp(t, own, before) })
		all("select pg_wal_replay_pause()")
		for paused := time.Now(); time.Since(paused) < 1500*time.Millisecond; {
			used()
		}
		primary, n := used()
		return !primary && n == 2 && written() == before // The server writes by itself now and then.
	})
	if _, err := p.Exec(ctx, "insert into lines values (2000)"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the primary is used", func() bool { primary, n := used(); return primary && n == 1 })
	var got int
	if err := r.QueryRow(ctx, "select id from lines where id = 2000").Scan(&got); err != nil {
		t.Error(err)
	}
}

// caughtUp reports whether replicas have replayed the primary's log that far.
func caughtUp(t *testing.T, replicas []*pool.Pool, lsn string) bool {
	t.Helper()
	for _, one := range replicas {
		var has bool
		err := one.QueryRow(t.Context(), "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn).Scan(&has)
		if err != nil {
			t.Fatal(err)
		}
		if !has {
			return false
		}
	}
	return true
}

// Replicas are used also where a hook makes connections ready for callers, and needs something of
// their contexts.
func TestReplicasWithHooks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	replica := startReplica(t, server)
	type tenant struct{}
	ready := func(ctx context.Context) error {
		if ctx.Value(tenant{}) == nil {
			return errors.New("no tenant")
		}
		return nil
	}
	for name, set := range map[string]func(c *pool.Config){
		"PrepareConn": func(c *pool.Config) {
			c.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) { return true, ready(ctx) }
		},
		"BeforeAcquire": func(c *pool.Config) {
			//lint:ignore SA1019 a configuration may still have it
			c.BeforeAcquire = func(ctx context.Context, _ *pgx.Conn) bool { return ready(ctx) == nil }
		},
	} {
		r := openOwn(t, server.DSN()+"&pool_max_conns=8&pool_reader_replicas="+escape(replica.DSN()), set).Reader()
		wait.Until(t, name+": the replica is used", func() bool {
			var found bool
			caller := context.WithValue(ctx, tenant{}, 1)
			if err := r.QueryRow(caller, "select pg_is_in_recovery()").Scan(&found); err != nil {
				t.Error(err)
			}
			return found
		})
		if _, err := r.Exec(ctx, "select 1"); err == nil {
			t.Errorf("%s: the hook was not run for a caller", name)
		}
	}
}

// failing is a rewriter that fails.
type failing struct{}

func (failing) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return "", nil, errors.New("no rewriting")
}

// A call that is wrong in itself fails as with pgxpool, and takes no replica away from the others.
func TestReplicasStayWhereCallsAreWrong(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	replica := startReplica(t, server)
	type unwelcome struct{}
	prepare := func(c *pool.Config) {
		c.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) {
			if ctx.Value(unwelcome{}) != nil {
				return true, errors.New("unwelcome")
			}
			return true, nil
		}
	}
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		at := "&pool_max_conns=8&default_query_exec_mode=" + mode
		p := openOwn(t, server.DSN()+at+"&pool_reader_replicas="+escape(replica.DSN()), prepare)
		peer, err := pgxpool.New(ctx, server.DSN()+at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(peer.Close)
		r := p.Reader()
		there := func() (found bool) {
			if err := r.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&found); err != nil {
				t.Error(err)
			}
			return found
		}
		wait.Until(t, mode+": the replica is used", there)
		type doer interface {
			Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
			SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
		}
		exec := func(ctx context.Context, sql string, args ...any) func(doer) error {
			return func(d doer) error { _, err := d.Exec(ctx, sql, args...); return err }
		}
		batch := &pgx.Batch{}
		batch.Queue("select $1::int", struct{}{})
		for name, wrong := range map[string]func(doer) error{
			"an argument too few":      exec(ctx, "select $1::int + $2::int", 1),
			"an argument of no type":   exec(ctx, "select $1::int", struct{}{}),
			"a rewriter":               exec(ctx, "select 1", failing{}),
			"no such table":            exec(ctx, "select from no_such_table"),
			"a hook":                   exec(context.WithValue(ctx, unwelcome{}, 1), "select 1"),
			"an argument in a batch":   func(d doer) error { return d.SendBatch(ctx, batch).Close() },
			"an argument with a token": exec(reader.WithToken(ctx, p.Token(ctx)), "select $1::int", struct{}{}),
		} {
			wait.Until(t, mode+", "+name+": the replica stays in use", func() bool {
				stays := true
				for range 5 {
					got, want := wrong(r), wrong(peer)
					var e, peers *pgconn.PgError
					if got == nil || name != "a hook" && errors.As(got, &e) != errors.As(want, &peers) || e != nil && e.Code != peers.Code {
						t.Fatalf("%s, %s: %v, pgxpool: %v", mode, name, got, want)
					}
					stays = there() && stays
				}
				return stays
			})
		}
	}
}

// escape encodes a parameter of a connection string.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func TestReplicaWithBadString(t *testing.T) {
	const bad = "postgres://user@host:port/"
	if _, err := pool.ParseConfig(server.DSN() + "&pool_reader_replicas=" + escape(bad)); err == nil {
		t.Error("there is no error")
	}
	c, err := pool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	c.Reader.Replicas = []string{bad}
	if _, err := pool.NewWithConfig(t.Context(), c); err == nil {
		t.Error("there is no error")
	}
}
