package reader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
)

// planned is how often Postgres has planned a statement for values and for any values.
type planned struct{ custom, generic int64 }

// plans returns that of a statement on the one connection that p's Reader shares, or zeros if the
// question came to run on another one.
func plans(t *testing.T, ctx context.Context, p *pool.Pool, sql string) (n planned) {
	rows, err := p.Reader().Query(ctx, "select name, statement, custom_plans, generic_plans from pg_catalog.pg_prepared_statements")
	if err != nil {
		t.Error(err)
		return n
	}
	var name, statement string
	var custom, generic int64
	_, err = pgx.ForEachRow(rows, []any{&name, &statement, &custom, &generic}, func() error {
		if statement == sql && strings.HasPrefix(name, "gqlboost_") && !strings.HasPrefix(name, "gqlboost_direct_") {
			n = planned{max(n.custom, custom), max(n.generic, generic)}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

func exec(t *testing.T, p *pool.Pool, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// schemaOfLists has ten thousand rows of a hundred kinds, one of which most are of, and again in a
// hundred partitions.
func schemaOfLists(t *testing.T, p *pool.Pool) {
	exec(t, p, `drop table if exists listed, parted cascade`,
		`create table listed (id bigint primary key, kind int not null, name text not null)`,
		`insert into listed select i, case when i % 100 = 0 then i / 100 else 0 end, 'n' || i from generate_series(1, 10000) i`,
		`create index on listed (kind)`,
		`create table parted (id bigint not null, kind int not null) partition by list (kind)`,
		`do $$ begin for i in 0..19 loop
			execute format('create table parted_%s partition of parted for values in (%s)', i, i);
		end loop; end $$`,
		`insert into parted select i, i % 20 from generate_series(1, 2000) i`,
		`create index on parted (id)`, `analyze listed`, `analyze parted`)
}

// Statements with short lists are planned once, where Postgres would plan them forever; what is
// better planned for its values stays so.
func TestListsArePlannedOnce(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s")
	schemaOfLists(t, p)
	exec(t, p, `drop role if exists lister`, `create role lister`, `grant select on all tables in schema public to lister`,
		`alter table listed enable row level security`, `drop policy if exists one on listed`,
		`create policy one on listed using (true)`)
	as := func(role string) context.Context {
		return reader.WithSettings(t.Context(), reader.Settings{Role: role})
	}
	for _, test := range []struct {
		name, sql string
		ctx       context.Context
		args      func(i int) []any
		once      bool
	}{
		{"keys", "select id, name from listed where id = any($1)", t.Context(),
			func(i int) []any { return []any{[]int{i%9 + 1, i + 1}[:1+i%2]} }, true},
		{"keys of a role", "select id, kind from listed where id = any($1)", as("lister"),
			func(i int) []any { return []any{[]int64{int64(i%9 + 1)}} }, true},
		{"unnested", "select k.id, (select count(*) from listed l where l.id = k.id) from unnest($1::bigint[]) k(id)", t.Context(),
			func(i int) []any { return []any{[]int{i + 1}} }, true},
		{"texts", "select name from listed where id < 10 and name = any($1)", t.Context(),
			func(i int) []any { return []any{[]string{fmt.Sprint("n", i%9+1)}} }, true},
		{"a partition", "select id from parted where kind = $2 and id = any($1)", t.Context(),
			func(i int) []any { return []any{[]int{i + 1}, i % 20} }, false},
		{"a filter that may be null", "select id from listed where ($2::int is null or kind = $2) and id = any($1)", t.Context(),
			func(i int) []any { return []any{[]int{i + 1}, nil} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			var n planned
			more := func() bool {
				mu.Lock()
				defer mu.Unlock()
				return n.custom+n.generic < 200
			}
			crowdWhile(8, 50, more, func(_, j int) {
				rows, err := p.Reader().Query(test.ctx, test.sql, test.args(j)...)
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				if err != nil {
					t.Error(err)
				}
				now := plans(t, test.ctx, p, test.sql)
				mu.Lock()
				defer mu.Unlock()
				if now.custom+now.generic > n.custom+n.generic { // Another caller may have looked later.
					n = now
				}
			})
			if once := n.generic > 0; more() || once != test.once || once && n.custom != 5 {
				t.Errorf("%d plans for values, %d times one for any, %d rehearsals", n.custom, n.generic, p.Reader().Counts().Rehearsed)
			}
		})
	}
}

// A rehearsal that Postgres refuses is nobody's error.
func TestRehearsalFails(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s")
	// Postgres computes it when it plans: for ten elements it divides by zero.
	const sql = "select 1 / (10 - cardinality($1::bigint[]))"
	before := p.Reader().Counts().Rehearsed
	more := func() bool { return p.Reader().Counts().Rehearsed == before }
	crowdWhile(8, 50, more, func(_, _ int) {
		var n int
		if err := p.Reader().QueryRow(t.Context(), sql, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}).Scan(&n); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
	})
	if more() {
		t.Error("not rehearsed")
	}
	var e *pgconn.PgError
	if err := p.Reader().QueryRow(t.Context(), sql, make([]int, 10)).Scan(nil); !errors.As(err, &e) || e.Code != "22012" {
		t.Errorf("with ten elements: %v", err)
	}
}

// What is rehearsed is parsed with the settings of its callers, which decide what a literal means.
func TestRehearsalsHaveTheSettings(t *testing.T) {
	r := open(t, "pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s").Reader()
	ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"TimeZone": "Asia/Tokyo"}})
	const sql, want = "select extract(epoch from timestamptz '2024-01-01 00:00:00')::bigint from unnest($1::int[])", 1704034800
	read := func(int, int) {
		var got int64
		if err := r.QueryRow(ctx, sql, []int{1}).Scan(&got); err != nil || got != want {
			t.Errorf("%d, %v; want %d", got, err, want)
		}
	}
	more := func() bool { return r.Counts().Rehearsed == 0 }
	crowdWhile(8, 50, more, read)
	if more() {
		t.Fatal("not rehearsed")
	}
	crowdWhile(8, 50, func() bool { return false }, read) // as it was rehearsed
}

// Texts that come seldom are not rehearsed, nor are those without lists, with long or with empty ones.
func TestNotRehearsed(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s")
	long := make([]int, 10)
	var other atomic.Int64
	crowd(8, func(int) {
		for i := range 200 {
			for sql, arg := range map[string]any{
				"select $1::int + 1":                           i,
				"select cardinality($1::int[])":                long,
				"select cardinality($1::bigint[])":             []int{},
				"select $1::int[] is null":                     []int(nil),
				fmt.Sprintf("select %d + $1::int", i):          1,
				fmt.Sprintf("select %d = any($1::int[])", i/5): []int{i},
			} {
				rows, err := p.Reader().Query(t.Context(), sql, arg)
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				if err != nil {
					t.Error(err)
				}
				other.Add(1)
			}
		}
	})
	// Some of the texts that come a few times each come more often than five times.
	if n := p.Reader().Counts().Rehearsed; n > 40 {
		t.Errorf("%d rehearsals for %d statements", n, other.Load())
	}
}

// Where few statements stay prepared, no more are with rehearsals.
func TestRehearsalsKeepToTheLimit(t *testing.T) {
	for _, capacity := range []int{2, 3, 4} {
		p := open(t, fmt.Sprintf("pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s&statement_cache_capacity=%d",
			capacity))
		r := p.Reader()
		more := func() bool { return capacity > 2 && r.Counts().Rehearsed == 0 }
		crowdWhile(8, 30, more, func(i, _ int) {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = reader.WithSettings(ctx, reader.Settings{GUC: map[string]string{"app.tenant": fmt.Sprint(i)}})
			}
			sql := fmt.Sprintf("select %d = any($1::int[])", i/4)
			for range 20 {
				var found bool
				if err := r.QueryRow(ctx, sql, []int{i / 4, 77}).Scan(&found); err != nil || !found {
					t.Errorf("%v, %v", found, err)
				}
			}
			var n int
			if err := r.QueryRow(ctx, "select count(*) from pg_catalog.pg_prepared_statements where name like 'gqlboost%'").Scan(&n); err != nil || n > capacity+1 {
				t.Errorf("%d prepared, %d and the one that counts allowed, %v", n, capacity, err)
			}
		})
	}
}

// A connection ends when its rehearsals have ended: hooks find nothing on the way.
func TestRehearsalsAndTheEndOfConnections(t *testing.T) {
	c := config(t, "pool_max_conns=4&pool_reader_conns=2&pool_reader_slow_after=1s&pool_max_conn_lifetime=20ms")
	var closed atomic.Int64
	c.BeforeClose = func(conn *pgx.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var n int
		if err := conn.QueryRow(ctx, "select 42").Scan(&n); err != nil && !conn.IsClosed() || err == nil && n != 42 {
			t.Errorf("%d, %v", n, err)
		}
		closed.Add(1)
	}
	p := openConfig(t, c)
	r := p.Reader()
	more := func() bool { return r.Counts().Rehearsed < 20 || closed.Load() < 10 }
	crowdWhile(8, 200, more, func(i, j int) {
		var found bool
		sql := fmt.Sprintf("select %d = any($1::int[])", i%4)
		if err := r.QueryRow(t.Context(), sql, []int{i % 4, j}).Scan(&found); err != nil || !found {
			t.Errorf("%v, %v", found, err)
		}
	})
	if more() {
		t.Errorf("%d rehearsals, %d connections", r.Counts().Rehearsed, closed.Load())
	}
}

// What is bound in a rehearsal is what pgx would send for the longer list.
func TestRepeat(t *testing.T) {
	m := pgtype.NewMap()
	word := "abc"
	texts := []*string{&word, nil, new(string)}
	for n := range 13 {
		cycle := func(i int) int { return i % max(n, 1) }
		numbers, longer := make([]int64, n), make([]int64, 10)
		for i := range numbers {
			numbers[i] = int64(i * 1000)
		}
		words, longerWords := make([]*string, n), make([]*string, 10)
		for i := range words {
			words[i] = texts[i%3]
		}
		if n > 0 {
			for i := range 10 {
				longer[i], longerWords[i] = numbers[cycle(i)], words[cycle(i)]
			}
		}
		for oid, pair := range map[uint32][2]any{
			pgtype.Int8ArrayOID: {numbers, longer}, pgtype.TextArrayOID: {words, longerWords},
			pgtype.NumericArrayOID: {numbers, longer},
		} {
			list, err := m.Encode(oid, pgtype.BinaryFormatCode, pair[0], nil)
			want, err2 := m.Encode(oid, pgtype.BinaryFormatCode, pair[1], nil)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			got, ok := reader.Repeat(slices.Clone(list))
			if ok != (n > 0 && n < 10) {
				t.Errorf("%d elements: %v", n, ok)
			}
			if ok && (!bytes.Equal(got, want) || len(got) != cap(got) && len(want) != len(got)) {
				t.Errorf("%d elements of %d: %q, want %q", n, oid, got, want)
			}
		}
	}
	matrix, err := m.Encode(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, [][]int64{{1}, {2}}, nil)
	if _, ok := reader.Repeat(matrix); ok || err != nil {
		t.Error("two dimensions", err)
	}
}

// What a host's codec has written need not be a list.
func FuzzRepeat(f *testing.F) {
	list, _ := pgtype.NewMap().Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, []string{"a", "bc"}, nil)
	f.Add(list)
	f.Add(list[:len(list)-1])
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, list []byte) {
		before := slices.Clone(list)
		longer, ok := reader.Repeat(list)
		if !bytes.Equal(before, list) {
			t.Fatal("changed")
		}
		if ok {
			if again, ok := reader.Repeat(longer); ok {
				t.Fatalf("%q is short", again)
			}
		}
	})
}
