package reader_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

// noticed has the Reader notice what has changed in the schema.
func noticed(t *testing.T, r *reader.Reader, change ...string) {
	t.Helper()
	before := r.Doubts()
	run(t, change...)
	wait.Until(t, "the Reader notices that the schema has changed", func() bool {
		_, _ = r.Exec(t.Context(), "select 'anything'")
		return r.Doubts() > before
	})
}

// A parameter's type changes in a way that Postgres converts: the statement would work on
// with the old type, and lose a time's zone.
func TestParameterChangesItsType(t *testing.T) {
	run(t, "drop table if exists events", "create table events (at timestamp)")
	p := open(t, "pool_max_conns=8&pool_reader_slow_after=1s&timezone=UTC")
	r := p.Reader()
	at := time.Date(2024, 1, 1, 14, 0, 0, 0, time.FixedZone("", 2*3600))
	find := func() (n int, err error) {
		err = r.QueryRow(t.Context(), "select count(*) from events where at = $1", at).Scan(&n)
		return n, err
	}
	crowdUntil(t, r, 16, 50, 300, func(int, int) { _, _ = find() })
	noticed(t, r, "alter table events alter at type timestamptz using at at time zone 'UTC'", "insert into events values ('2024-01-01 12:00+00')")
	p.Reset() // pgx itself keeps what the pool's connections have prepared.
	crowdUntil(t, r, 16, 50, 300, func(int, int) {
		if n, err := find(); err != nil || n != 1 {
			t.Errorf("%d rows, %v; want 1", n, err)
		}
	})
}

// Reset has everything learned again at once.
func TestResetForgetsTypes(t *testing.T) {
	run(t, "drop table if exists wide", "create table wide (id int, name text)")
	p := open(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	find := func(ctx context.Context, id int64) error {
		_, err := p.Reader().Exec(ctx, "select name from wide where id = $1", id)
		return err
	}
	ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.tenant": "a"}})
	crowdUntil(t, p.Reader(), 16, 50, 300, func(int, int) { _ = find(ctx, 1) })
	run(t, "alter table wide alter id type bigint")
	p.Reset()
	for range 10 {
		if err := find(ctx, 1<<40); err != nil {
			t.Error(err)
		}
	}
}

// The type of a parameter is dropped and made again: statements that stay prepared name one
// that is gone.
func TestParameterTypeIsMadeAgain(t *testing.T) {
	run(t, "drop type if exists again cascade", "create type again as enum ('a')")
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	read := func() error {
		var s string
		return r.QueryRow(t.Context(), "select $1::again::text", "a").Scan(&s)
	}
	crowdUntil(t, r, 16, 50, 300, func(int, int) { _ = read() })
	noticed(t, r, "drop type again", "create type again as enum ('a')")
	for range 20 { // As with pgxpool each connection may fail once.
		_ = read()
	}
	crowdUntil(t, r, 16, 50, 300, func(int, int) { _ = read() })
	crowdUntil(t, r, 16, 50, 300, func(int, int) {
		if err := read(); err != nil {
			t.Error(err)
		}
	})
}

// A column's type changes in the result of a statement that runs alone with settings.
func TestColumnChangesItsType(t *testing.T) {
	run(t, "drop table if exists states", "drop type if exists state", "create type state as enum ('good')", "create table states (state smallint)", "insert into states values (1)")
	r := open(t, "pool_max_conns=4").Reader()
	ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.tenant": "a"}})
	read := func() (any, error) {
		rows, err := r.Query(ctx, "select state from states")
		if err != nil {
			return nil, err
		}
		return pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (any, error) {
			values, err := row.Values()
			if err != nil {
				return nil, err
			}
			return values[0], nil
		})
	}
	for range 100 {
		if v, err := read(); err != nil || v != int16(1) {
			t.Fatal(v, err)
		}
	}
	run(t, "alter table states alter state type state using 'good'")
	for range 10 {
		if v, err := read(); err != nil || v != "good" {
			t.Errorf("%#v, %v; want the string that pgx has", v, err)
		}
	}
}

// A function becomes volatile: its callers have transactions of their own again.
func TestFunctionBecomesVolatile(t *testing.T) {
	run(t, "drop function if exists left_by(text)", "create function left_by(t text) returns text language plpgsql stable as $$ begin return ''; end $$")
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	// It returns what the last caller in the same transaction has left.
	call := func(i int) (left string, err error) {
		err = r.QueryRow(t.Context(), "select left_by($1)", fmt.Sprint("caller ", i)).Scan(&left)
		return left, err
	}
	crowdUntil(t, r, 16, 50, 300, func(i, _ int) { _, _ = call(i) })
	noticed(t, r, `create or replace function left_by(t text) returns text language plpgsql volatile as $$
		declare was text := coalesce(current_setting('app.who', true), '');
		begin perform set_config('app.who', t, true); return was; end $$`)
	var wrong atomic.Int64
	crowdUntil(t, r, 16, 50, 1000, func(i, _ int) {
		if left, err := call(i); left != "" || err != nil {
			wrong.Add(1)
		}
	})
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d callers saw what another had left", n)
	}
}

// What does not change what a statement means has nothing learned again.
func TestCatalogAtRest(t *testing.T) {
	run(t, "drop table if exists busy cascade", "create table busy (id int)", "create materialized view busy_view as select * from busy")
	r := open(t, "pool_max_conns=4").Reader()
	look := func() {
		before := r.Looks()
		wait.Until(t, "the Reader looks at the catalog", func() bool {
			_, _ = r.Exec(t.Context(), "select 'anything'")
			return r.Looks() > before
		})
	}
	look()
	before := r.Doubts()
	run(t, "insert into busy select generate_series(1, 1000)", "analyze busy", "vacuum full busy", "refresh materialized view busy_view",
		"truncate busy", "create temp table passing (id int); create temp view passing_view as select * from passing")
	look()
	look()
	if n := r.Doubts(); n != before {
		t.Errorf("learned again %d times", n-before)
	}
}
