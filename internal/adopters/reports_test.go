package adopters

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// level implements sql.Scanner and driver.Valuer on a pointer that may be nil.
type level struct{ Value int64 }

func (l *level) Scan(src any) error {
	value, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a %T", src)
	}
	l.Value = value
	return nil
}

// What users of pgx have reported, by the number of the issue: none of it is other, or back,
// through the pool and its Reader.
func TestReports(t *testing.T) {
	s := setup{dsn: newDatabase(t, `
		create type mood as enum ('sad', 'ok');
		create table scanned (id int primary key, level int8, doc jsonb, moods mood[], amount numeric(12, 2), at timestamptz);
		insert into scanned values (1, 3, '{"a": [1, 2]}', '{sad,ok}', 1.5, '2024-02-29 12:00:00+00'),
			(2, null, 'null', null, 'NaN', 'infinity');`)}
	compare(t, s.systems(), append(reportsOfStatements(), reportsOfValues()...), statements(3))
}

func reportsOfStatements() []testCase[querier] {
	return []testCase[querier]{
		{name: "1107, a context that has ended", run: func(ctx context.Context, db querier) (any, error) {
			const text = "select id from scanned where id = $1"
			var id int
			if err := db.QueryRow(ctx, text, 1).Scan(&id); err != nil {
				return id, err
			}
			ended, cancel := context.WithCancel(ctx)
			cancel()
			return id, db.QueryRow(ended, text, 1).Scan(&id)
		}},
		{name: "2153, rows that are closed early", run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, "select i from generate_series(1, 5000) i")
			if err != nil {
				return nil, err
			}
			next := rows.Next()
			rows.Close()
			return []any{next, rows.Next(), rows.CommandTag().String()}, rows.Err()
		}},
		{name: "2267, columns beside others' statements", run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, "select id, doc, moods from scanned where false")
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var names []string
			for _, f := range rows.FieldDescriptions() {
				names = append(names, fmt.Sprint(f.Name, " ", f.Format))
			}
			return names, nil
		}},
		{name: "1502, arguments of changing types", run: func(ctx context.Context, db querier) (any, error) {
			var got []string
			for _, arg := range []any{
				[]string{"a"}, []string(nil), nil, &[]string{"b"}, pgtype.FlatArray[string]{"c"}, []any{"d", nil}, "{e}",
				[]byte("{f}"), []pgtype.Text{{}},
			} {
				var text *string
				err := db.QueryRow(ctx, "select $1::text[]::text", arg).Scan(&text)
				got = append(got, fmt.Sprintf("%s %v", *cmp.Or(text, new(string)), err))
			}
			return got, nil
		}},
		{name: "927, 841, columns that have others' names", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select 1 as a, 2 as a, 3 as \"A\"")
			return pgx.CollectRows(rows, pgx.RowToMap)
		}},
		{name: "more rows than one", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select id from scanned")
			return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
		}},
		{name: "an error behind rows", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select 1 / (3 - i) from generate_series(1, 5) i")
			list, err := pgx.CollectRows(rows, pgx.RowTo[int])
			return list, err
		}},
		{name: "an error that has all its fields", run: func(ctx context.Context, db querier) (any, error) {
			_, err := db.Exec(ctx, "select ('x' || $1::int)::int", 1)
			pg, ok := errors.AsType[*pgconn.PgError](err)
			return ok && pg.Code == "22P02", err
		}},
	}
}

func reportsOfValues() []testCase[querier] {
	return []testCase[querier]{
		{name: "2229, a pointer to a sql.Scanner", run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select id, level from scanned order by id")
			return pgx.CollectRows(rows, pgx.RowToStructByName[struct {
				ID    int
				Level *level
			}])
		}},
		{name: "1987, null in sql.Null types", run: func(ctx context.Context, db querier) (any, error) {
			var i sql.NullInt64
			var s sql.NullString
			var f sql.NullFloat64
			var at sql.NullTime
			var n sql.Null[int32]
			const text = "select null::int, null::text, null::numeric, null::timestamptz, null::int"
			err := db.QueryRow(ctx, text).Scan(&i, &s, &f, &at, &n)
			return []any{i, s, f, at, n}, err
		}},
		{name: "2430, 1691, null in JSON", run: func(ctx context.Context, db querier) (any, error) {
			slice, values := []string{"kept"}, map[string]any{"kept": true}
			var raw json.RawMessage
			var text *string
			var value any
			const sql = "select 'null'::jsonb, 'null'::jsonb, 'null'::jsonb, 'null'::jsonb, 'null'::json"
			err := db.QueryRow(ctx, sql).Scan(&slice, &values, &raw, &text, &value)
			return []interface{}{slice, values, string(raw), text, value}, err
		}},
		{name: "663, JSON in a slice", run: func(ctx context.Context, db querier) (any, error) {
			var chunks []string
			err := db.QueryRow(ctx, "select to_json(array['a', 'b'])").Scan(&chunks)
			return chunks, err
		}},
		{name: "a raw message that outlives its rows", run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, "select doc, doc::text::bytea from scanned order by id")
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var all []string
			var kept []json.RawMessage
			var bytes [][]byte
			for rows.Next() {
				var doc json.RawMessage
				var b []byte
				if err := rows.Scan(&doc, &b); err != nil {
					return nil, err
				}
				kept, bytes = append(kept, doc), append(bytes, b)
			}
			rows.Close()
			if _, err := db.Exec(ctx, "select repeat('x', 1000)"); err != nil {
				return nil, err
			}
			for i := range kept {
				all = append(all, string(kept[i]), string(bytes[i]))
			}
			return all, rows.Err()
		}},
		{name: "an enum's array without its type", run: func(ctx context.Context, db querier) (any, error) {
			var moods []string
			err := db.QueryRow(ctx, "select moods from scanned where id = 1").Scan(&moods)
			return moods, err
		}},
		{name: "infinity in a time", run: func(ctx context.Context, db querier) (any, error) {
			var at time.Time
			return at, db.QueryRow(ctx, "select at from scanned where id = 2").Scan(&at)
		}},
		{name: "NaN in a float", run: func(ctx context.Context, db querier) (any, error) {
			var f float64
			err := db.QueryRow(ctx, "select amount from scanned where id = 2").Scan(&f)
			return fmt.Sprint(f), err
		}},
	}
}
