package matview_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/matview"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

const often = 10 * time.Millisecond

// Whatever is wrong is reported, and the refresher goes on when it is right.
func TestErrors(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "select 1") // without an index
	defer db.Close()
	code := func(code string) func(error) bool {
		return func(err error) bool {
			var pg *pgconn.PgError
			return errors.As(err, &pg) && pg.Code == code
		}
	}
	log := &errorLog{}
	other := run(t, db, matview.Options{View: "nowhere", Every: often, OnError: log.add})
	log.has(t, "the view is missing", says("matview: nowhere: there is no such materialized view"))
	other.stop()
	other = run(t, db, matview.Options{View: "testerrors", Every: often, OnError: log.add})
	log.has(t, "it is a table", says("matview: testerrors: there is no such materialized view"))
	other.stop()

	execute(t, db, "drop role if exists TABLE_stranger")
	execute(t, db, "create role TABLE_stranger login")
	config := db.Config()
	config.ConnConfig.User = table(t) + "_stranger"
	stranger, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()

	i := run(t, db, matview.Options{Every: often, OnError: log.add})
	log.has(t, "the index is missing", func(err error) bool { return errors.Is(err, matview.ErrNoUniqueIndex) })
	execute(t, db, "create unique index on TABLE_view (n)")
	insert(t, db)
	wait.Until(t, "it has gone on", func() bool { return shown(t, db) == 1 })

	// The other one has to find it due, so the first one must not refresh.
	i.stop()
	other = run(t, stranger, matview.Options{Every: often, OnError: log.add})
	log.has(t, "it may not refresh the view", code("42501"))
	other.stop()
	i = run(t, db, matview.Options{Every: often, OnError: log.add})

	// Its connections are lost.
	execute(t, db, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and backend_type = 'client backend'")
	insert(t, db)
	wait.Until(t, "it has another connection", func() bool { return shown(t, db) == 2 })

	// The query of the view fails.
	execute(t, db, "create or replace function TABLE_fails() returns int language plpgsql as $$ begin raise 'on purpose'; end $$")
	defer execute(t, db, "drop function TABLE_fails cascade")
	execute(t, db, "create materialized view TABLE_fails as select TABLE_fails() n with no data")
	other = run(t, db, matview.Options{View: "testerrors_fails", Every: often, OnError: log.add})
	log.has(t, "the query fails", says("on purpose"))
	other.stop()
	i.stop()
	if m := metrics(other.Refresher); m["failures"] < 1 || m["refreshes"] != 0 || m["leader"] != 0 {
		t.Errorf("%v", m)
	}
	if n := leftovers(t, db); n != 0 {
		t.Errorf("%d locks or transactions are left", n)
	}
	other = run(t, stranger, matview.Options{Every: often, OnError: log.add})
	stranger.Close()
	log.has(t, "the pool is closed", says("cannot get a connection: closed pool"))
	other.stop()
	for _, name := range []string{"", "a.b.c", ".", "a."} {
		if _, err := matview.New(db, matview.Options{View: name}); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
	if _, err := matview.New(nil, matview.Options{View: "v"}); err == nil {
		t.Error("no error without a database")
	}
	for _, o := range []matview.Options{{View: "v", Every: -1}, {View: "v", Timeout: -1}, {View: "v", Patience: -1}} {
		if _, err := matview.New(db, o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
}

// An instance that can no longer refresh the view does not lead, and knows how old it gets. Failures
// cost no connections.
func TestLeadIsLost(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "with no data", "create unique index TABLE_index on TABLE_view (n)")
	defer db.Close()
	own := connect(t, server.DSN())
	defer own.Close()
	log := &errorLog{}
	i := run(t, own, matview.Options{Every: 100 * time.Millisecond, OnError: log.add})
	wait.Until(t, "it leads", i.Leads)
	execute(t, db, "drop index TABLE_index")
	wait.Until(t, "it does not lead", func() bool { return !i.Leads() && metrics(i.Refresher)["failures"] > 3 })
	age, known := i.Staleness()
	if m := metrics(i.Refresher); !known || age < 100*time.Millisecond || m["leader"] != 0 || m["staleness"] < age.Seconds() {
		t.Errorf("%v, %v, %v", age, known, m)
	}
	if n := own.Stat().NewConnsCount(); n > 2 { // One may be lost to a look that took too long.
		t.Errorf("%d connections", n)
	}
	i.stop()
}

// Nobody answers, or no connection is free.
func TestNoConnection(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "with no data", "create unique index on TABLE_view (n)")
	defer db.Close()
	config := db.Config()
	config.ConnConfig.Port = 1
	nobody, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	log := &errorLog{}
	i := run(t, nobody, matview.Options{Every: often, OnError: log.add})
	log.has(t, "nobody answers", says("cannot get a connection: "))
	i.stop()

	config = db.Config()
	config.MaxConns = 1
	full, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	conn, err := full.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i = run(t, full, matview.Options{Every: often, OnError: log.add})
	log.has(t, "none is free", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
	conn.Release()
	wait.Until(t, "it goes on", func() bool { return shown(t, db) == 0 })
	i.stop()
}

// A refresh that takes too long is cancelled, and so is its transaction.
func TestTimeout(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := openSlow(t)
	defer db.Close()
	insert(t, db)
	execute(t, db, "insert into TABLE_slow values (600)")
	log := &errorLog{}
	i := run(t, db, matview.Options{Every: often, Timeout: 200 * time.Millisecond, OnError: log.add})
	log.has(t, "it takes too long", says("the refresh took longer than Timeout (200ms) and was cancelled"))
	log.has(t, "it takes too long", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
	execute(t, db, "delete from TABLE_slow")
	wait.Until(t, "it goes on", func() bool { return shown(t, db) == 1 })
	i.stop()
	if n := leftovers(t, db); n != 0 {
		t.Errorf("%d locks or transactions are left", n)
	}
}

// When Run returns, the refresh that was under way is over on the server as well. So is that
// of an instance whose connection is lost: another one takes over.
func TestEndDuringRefresh(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := openSlow(t)
	defer db.Close()
	insert(t, db)
	execute(t, db, "insert into TABLE_slow values (600)")
	log := &errorLog{}
	i := run(t, db, matview.Options{Every: 50 * time.Millisecond, OnError: log.add})
	refreshing := func() bool {
		return query[int](t, db, "select count(*) from pg_stat_activity where query like 'refresh%TABLE_view%' and state = 'active'") > 0
	}
	wait.Until(t, "it refreshes", func() bool { return refreshing() && i.Leads() })
	start := time.Now()
	i.stop()
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("Run returned after %v", took)
	}
	if n := leftovers(t, db); n != 0 {
		t.Errorf("%d locks or transactions are left", n)
	}
	if len(log.list) > 0 {
		t.Errorf("the end is reported: %v", log.list)
	}
	one, two := run(t, db, matview.Options{Every: often, OnError: log.add}), run(t, db, matview.Options{Every: often, OnError: log.add})
	wait.Until(t, "it refreshes", refreshing)
	execute(t, db, "delete from TABLE_slow")
	execute(t, db, "select pg_terminate_backend(pid) from pg_stat_activity where query like 'refresh%TABLE_view%' and state = 'active'")
	log.has(t, "the connection is lost", func(error) bool { return true })
	wait.Until(t, "one goes on", func() bool { return shown(t, db) == 1 })
	one.stop()
	two.stop()
	if n := leftovers(t, db); n != 0 {
		t.Errorf("%d locks or transactions are left", n)
	}
}

// What OnError does is of no consequence to the refreshes, nor to the process.
func TestOnError(t *testing.T) {
	before := goleak.IgnoreCurrent()
	db := open(t, "", "select 1")
	defer db.Close()
	for name, do := range map[string]func(){
		"panics": func() { panic("on purpose") },
		"exits":  runtime.Goexit,
		"nil":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			var calls atomic.Int64
			onError := func(error) { calls.Add(1); do() }
			i := run(t, db, matview.Options{Every: often, OnError: onError})
			if do == nil {
				i.stop()
				r, err := matview.New(db, matview.Options{View: "testonerror_view", Every: often})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { _ = r.Run(ctx) }()
				wait.Until(t, "it fails", func() bool { return metrics(r)["failures"] > 2 })
				return
			}
			wait.Until(t, "it is called", func() bool { return calls.Load() > 2 })
			i.stop()
			after := calls.Load()
			goleak.VerifyNone(t, ignore) // Nobody is left to call it.
			if calls.Load() != after {
				t.Error("it is called after the end")
			}
		})
	}
	t.Run("blocks", func(t *testing.T) {
		ignore := goleak.IgnoreCurrent()
		var calls, at atomic.Int64
		var last atomic.Value
		goOn := make(chan struct{})
		i := run(t, db, matview.Options{Every: often, OnError: func(err error) {
			if at.Add(1) > 1 {
				t.Error("two calls at a time")
			}
			defer at.Add(-1)
			last.Store(err)
			calls.Add(1)
			<-goOn
		}})
		wait.Until(t, "it fails again and again", func() bool { return metrics(i.Refresher)["failures"] > 3 })
		execute(t, db, "create unique index on TABLE_view (n)")
		insert(t, db)
		wait.Until(t, "it goes on", func() bool { return shown(t, db) == 1 })
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
		start := time.Now()
		i.stop()
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("Run returned after %v", took)
		}
		close(goOn)
		goleak.VerifyNone(t, ignore) // Nobody is left to call it.
		if calls.Load() != 1 {
			t.Error("it is called after the end")
		}
	})
	db.Close()
	goleak.VerifyNone(t, before)
}
