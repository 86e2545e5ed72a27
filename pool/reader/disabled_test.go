package reader_test

import (
	"context"
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

// A mode whose cache has no capacity fails as in pgxpool: always, not only until the statement
// is known.
func TestDisabledCaches(t *testing.T) {
	for _, parameters := range []string{
		"statement_cache_capacity=0",
		"description_cache_capacity=0&default_query_exec_mode=cache_describe",
		"description_cache_capacity=0", // of no mode that is used
	} {
		p := open(t, "pool_max_conns=6&"+parameters)
		r := p.Reader()
		text := func(err error) string {
			if err == nil {
				return ""
			}
			return err.Error()
		}
		for name, try := range map[string]func(query func(context.Context, string, ...any) pgx.Row) error{
			"a query": func(query func(context.Context, string, ...any) pgx.Row) error {
				return query(t.Context(), "select $1::int", 1).Scan(new(int))
			},
			"without arguments": func(query func(context.Context, string, ...any) pgx.Row) error {
				return query(t.Context(), "select 1").Scan(new(int))
			},
			"another mode": func(query func(context.Context, string, ...any) pgx.Row) error {
				return query(t.Context(), "select $1::int", pgx.QueryExecModeDescribeExec, 1).Scan(new(int))
			},
			"a mode": func(query func(context.Context, string, ...any) pgx.Row) error {
				return query(t.Context(), "select $1::int", pgx.QueryExecModeCacheDescribe, 1).Scan(new(int))
			},
		} {
			want := text(try(p.Pool.QueryRow))
			for range 4 {
				crowd(16, func(int) {
					if got := text(try(r.QueryRow)); got != want {
						t.Errorf("%s: %s: got %q, want %q", parameters, name, got, want)
					}
					alone := func(_ context.Context, sql string, args ...any) pgx.Row {
						return r.QueryRow(reader.Alone(t.Context()), sql, args...)
					}
					if got := text(try(alone)); got != want {
						t.Errorf("%s: %s: alone: got %q, want %q", parameters, name, got, want)
					}
				})
			}
		}
		for _, args := range [][]any{nil, {1}} {
			sql := "select 1"
			if args != nil {
				sql = "select $1::int"
			}
			_, want := p.Pool.Exec(t.Context(), sql, args...)
			tag, err := r.Exec(t.Context(), sql, args...)
			if text(err) != text(want) || err == nil && tag.String() != "SELECT 1" {
				t.Errorf("%s: Exec of %d arguments: got %v, %v, want %v", parameters, len(args), tag, err, want)
			}
		}
	}
}

// What a caller does to the columns of its rows does not reach others.
func TestColumnsAreTheCallers(t *testing.T) {
	p := open(t, "pool_max_conns=6")
	r := p.Reader()
	before := r.Counts().Shared
	for r.Counts().Shared < before+1000 {
		crowd(32, func(i int) {
			rows, err := r.Query(t.Context(), "select $1::int as own", i)
			if err != nil {
				t.Error(err)
				return
			}
			defer rows.Close()
			for rows.Next() {
				columns := rows.FieldDescriptions()
				if len(columns) != 1 || columns[0].Name != "own" || columns[0].DataTypeOID != 23 {
					t.Errorf("got %+v", columns)
					continue
				}
				var got int
				if err := rows.Scan(&got); err != nil || got != i {
					t.Errorf("got %d, %v, want %d", got, err, i)
				}
				columns[0].Name, columns[0].DataTypeOID, columns[0].Format = "changed", 25, 0
			}
		})
	}
}
