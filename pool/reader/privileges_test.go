package reader_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What one role may know does not reach another by a statement that both ask: Postgres does
// not check again who may look into a schema, or run a function that it has computed.
func TestPrivilegesOfRoles(t *testing.T) {
	run(t, "drop schema if exists hid cascade", "drop role if exists may", "drop role if exists must_not", "create role may", "create role must_not",
		"create schema hid", "create table hid.t (n int)", "insert into hid.t values (1)", "grant select on hid.t to may, must_not", "grant usage on schema hid to may",
		"create schema secrets_of", "grant usage on schema secrets_of to may, must_not",
		"create function secrets_of.key() returns int immutable language sql as 'select 42'", "revoke execute on function secrets_of.key() from public", "grant execute on function secrets_of.key() to may")
	defer run(t, "drop schema hid cascade", "drop schema secrets_of cascade", "drop role may", "drop role must_not")
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	may, mustNot := reader.Settings{Role: "may"}, reader.Settings{Role: "must_not"}
	crowdUntil(t, r, 24, 40, 500, func(i, j int) {
		for _, sql := range []string{"select n from hid.t", "select secrets_of.key()"} {
			var n int
			if err := r.QueryRow(reader.WithSettings(t.Context(), may), sql).Scan(&n); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
			var e *pgconn.PgError
			if err := r.QueryRow(reader.WithSettings(t.Context(), mustNot), sql).Scan(&n); !errors.As(err, &e) || e.Code != "42501" {
				t.Errorf("%s: the other role got %d, %v", sql, n, err)
			}
		}
	})
}

// Nor does it by what pgx keeps prepared on a connection: for batches, transactions, Config.Statements.
func TestPrivilegesOfRolesOnOneConnection(t *testing.T) {
	run(t, "drop schema if exists hid_of cascade", "drop role if exists may_read", "drop role if exists may_not",
		"create role may_read", "create role may_not", "create schema hid_of", "create table hid_of.t (n int)",
		"insert into hid_of.t values (1)", "grant select on hid_of.t to may_read, may_not",
		"grant usage on schema hid_of to may_read")
	defer run(t, "drop schema hid_of cascade", "drop role may_read", "drop role may_not")
	const sql = "select n from hid_of.t"
	batch := func(send sender) func(context.Context) error {
		return func(ctx context.Context) error {
			b := &pgx.Batch{}
			b.Queue(sql)
			return send(ctx, b).Close()
		}
	}
	for _, statements := range [][]string{nil, {sql}} {
		p := openOwn(t, server.DSN()+"&pool_max_conns=1", func(c *pool.Config) { c.Statements = statements })
		for name, read := range map[string]func(ctx context.Context) error{
			"Pool.Query":       func(ctx context.Context) error { return p.QueryRow(ctx, sql).Scan(new(int)) },
			"Reader.Query":     func(ctx context.Context) error { return p.Reader().QueryRow(ctx, sql).Scan(new(int)) },
			"Pool.SendBatch":   batch(p.SendBatch),
			"Reader.SendBatch": batch(p.Reader().SendBatch),
			"Pool.Begin": func(ctx context.Context) error {
				return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(new(int)) })
			},
			"a batch in Pool.Begin": func(ctx context.Context) error {
				return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { return batch(tx.SendBatch)(ctx) })
			},
		} {
			for _, c := range [][2]string{{"may_read", "<nil>"}, {"may_not", "42501"}} {
				ctx := reader.WithSettings(t.Context(), reader.Settings{Role: c[0]})
				if got := code(read(ctx)); got != c[1] {
					t.Errorf("%s, %d statements, as %s: %s, want %s", name, len(statements), c[0], got, c[1])
				}
			}
		}
	}
}

// With "$user" in the search path a name is another table for each role.
func TestSchemasOfRoles(t *testing.T) {
	run(t, "drop schema if exists u_a cascade", "drop schema if exists u_b cascade", "drop role if exists u_a", "drop role if exists u_b", "create role u_a", "create role u_b",
		"create schema authorization u_a", "create schema authorization u_b", "create table u_a.t (id int, v text)", "create table u_b.t (id text, v text, more int default 1)",
		"alter table u_a.t owner to u_a", "alter table u_b.t owner to u_b", "insert into u_a.t values (1, 'u_a')", "insert into u_b.t values ('1', 'u_b')")
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	crowdUntil(t, r, 24, 40, 500, func(i, j int) {
		role := []string{"u_a", "u_b"}[(i+j)%2]
		ctx := reader.WithSettings(t.Context(), reader.Settings{Role: role})
		var id, v string
		if err := r.QueryRow(ctx, "select id::text, v from t where id::text = $1", "1").Scan(&id, &v); err != nil || v != role {
			t.Errorf("%s: got %s, %v", role, v, err)
		}
		rows, _ := r.Query(ctx, "select * from t")
		if got, err := pgx.CollectOneRow(rows, pgx.RowToMap); err != nil || got["v"] != role || len(got) != 2+(i+j)%2 {
			t.Errorf("%s: got %v, %v", role, got, err)
		}
	})
}

// Whatever functions say of themselves, and however few are at work, nothing is written.
func TestNothingIsWritten(t *testing.T) {
	run(t, "drop schema if exists ro cascade", "create schema ro", "create table ro.written (n int)",
		"create function ro.w(n int) returns bool volatile language plpgsql as $$ begin if n > 0 then insert into ro.written values (n); end if; return true; end $$",
		"create function ro.st(n int) returns bool stable language plpgsql as $$ begin return ro.w(n); end $$",
		"create function ro.add(total int, n int) returns int immutable language plpgsql as $$ begin perform ro.w(n); return total + n; end $$",
		"create aggregate ro.sum(int) (sfunc = ro.add, stype = int, initcond = 0)", "create domain ro.checked as int check (ro.w(value))",
		"create function ro.later(n int) returns bool immutable language sql as 'select true'")
	p := open(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	r := p.Reader()
	for _, sql := range []string{"select ro.w($1)", "select ro.st($1)", "select ro.sum(i) from generate_series($1::int, $1) i", "select $1::int::ro.checked", "select ro.later($1)"} {
		for range 5 { // It is learned.
			if _, err := r.Exec(t.Context(), sql, 0); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		if sql == "select ro.later($1)" {
			run(t, "create or replace function ro.later(n int) returns bool volatile language plpgsql as $$ begin return ro.w(n); end $$")
		}
		crowd(8, func(int) {
			for range 10 {
				_, _ = r.Exec(t.Context(), sql, 1)
			}
		})
		if _, err := r.Exec(t.Context(), sql, 1); err == nil {
			t.Errorf("%s: no error", sql)
		}
	}
	var n int
	if err := p.QueryRow(t.Context(), "select count(*) from ro.written").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows were written, %v", n, err)
	}
}

// After the type of a parameter has changed, statements are asked about again.
func TestParameterTypeChanges(t *testing.T) {
	run(t, "drop table if exists typed", "create table typed (id int, v text)", "insert into typed values (1, 'one')")
	p := open(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	r := p.Reader()
	const sql = "select v from typed where id = $1"
	read := func() error { return r.QueryRow(t.Context(), sql, "1").Scan(new(string)) }
	crowdUntil(t, r, 16, 20, 200, func(int, int) {
		if err := read(); err != nil {
			t.Error(err)
		}
	})
	run(t, "alter table typed alter id type text using id::text")
	for range 20 { // pgx forgets what a connection has prepared after one error.
		_ = read()
	}
	crowd(16, func(int) {
		for range 50 {
			if err := read(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Rows behave as those of pgx when they are used in another order.
func TestRowsOutOfOrder(t *testing.T) {
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	crowdUntil(t, r, 16, 30, 200, func(i, j int) {
		rows, err := r.Query(t.Context(), "select 1 / $1::int", (i+j)%25)
		if err != nil {
			t.Error(err)
			return
		}
		switch i % 4 {
		case 0:
			if rows.Scan(new(int)) == nil {
				t.Error("a row was scanned before Next")
			}
		case 1:
			rows.Close()
			if rows.Next() {
				t.Error("there is a row after Close")
			}
		case 2:
			_, _ = rows.Values() // It must not panic.
		}
		for rows.Next() {
		}
		if rows.Next() {
			t.Error("there is a row behind the last")
		}
		rows.Close()
	})
}

// What cannot write runs as with pgxpool; whatever may, in a transaction that only reads: also
// where a plan does not name what it calls.
func TestOnlyHarmlessStatementsAreUnguarded(t *testing.T) {
	own := startOwn(t, nil)
	admin, err := pgx.Connect(t.Context(), own.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	p := openOwn(t, own.DSN()+"&pool_max_conns=8", nil)
	// The transaction's own setting shows whether there is a guard.
	const mode = "current_setting('transaction_read_only')"
	guarded := func(t *testing.T, want bool, sql string, args ...any) bool {
		t.Helper()
		var got string
		tries := 200 // It is learned in the background.
		if !want {
			tries = 20_000 // The machine may be busy.
		}
		for range tries {
			if err := p.Reader().QueryRow(t.Context(), sql, args...).Scan(&got); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			if got == "off" {
				break
			}
			time.Sleep(time.Millisecond)
		}
		return got == "on"
	}
	const writer = "returns bool stable language plpgsql as $$ begin return true; end $$"
	const reads = "select " + mode + " from "
	for _, c := range []struct {
		name, setUp, sql, undo string
		want                   bool
	}{
		{"builtin functions", "create table h (i int, t text); insert into h values (1)",
			reads + "(select lower(max(t)), count(*) from h where i = $1) x", "", false},
		{"a function", "create function writer(int) " + writer,
			reads + "(select writer($1)) x", "", true},
		{"an inlined function", "create function inlined(int) returns bool stable language sql as 'select true'",
			reads + "(select inlined($1)) x", "", true},
		{"a view", "create view seen as select writer(1) w, 1 as i",
			reads + "seen where i = $1 and w", "drop view seen", true},
		{"an operator", "create operator ~~> (function = writer, rightarg = int)",
			reads + "h where ~~> $1::int", "drop operator ~~> (none, int)", true},
		{"a domain", "create domain positive as int check (writer(value))",
			reads + "(select $1::positive) x", "drop domain positive", true},
		{"a cast", "create type pair as (a int, b int); " +
			"create function pair(int) returns pair stable language sql as 'select $1, $1'; " +
			"create cast (int as pair) with function pair(int)",
			reads + "(select $1::int::pair) x", "drop cast (int as pair)", true},
		{"xml of tables", "",
			reads + "(select table_to_xml('h', true, true, '') where $1 = 1) x", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.setUp != "" {
				if _, err := admin.Exec(t.Context(), c.setUp); err != nil {
					t.Fatal(err)
				}
			}
			if c.undo != "" {
				defer func() { _, _ = admin.Exec(context.Background(), c.undo) }()
			}
			if got := guarded(t, c.want, c.sql, 1); got != c.want {
				t.Errorf("guarded %v, want %v", got, c.want)
			}
		})
	}
}
