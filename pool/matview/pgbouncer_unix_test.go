//go:build unix

package matview_test

import (
	"testing"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/matview"
	"go.uber.org/goleak"
)

// Behind PgBouncer instances come and go, end while they refresh, and are cut off, and the
// view is refreshed by those that are left: there is no lock that outlives them.
func TestBehindPgBouncer(t *testing.T) {
	for _, mode := range []string{"transaction", "session"} {
		for name, parameters := range map[string]string{"default": "", "exec": "&default_query_exec_mode=exec", "simple": "&default_query_exec_mode=simple_protocol"} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				t.Cleanup(func() { goleak.VerifyNone(t, before) }) // After the pools are closed.
				direct := openSlow(t)
				dsn := pgbouncer.Start(t, server.DSN(), map[string]string{"pool_mode": mode, "default_pool_size": "4"}) + parameters
				behind := connect(t, dsn)
				fresh := func() {
					t.Helper()
					insert(t, direct)
					want := query[int](t, direct, "select count(*) from TABLE")
					wait.Until(t, "the view is fresh", func() bool { return shown(t, direct) == want })
				}
				for round := range 3 {
					one, two := run(t, behind, matview.Options{Every: often}), run(t, connect(t, dsn), matview.Options{Every: often})
					fresh()
					one.stop()
					fresh()
					// The other one ends in the middle of a refresh.
					execute(t, direct, "insert into TABLE_slow values (600)")
					wait.Until(t, "it refreshes", func() bool {
						return query[int](t, direct, "select count(*) from pg_stat_activity where query like 'refresh%TABLE_view%' and state = 'active'") > 0
					})
					two.stop()
					execute(t, direct, "delete from TABLE_slow")
					wait.Until(t, "nothing is left", func() bool { return leftovers(t, direct) == 0 })
					if t.Failed() {
						t.Fatalf("round %d", round)
					}
				}
				// All sessions of PgBouncer are lost.
				log := &errorLog{}
				i := run(t, behind, matview.Options{Every: often, OnError: log.add})
				fresh()
				execute(t, direct, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and backend_type = 'client backend'")
				fresh()
				i.stop()
			})
		}
	}
}

// Where there are no transactions, that is the error.
func TestBehindPgBouncerWithoutTransactions(t *testing.T) {
	direct := open(t, "with no data", "create unique index on TABLE_view (n)")
	behind := connect(t, pgbouncer.Start(t, server.DSN(), map[string]string{"pool_mode": "statement"})+"&default_query_exec_mode=exec")
	log := &errorLog{}
	i := run(t, behind, matview.Options{Every: often, OnError: log.add})
	log.has(t, "it says so", says("transaction blocks not allowed in statement pooling mode"))
	i.stop()
	if shown(t, direct) != -1 {
		t.Error("it is refreshed all the same")
	}
}
