package adopters

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

const peopleSchema = `
create table people (
	id int primary key, name text not null, born date, score numeric(10,3), tags text[],
	doc jsonb, at timestamptz, ratio float8, boss int references people, token uuid
);
insert into people
select n, 'name ' || n, date '1970-01-01' + n, n * 1.125,
	case when n % 7 = 0 then null else array['a' || n, null, 'b, "c"'] end,
	jsonb_build_object('n', n, 'list', jsonb_build_array(n, null, 'x')),
	timestamptz '2024-02-29 12:00:00+00' + n * interval '1 minute', n / 3.0,
	nullif(n / 10, 0), ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid
from generate_series(1, 100) n;
`

// reads returns cases that need nothing but pgx: values, errors, and what programs do
// with pgx.Rows.
func reads() []testCase[querier] {
	cases := []testCase[querier]{
		query("no rows", "select * from people where id < 0"),
		query("all columns", "select * from people order by id"),
		query("null argument", "select $1::int is null, $2::text", nil, (*string)(nil)),
		query("any", "select id, name from people where id = any($1) order by id", []int32{3, 1, 4, 1, 5}),
		query("empty array", "select id from people where id = any($1)", []int32{}),
		query("text array", "select $1::text[]", []string{"a", `b"c`, "", "null"}),
		query("bytes", "select $1::bytea", []byte{0, 1, 255}),
		query("infinity", "select 'infinity'::timestamptz, '-infinity'::date, 'infinity'::float8"),
		query("unknown type", "select 'x'::pg_catalog.unknown, row(1, 'a'), '(1,2)'::point, '10.0.0.1/8'::inet"),
		query("json", "select doc, doc->'list', $1::jsonb from people where id = 9", map[string]any{"a": []int{1}}),
		query("time", "select $1::timestamptz, $2::date", time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)),
		query("no columns", "select from people where id < 4"),
		query("same name twice", "select id as a, name as a from people where id = 2"),
		query("values", "values (1, 'a'), (2, null)"),
		query("with", "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50) select i from n"),
		query("show", "show server_version"),
		query("explain", "explain (costs off) select 1"),
		query("comment", "/* outer /* inner */ */ select -- rest\n 1"),
		query("parentheses", "(select 1) union all (select 2)"),
		query("large", "select repeat('x', 300000) from generate_series(1, 5)"),
		query("many rows", "select n, n::text from generate_series(1, 2000) n"),
		query("domain and cast", "select id::bigint, name::varchar(3), score::float4 from people where id = 5"),
		query("void", "select pg_sleep(0)"),

		query("syntax error", "select from where"),
		query("no table", "select * from nowhere where id = $1", 1),
		query("no column", "select nothing from people"),
		query("division by zero", "select 1 / (id - 3) from people where id = 3"),
		query("error after rows", "select 100 / (50 - n) from generate_series(1, 60) n"),
		query("invalid text", "select $1::text::int", "x"),
		query("raised", "select 1 from people where id = 1 and name::int = 1"),
		query("unencodable", "select $1::int", "x"),
		query("out of range", "select $1::int2", 1<<20),
		query("too few arguments", "select $1::int, $2::int", 1),
		query("too many arguments", "select $1::int", 1, 2),
		query("two statements", "select 1; select 2"),
		query("ambiguous parameter", "select $1", 1),

		scan("one row", []any{int32(0), "", time.Time{}}, "select id, name, born from people where id = $1", 7),
		scan("pointers", []any{(*int32)(nil), (*string)(nil)}, "select boss, name from people where id = 5"),
		scan("pgtype", []any{pgtype.Int4{}, pgtype.Numeric{}, pgtype.Timestamptz{}, pgtype.UUID{}, pgtype.Date{}},
			"select boss, score, at, token, born from people where id = 70"),
		scan("null array", []any{[]string(nil)}, "select tags from people where id = 7"),
		scan("null in an array", []any{[]*string(nil)}, "select tags from people where id = 8"),
		scan("json", []any{map[string]any(nil)}, "select doc from people where id = 8"),
		scan("no row", []any{int32(0)}, "select id from people where id = -1"),
		scan("first of many", []any{int32(0)}, "select id from people order by id"),
		scan("null into int", []any{int32(0)}, "select boss from people where id = 5"),
		scan("wrong type", []any{int32(0), int32(0)}, "select id, name from people where id = 5"),
		scan("overflow", []any{int32(0), int8(0)}, "select id, 1000 from people where id = 5"),
		scan("too few destinations", []any{int32(0)}, "select id, name from people where id = 5"),
		scan("too many destinations", []any{int32(0), "", ""}, "select id, name from people where id = 5"),
		scan("null in an array of strings", []any{[]string(nil)}, "select tags from people where id = 8"),
		scan("division by zero in a row", []any{int32(0)}, "select 1 / (id - 3) from people where id = 3"),
		scan("raw bytes", []any{[]byte(nil)}, "select name from people where id = 11"),
	}
	for id := range 20 {
		cases = append(cases,
			query(fmt.Sprint("person ", id), "select * from people where id = $1", id),
			query(fmt.Sprint("range ", id), "select id, name, tags from people where id between $1 and $2 order by id", id, 2*id),
			scan(fmt.Sprint("name of ", id), []any{""}, "select name from people where id = $1", id),
		)
	}
	return append(cases, slices.Concat(rowCases(), collectCases(), namedCases(), resultFormatCases(), batchCases())...)
}

// rowCases returns cases that use pgx.Rows in ways other than reading them to the end.
func rowCases() []testCase[querier] {
	read := func(name, sql string, run func(rows pgx.Rows) (any, error)) testCase[querier] {
		return testCase[querier]{name: name, run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, sql)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			return run(rows)
		}}
	}
	const ten = "select n, 'v' || n from generate_series(1, 10) n"
	return []testCase[querier]{
		read("close early", ten, func(rows pgx.Rows) (any, error) {
			got := []any{rows.Next()}
			rows.Close()
			return append(got, rows.Next(), rows.CommandTag().String()), rows.Err()
		}),
		read("close twice", ten, func(rows pgx.Rows) (any, error) {
			rows.Close()
			rows.Close()
			return rows.CommandTag().String(), rows.Err()
		}),
		read("fields before the first row", ten, func(rows pgx.Rows) (any, error) {
			return slices.Clone(rows.FieldDescriptions()), nil
		}),
		read("raw values", ten, func(rows pgx.Rows) (any, error) {
			var all []string
			for rows.Next() {
				for _, v := range rows.RawValues() {
					all = append(all, string(v))
				}
			}
			return all, rows.Err()
		}),
		read("skip rows", ten, func(rows pgx.Rows) (any, error) {
			var last int
			for i := 0; rows.Next(); i++ {
				if i%3 == 0 {
					if err := rows.Scan(&last, nil); err != nil {
						return last, err
					}
				}
			}
			return last, rows.Err()
		}),
		read("scan again", ten, func(rows pgx.Rows) (any, error) {
			var a, b int64
			var s string
			rows.Next()
			err := errors.Join(rows.Scan(&a, &s), rows.Scan(&b, nil))
			return []any{a, b, s}, err
		}),
		read("other destinations", "select n from generate_series(1, 3) n", func(rows pgx.Rows) (any, error) {
			var i int
			var n pgtype.Int8
			var s *int16
			rows.Next()
			err := rows.Scan(&i)
			rows.Next()
			err = errors.Join(err, rows.Scan(&n))
			rows.Next()
			err = errors.Join(err, rows.Scan(&s))
			return []any{i, n, s}, err
		}),
		read("scan fails", ten, func(rows pgx.Rows) (any, error) {
			var a, b int
			rows.Next()
			err := rows.Scan(&a, &b)
			return []any{rows.Next(), describe(rows.Err()), rows.CommandTag().String()}, err
		}),
		read("driver bytes", ten, func(rows pgx.Rows) (any, error) {
			var all string
			for rows.Next() {
				var raw pgtype.DriverBytes
				if err := rows.Scan(nil, &raw); err != nil {
					return nil, err
				}
				all += string(raw)
			}
			return all, rows.Err()
		}),
		{name: "error of Query", run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, "select 1", 1)
			if rows == nil {
				return nil, errors.New("rows are nil")
			}
			next := rows.Next()
			rows.Close()
			return []any{next, err != nil, rows.CommandTag().String()}, rows.Err()
		}},
		{name: "cancelled", run: func(ctx context.Context, db querier) (any, error) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return collect(db.Query(ctx, "select 1"))
		}},
		{name: "exec", run: func(ctx context.Context, db querier) (any, error) {
			tag, err := db.Exec(ctx, "select * from people where id < $1", 5)
			return tag.String(), err
		}},
		{name: "exec fails", run: func(ctx context.Context, db querier) (any, error) {
			tag, err := db.Exec(ctx, "select 1 / $1::int", 0)
			return tag.String(), err
		}},
	}
}

type person struct {
	ID    int32
	Name  string
	Score pgtype.Numeric
	Tags  []*string
	Doc   map[string]any
	Boss  *int32
}

// collectCases returns cases that use pgx's row helpers.
func collectCases() []testCase[querier] {
	const columns = "select id, name, score, tags, doc, boss from people "
	return []testCase[querier]{
		collected("struct by name", pgx.RowToStructByName[person], columns+"where id < 30 order by id"),
		collected("struct by position", pgx.RowToStructByPos[person], columns+"where id < 30 order by id"),
		collected("struct by name lax", pgx.RowToStructByNameLax[person], "select id, name from people where id < 5 order by id"),
		collected("struct with a column too few", pgx.RowToStructByName[person], "select id, name from people where id < 5"),
		collected("address of struct", pgx.RowToAddrOfStructByName[person], columns+"where id < 10 order by id"),
		collected("map", pgx.RowToMap, columns+"where id < 10 order by id"),
		collected("single value", pgx.RowTo[string], "select name from people where id < 10 order by id"),
		collected("scan fails in the middle", pgx.RowTo[int32], "select boss from people where id between 8 and 12 order by id desc"),
		{name: "exactly one", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, columns+"where id = 3")
			return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[person])
		}},
		{name: "exactly one of none", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, columns+"where id = -3")
			return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[person])
		}},
		{name: "exactly one of many", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, columns)
			return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[person])
		}},
		{name: "one of a wrong statement", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select nothing")
			return pgx.CollectOneRow(rows, pgx.RowTo[int])
		}},
		{name: "for each", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select id, name from people where id < 20 order by id")
			var id int
			var name string
			var all []string
			tag, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
				all = append(all, fmt.Sprint(id, name))
				if id == 15 {
					return errors.New("enough")
				}
				return nil
			})
			return []any{all, tag.String()}, err
		}},
	}
}

func collected[T any](name string, to pgx.RowToFunc[T], sql string, args ...any) testCase[querier] {
	return testCase[querier]{name: name, run: func(ctx context.Context, db querier) (any, error) {
		rows, _ := db.Query(ctx, sql, args...)
		return pgx.CollectRows(rows, to)
	}}
}

// byName is a custom pgx.QueryRewriter.
type byName string

func (n byName) RewriteQuery(_ context.Context, _ *pgx.Conn, sql string, args []any) (string, []any, error) {
	if n == "" {
		return "", nil, errors.New("no name")
	}
	return strings.ReplaceAll(sql, ":name", "$1"), append([]any{string(n)}, args...), nil
}

func namedCases() []testCase[querier] {
	cases := []testCase[querier]{
		query("named without an argument", "select @id::int, @name::text", pgx.NamedArgs{"id": 1}),
		query("named with one too many", "select @id::int", pgx.NamedArgs{"id": 1, "name": "x"}),
		query("named in a string", "select '@id', @id::int -- @name", pgx.NamedArgs{"id": 1}),
		query("strict without an argument", "select @id::int, @name::text", pgx.StrictNamedArgs{"id": 1}),
		query("strict with one too many", "select @id::int", pgx.StrictNamedArgs{"id": 1, "name": "x"}),
		query("named and another", "select @id::int, $2", pgx.NamedArgs{"id": 1}, 2),
		query("rewritten", "select id from people where name = :name", byName("name 4")),
		query("rewriting fails", "select id from people where name = :name", byName("")),
		scan("named row", []any{int32(0)}, "select id from people where name = @name", pgx.NamedArgs{"name": "name 12"}),
	}
	for id := range 10 {
		args := map[string]any{"id": id, "name": fmt.Sprint("name ", id+1)}
		const sql = "select id, name from people where id = @id or name = @name or boss = @id order by id"
		cases = append(cases,
			query(fmt.Sprint("named ", id), sql, pgx.NamedArgs(args)),
			query(fmt.Sprint("strict ", id), sql, pgx.StrictNamedArgs(args)),
			query(fmt.Sprint("named with a mode ", id), sql, pgx.QueryExecModeExec, pgx.NamedArgs(args)),
			query(fmt.Sprint("named with formats ", id), sql, pgx.QueryResultFormats{pgx.TextFormatCode}, pgx.NamedArgs(args)),
		)
	}
	return cases
}

func resultFormatCases() []testCase[querier] {
	raw := func(name, sql string, args ...any) testCase[querier] {
		return testCase[querier]{name: name, run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, sql, args...)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			fields := slices.Clone(rows.FieldDescriptions())
			var all []string
			for rows.Next() {
				for _, v := range rows.RawValues() {
					all = append(all, string(v))
				}
			}
			return []any{all, fields}, rows.Err()
		}}
	}
	const sql = "select id, name, score from people where id < $1 order by id"
	return []testCase[querier]{
		raw("all text", sql, pgx.QueryResultFormats{pgx.TextFormatCode}, 4),
		raw("all binary", sql, pgx.QueryResultFormats{pgx.BinaryFormatCode}, 4),
		raw("some of each", sql, pgx.QueryResultFormats{pgx.TextFormatCode, pgx.BinaryFormatCode, pgx.TextFormatCode}, 4),
		raw("too many formats", sql, pgx.QueryResultFormats{0, 1, 0, 1}, 4),
		raw("formats by type", sql, pgx.QueryResultFormatsByOID{pgtype.Int4OID: pgx.TextFormatCode}, 4),
		raw("default formats", sql, 4),
		query("values as text", sql, pgx.QueryResultFormats{pgx.TextFormatCode}, 4),
		query("mode and formats", sql, pgx.QueryExecModeCacheDescribe, pgx.QueryResultFormats{pgx.TextFormatCode}, 4),
	}
}

// modeCases returns cases that run in the given modes.
func modeCases(modes ...pgx.QueryExecMode) []testCase[querier] {
	var cases []testCase[querier]
	for _, mode := range modes {
		const sql = "select id, name, born, score, doc from people where id = $1"
		for id := range 6 {
			cases = append(cases, query(fmt.Sprint(mode, " ", id), sql, mode, id))
		}
		cases = append(cases,
			query(mode.String()+" without arguments", "select count(*) from people", mode),
			query(mode.String()+" division by zero", "select 1 / $1::int", mode, 0),
			query(mode.String()+" no column", "select nothing from people", mode),
			query(mode.String()+" too few arguments", "select $1::int, $2::int", mode, 1),
			scan(mode.String()+" one row", []any{"", math.Pi}, "select name, ratio from people where id = $1", mode, 9),
		)
		if mode != pgx.QueryExecModeSimpleProtocol { // The Reader refuses what would run both.
			cases = append(cases, query(mode.String()+" two statements", "select 1; select 'b'", mode))
		}
	}
	return cases
}

// batchCases returns cases that send batches of reads.
func batchCases() []testCase[querier] {
	send := func(name string, run func(ctx context.Context, db querier, b *pgx.Batch) (any, error)) testCase[querier] {
		return testCase[querier]{name: name, run: func(ctx context.Context, db querier) (any, error) {
			return run(ctx, db, &pgx.Batch{})
		}}
	}
	each := func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
		results := db.SendBatch(ctx, b)
		var all []any
		for range b.Len() {
			a, err := collect(results.Query())
			all = append(all, a, describe(err))
		}
		return all, results.Close()
	}
	return []testCase[querier]{
		send("empty batch", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			return nil, db.SendBatch(ctx, b).Close()
		}),
		send("batch", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			for id := range 12 {
				b.Queue("select id, name from people where id = $1", id)
			}
			b.Queue("select count(*) from people")
			return each(ctx, db, b)
		}),
		send("batch that fails", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			for id := range 6 {
				b.Queue("select 60 / ($1::int - 3)", id)
			}
			return each(ctx, db, b)
		}),
		send("batch with a wrong statement", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			b.Queue("select 1")
			b.Queue("select nothing")
			b.Queue("select 3")
			return each(ctx, db, b)
		}),
		send("batch with named arguments", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			b.Queue("select @a::int", pgx.NamedArgs{"a": 1})
			b.Queue("select @a::text", pgx.StrictNamedArgs{"a": "x"})
			return each(ctx, db, b)
		}),
		send("batch with functions", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			var all []any
			b.Queue("select name from people where id = 4").QueryRow(func(row pgx.Row) error {
				var name string
				err := row.Scan(&name)
				all = append(all, name)
				return err
			})
			b.Queue("select id from people where id < 4 order by id").Query(func(rows pgx.Rows) error {
				ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
				all = append(all, ids)
				return err
			})
			b.Queue("select 1").Exec(func(tag pgconn.CommandTag) error {
				all = append(all, tag.String())
				return nil
			})
			err := db.SendBatch(ctx, b).Close()
			return all, err
		}),
		send("batch closed early", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			b.Queue("select 1")
			b.Queue("select 2")
			results := db.SendBatch(ctx, b)
			var n int
			err := errors.Join(results.QueryRow().Scan(&n), results.Close(), results.Close())
			_, after := results.Exec()
			return []any{n, describe(after)}, err
		}),
		send("batch read too far", func(ctx context.Context, db querier, b *pgx.Batch) (any, error) {
			b.Queue("select 1")
			results := db.SendBatch(ctx, b)
			defer results.Close()
			_, err := results.Exec()
			_, after := results.Exec()
			return describe(after), err
		}),
	}
}

// writeCases returns cases that write the same values each time. Read-only systems refuse them.
func writeCases() []testCase[querier] {
	write := func(name, sql string, args ...any) testCase[querier] {
		c := query(name, sql, args...)
		c.writes = true
		return c
	}
	return []testCase[querier]{
		write("update", "update people set name = 'name 90' where id = 90"),
		write("update returning", "update people set name = $2 where id = $1 returning id, name", 91, "name 91"),
		write("insert that conflicts", "insert into people (id, name) values ($1, 'x') on conflict (id) do nothing", 92),
		write("merge", "merge into people p using (select 93 as id) s on p.id = s.id when matched then update set name = 'name 93'"),
		write("write in a with", "with u as (update people set name = 'name 94' where id = 94 returning id) select id from u"),
		write("write in a function", "select setval('numbers', $1)", 7),
	}
}

func TestArguments(t *testing.T) {
	dsn := newDatabase(t, peopleSchema+"create sequence numbers;")
	all := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for _, e := range environments(t, dsn) {
		t.Run(e.name, func(t *testing.T) {
			cases := append(reads(), writeCases()...)
			if e.sessions {
				cases = append(cases, modeCases(all...)...)
			} else {
				// The others need two round trips to one session, or prepared statements.
				cases = append(cases, modeCases(pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol)...)
			}
			compare(t, setup{dsn: e.dsn(t)}.systems(), cases, statements(4))
		})
	}
}

// TestDefaultModes sets each default mode but pgx's own, without PgBouncer.
func TestDefaultModes(t *testing.T) {
	dsn := newDatabase(t, peopleSchema)
	for _, mode := range []string{"cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			s := setup{dsn: withParameters(t, dsn, "default_query_exec_mode", mode)}
			cases := reads()
			if mode == "simple_protocol" { // The Reader refuses what would run both.
				cases = slices.DeleteFunc(cases, func(c testCase[querier]) bool { return c.name == "two statements" })
			}
			compare(t, s.systems(), cases, statements(16))
		})
	}
}
