package matview_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/matview"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		server = s
		os.Setenv("GQLBOOST_EXAMPLE_DSN", s.DSN())
	}))
}

// open returns a pool, with a view of its own.
func open(t *testing.T, view, index string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	name := strings.ToLower(t.Name())
	for _, sql := range []string{
		"create table " + name + " (id int)", fmt.Sprintf("create materialized view %s_view as select count(*) n from %s %s", name, name, view), strings.ReplaceAll(index, "VIEW", name+"_view"),
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// shown is what readers of the view see.
func shown(t *testing.T, db *pgxpool.Pool) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "select n from "+strings.ToLower(t.Name())+"_view").Scan(&n); err != nil {
		return -1
	}
	return n
}

func insert(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	if _, err := db.Exec(t.Context(), "insert into "+strings.ToLower(t.Name())+" values (1)"); err != nil {
		t.Fatal(err)
	}
}

func metrics(r *matview.Refresher) map[string]float64 {
	found := map[string]float64{}
	for m := range r.Metrics() {
		found[strings.TrimPrefix(m.Name, "gqlboost.matview.")] = m.Value
	}
	return found
}

// Of many instances one refreshes, and when it goes another takes its place.
func TestOneLeads(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "with no data", "create unique index on VIEW (n)")
	defer db.Close()
	var instances []*matview.Refresher
	var stops []context.CancelFunc
	var wg sync.WaitGroup
	for range 4 {
		own, err := pool.New(t.Context(), server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		r, err := matview.New(own, matview.Config{View: "public.testoneleads_view", Every: 20 * time.Millisecond, OnError: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		instances, stops = append(instances, r), append(stops, stop)
		wg.Go(func() {
			defer own.Close()
			if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	leader := func() int {
		found := -1
		for i, r := range instances {
			if r.Leads() {
				if found >= 0 {
					t.Error("two refresh")
				}
				found = i
			}
		}
		return found
	}
	for left := len(instances); left > 0; left-- {
		insert(t, db)
		want := len(instances) - left + 1
		wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == want && leader() >= 0 })
		lead := leader()
		wait.Until(t, "the staleness is known", func() bool { age, known := instances[lead].Staleness(); return known && age < time.Minute })
		m := metrics(instances[lead])
		if m["leader"] != 1 || m["refreshes"] < 1 || m["failures"] != 0 || m["duration"] <= 0 {
			t.Errorf("%v", m)
		}
		for i, r := range instances {
			if _, known := r.Staleness(); known && i != lead {
				t.Error("who does not refresh knows the staleness")
			}
		}
		stops[lead]()
		wait.Until(t, "it has stopped", func() bool { return !instances[lead].Leads() })
	}
	wg.Wait()
}

// Who reads the view in a transaction does not stop its refresh, and is not stopped.
func TestReadersAreNotBlocked(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "create unique index on VIEW (n)")
	defer db.Close()
	reader, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "select * from testreadersarenotblocked_view"); err != nil {
		t.Fatal(err)
	}
	r, err := matview.New(db, matview.Config{View: "testreadersarenotblocked_view", Every: 10 * time.Millisecond, OnError: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	insert(t, db)
	wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == 1 })
	if err := reader.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	stop()
	<-done
}

// Errors are told, and it goes on.
func TestErrors(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "select 1") // without an index
	defer db.Close()
	var last atomic.Pointer[error]
	run := func(view string) func() {
		r, err := matview.New(db, matview.Config{View: view, Every: 10 * time.Millisecond, OnError: func(err error) { last.Store(&err) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = r.Run(ctx) }()
		return func() { stop(); <-done; last.Store(nil) }
	}
	failed := func(is func(error) bool) func() bool {
		return func() bool { err := last.Load(); return err != nil && is(*err) }
	}
	stop := run("nowhere")
	wait.Until(t, "the view is missing", failed(func(err error) bool { return strings.Contains(err.Error(), "nowhere: there is no such") }))
	stop()
	stop = run("testerrors_view")
	wait.Until(t, "the index is missing", failed(func(err error) bool { return errors.Is(err, matview.ErrNoUniqueIndex) }))
	if _, err := db.Exec(t.Context(), "create unique index on testerrors_view (n)"); err != nil {
		t.Fatal(err)
	}
	insert(t, db)
	wait.Until(t, "it has gone on", func() bool { return shown(t, db) == 1 })
	// Its connection is lost, and with it the lock.
	if _, err := db.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and backend_type = 'client backend'"); err != nil {
		t.Fatal(err)
	}
	insert(t, db)
	wait.Until(t, "it has another connection", func() bool { return shown(t, db) == 2 })
	stop()
	for _, name := range []string{"", "a.b.c", ".", "a."} {
		if _, err := matview.New(db, matview.Config{View: name}); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}
