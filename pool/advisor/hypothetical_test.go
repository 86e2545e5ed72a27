package advisor

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What was made before a failure is dropped, and what the session had before is not.
func TestSweep(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, err := conn.Exec(context.Background(), "drop extension if exists hypopg; drop table if exists a, b")
		if err := errors.Join(err, conn.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}()
	if _, err := conn.Exec(ctx, "create extension hypopg"); err != nil {
		t.Skip(err)
	}
	if _, err := conn.Exec(ctx, "create table a (x int); create table b (y int); select hypopg_create_index('create index on a (x)')"); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		if err := conn.QueryRow(ctx, "select count(*) from hypopg()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	a := &analysis{report: new(Report)}
	if a.tx, err = conn.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	defer a.tx.Rollback(ctx)
	h := &hypothetical{a: a, schema: "public"}
	if err := h.begin(ctx); err != nil {
		t.Fatal(err)
	}
	good, bad := &table{sql: "a"}, &table{sql: "b"}
	c := &candidate{table: good, others: []*table{bad}, method: "btree", keys: []string{"x"}}
	if _, _, err := h.with(ctx, proposal{c}, nil); err == nil || count() != 1 {
		t.Errorf("%v, and %d indexes", err, count())
	}
	c.others = nil
	if _, _, err := h.create(ctx, c); err != nil || count() != 2 || len(h.kept) != 1 || slices.Contains(h.others, h.kept[0]) {
		t.Errorf("%v, and %d indexes", err, count())
	}
	if h.end(ctx); count() != 1 {
		t.Errorf("%d indexes are left", count())
	}
}
