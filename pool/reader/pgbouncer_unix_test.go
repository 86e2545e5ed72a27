//go:build unix

package reader_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The Reader detects a pooler that the configuration does not mention (PgBouncer 1.21 supports
// prepared statements): a session that the Reader makes read-only would be a writer's next.
func TestReaderNoticesPgBouncer(t *testing.T) {
	openAt = pgbouncer.Start(t, server.DSN(), nil)
	defer func() { openAt = "" }()
	p := open(t, "pool_max_conns=8")
	r := p.Reader()
	if _, err := p.Exec(t.Context(), "create table if not exists beside_pgbouncer (i int)"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the Reader shares connections", func() bool {
		crowd(16, func(i int) {
			var got int // On other connections this version of PgBouncer loses what pgx has prepared.
			if err := r.QueryRow(t.Context(), "select $1::int", i).Scan(&got); err == nil && got != i {
				t.Errorf("got %d, want %d", got, i)
			}
		})
		if _, err := p.Exec(t.Context(), "insert into beside_pgbouncer values (1)"); err != nil {
			t.Fatal("a write of the pool's: ", err)
		}
		return r.Counts().Shared > 500
	})
	if _, err := r.Exec(t.Context(), "insert into beside_pgbouncer values (1)"); err == nil {
		t.Error("the Reader has written")
	}
}

// Behind PgBouncer in transaction mode the Reader does what it does elsewhere.
func TestReaderBehindPgBouncer(t *testing.T) {
	openAt = pgbouncer.Start(t, server.DSN(), nil) + "&default_query_exec_mode=cache_describe"
	defer func() { openAt = "" }()
	if p := open(t, ""); !p.Reader().TransactionPooling() {
		t.Fatal("the Reader believes in sessions")
	}
	for name, test := range map[string]func(*testing.T){
		"AnswersEachItsOwn": TestReaderAnswersEachItsOwn,
		"Rows":              TestReaderRows,
		"Errors":            TestReaderErrorsStayWithTheirCaller,
		"RefusesWrites":     TestReaderRefusesWrites,
		"Batch":             TestReaderBatch,
		"Cancelled":         TestReaderCancelled,
		"SlowNeighbours":    TestReaderSlowNeighbours,
		"LargeResults":      TestReaderLargeResults,
		"SchemaChange":      TestReaderSchemaChange,
		"UnderFire":         TestReaderUnderFire,
		"StatementTimeout":  TestReaderStatementTimeout,
	} {
		t.Run(name, test)
	}
}

// A replica's connection string says how its statements are sent: a pooler before one server costs the
// others nothing, and what is behind one has nothing prepared.
func TestReplicasWithModesOfTheirOwn(t *testing.T) {
	primary := startOwn(t, nil)
	replica := startReplica(t, primary)
	const describe, statement = "&default_query_exec_mode=cache_describe", "&default_query_exec_mode=cache_statement"
	for _, c := range []struct {
		name, primary, replica string
		prepares               bool // on the replica
	}{
		{"the primary behind one", pgbouncer.Start(t, primary.DSN(), nil) + describe, replica.DSN() + statement, true},
		{"and nothing said of the replica", pgbouncer.Start(t, primary.DSN(), nil) + describe, replica.DSN(), false},
		{"the replica behind one", primary.DSN(), pgbouncer.Start(t, replica.DSN(), nil) + describe, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openOwn(t, c.primary+"&pool_max_conns=8&pool_reader_replicas="+escape(c.replica), nil)
			r := p.Reader()
			var prepared atomic.Int64
			use := func() (all bool) {
				var there atomic.Int64
				crowd(16, func(i int) {
					ctx := t.Context()
					if i%2 == 0 {
						ctx = reader.WithSettings(ctx, reader.Settings{GUC: map[string]string{"app.tenant": strconv.Itoa(i)}})
					}
					for range 20 {
						var got int
						var recovers bool
						err := r.QueryRow(ctx, "select $1::int, pg_is_in_recovery()", i).Scan(&got, &recovers)
						if err != nil || got != i {
							t.Errorf("got %d of %d: %v", got, i, err)
						}
						if recovers {
							there.Add(1)
						}
					}
					var n int64
					var recovers bool
					err := r.QueryRow(ctx, `select count(*) filter (where statement like '%$1::int%'), pg_is_in_recovery()
						from pg_prepared_statements`).Scan(&n, &recovers)
					if err != nil {
						t.Error(err)
					}
					if recovers {
						prepared.Add(n)
					}
				})
				return there.Load() == 16*20
			}
			wait.Until(t, "the replica answers", use)
			if c.prepares {
				wait.Until(t, "statements are prepared there", func() bool { use(); return prepared.Load() > 0 })
			} else if use(); prepared.Load() > 0 {
				t.Errorf("%d statements are prepared there", prepared.Load())
			}
			batch := &pgx.Batch{}
			batch.Queue("select 1")
			batch.Queue("select $1::int", 2)
			if err := r.SendBatch(t.Context(), batch).Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Statements of the configuration are prepared where sessions are Postgres's own, and behind a pooler
// nowhere: another session would be asked for them.
func TestStatementsBehindPgBouncer(t *testing.T) {
	primary := startOwn(t, nil)
	replica := startReplica(t, primary)
	few := map[string]string{"default_pool_size": "3"} // so that sessions change hands
	const describe, sql = "&default_query_exec_mode=cache_describe", "select $1::int, pg_is_in_recovery()"
	behind, there := pgbouncer.Start(t, primary.DSN(), few)+describe, pgbouncer.Start(t, replica.DSN(), few)+describe
	for _, c := range []struct {
		name, primary, replica string
		prepares               [2]bool // on the primary, on the replica
	}{
		{"the primary", behind, replica.DSN() + "&default_query_exec_mode=cache_statement", [2]bool{false, true}},
		{"the replica", primary.DSN(), there, [2]bool{true, false}},
		{"both", behind, there, [2]bool{false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openOwn(t, c.primary+"&pool_max_conns=8&pool_warm=true&pool_reader_replicas="+escape(c.replica),
				func(c *pool.Config) { c.Statements = []string{sql} })
			r := p.Reader()
			ask := func(row pgx.Row, i int) (recovers bool) {
				var got int
				if err := row.Scan(&got, &recovers); err != nil || got != i {
					t.Errorf("got %d of %d: %v", got, i, err)
				}
				return recovers
			}
			wait.Until(t, "the replica answers", func() bool { return ask(r.QueryRow(t.Context(), sql, 1), 1) })
			crowd(16, func(i int) {
				for range 20 {
					ask(p.QueryRow(t.Context(), sql, i), i)
					ask(r.QueryRow(reader.Alone(t.Context()), sql, i), i)
				}
			})
			const prepared = `select count(*) > 0, pg_is_in_recovery() from pg_prepared_statements
				where statement = $1 and name like 'stmt\_%'`
			for server, row := range []func() pgx.Row{
				func() pgx.Row { return p.QueryRow(t.Context(), prepared, sql) },
				func() pgx.Row { return r.QueryRow(reader.Alone(t.Context()), prepared, sql) },
			} {
				wait.Until(t, "the server answers", func() bool {
					var got, recovers bool
					if err := row().Scan(&got, &recovers); err != nil {
						t.Error(err)
					}
					if recovers == (server == 1) && got != c.prepares[server] {
						t.Errorf("server %d: prepared: %t, want %t", server, got, c.prepares[server])
					}
					return recovers == (server == 1)
				})
			}
		})
	}
	config := config(t, "pool_warm=true"+describe)
	config.Statements = []string{"select nothing"}
	if p, err := pool.NewWithConfig(t.Context(), config); err == nil {
		p.Close()
		t.Error("a statement that Postgres refuses is not noticed")
	}
}

// What a replica behind PgBouncer does not answer because it is down is read from the primary, also by
// callers whom a shared connection has kept waiting before.
func TestReplicaBehindPgBouncerIsKilled(t *testing.T) {
	primary := startOwn(t, nil)
	replica := startReplica(t, primary)
	// What has come before the failure is noticed waits in PgBouncer's queue, for two minutes by default.
	pooler := pgbouncer.Start(t, replica.DSN(), map[string]string{"server_login_retry": "1", "query_wait_timeout": "2"})
	dsn := pooler + "&default_query_exec_mode=cache_describe"
	r := openOwn(t, primary.DSN()+"&pool_max_conns=12&pool_reader_replicas="+escape(dsn), nil).Reader()
	var fromReplica, fromPrimary atomic.Int64
	settings := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.tenant": "7"}})
	running, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	defer callers.Wait()
	defer stop()
	for i := range 16 {
		callers.Go(func() {
			for running.Err() == nil {
				ctx := t.Context()
				if i%2 == 0 {
					ctx = settings
				}
				var got int
				var recovers bool
				err := r.QueryRow(ctx, "select $1::int, pg_is_in_recovery()", i).Scan(&got, &recovers)
				var refused *pgconn.PgError
				switch {
				case errors.As(err, &refused) && (strings.Contains(refused.Message, "server_login_retry") ||
					strings.Contains(refused.Message, "query_wait_timeout")), err == nil && got != i:
					t.Errorf("got %d of %d: %v", got, i, err)
				case err != nil: // It was on two connections that ended.
					t.Log(err)
				case recovers:
					fromReplica.Add(1)
				default:
					fromPrimary.Add(1)
				}
			}
		})
	}
	rounds := 2
	if long {
		rounds = 10
	}
	more := func(what string, n *atomic.Int64) {
		t.Helper()
		seen := n.Load()
		wait.Until(t, what, func() bool { return n.Load() > seen+500 })
	}
	for range rounds {
		more("the replica answers", &fromReplica)
		if err := replica.Kill(); err != nil {
			t.Fatal(err)
		}
		more("the primary answers", &fromPrimary)
		time.Sleep(500 * time.Millisecond) // Until the replica is found to be down, it is asked.
		if err := replica.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
