package reader_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Learning a statement whose table is locked does not keep a connection from others.
func TestLearningBehindALock(t *testing.T) {
	run(t, "drop table if exists learned_late", "create table learned_late (i int)")
	r := open(t, "pool_max_conns=2").Reader()
	const sql = "select count(*) from learned_late"
	if err := r.QueryRow(t.Context(), sql).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "begin; lock table learned_late"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.QueryRow(t.Context(), sql).Scan(new(int)) }() // It has run before, so it is learned.
	wait.Until(t, "it waits for the table", func() bool {
		var n int
		err := conn.QueryRow(t.Context(), `select count(*) from pg_locks
			where relation = 'learned_late'::regclass and not granted`).Scan(&n)
		return err == nil && n > 0
	})
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // A lesson may take 5 s.
		if err := r.QueryRow(ctx, "select 1").Scan(new(int)); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A hook that calls Goexit while a statement is learned costs a second, and not all that is learned later.
func TestGoexitWhileLearning(t *testing.T) {
	run(t, `create or replace function planned() returns int language plpgsql immutable as $$ begin
		raise notice '%', current_setting('lock_timeout'); return 1; end $$`)
	c := config(t, "pool_max_conns=8")
	var exited atomic.Bool
	c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Message == "20ms" && exited.CompareAndSwap(false, true) { // The learner's, when Postgres plans the call.
			runtime.Goexit()
		}
	}
	r := openConfig(t, c).Reader()
	crowdUntil(t, r, 16, 20, 100, func(int, int) {
		if err := r.QueryRow(t.Context(), "select planned()").Scan(new(int)); err != nil {
			t.Error(err)
		}
	})
	if !exited.Load() {
		t.Error("nothing was tested")
	}
}
