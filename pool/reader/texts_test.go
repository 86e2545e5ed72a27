package reader_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
)

// querier is what runs a statement.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Texts of all lengths, with nulls among them, are scanned as pgx scans them, in the order of
// the columns and up to the one that fails.
func TestTextsOfARow(t *testing.T) {
	p := open(t, "pool_max_conns=8")
	const sql = `select repeat('a', n), n, repeat('é', n % 70), null::text, '', repeat('c', 130 - n % 130)::varchar,
		n::text, nullif(n % 97, 0)::text, 'x'::name, ('{"n":' || n || '}')::jsonb from generate_series($1::int, $1 + 9) n`
	scan := func(q querier, from int) (out string) {
		rows, err := q.Query(t.Context(), sql, from)
		if err != nil {
			return err.Error()
		}
		defer rows.Close()
		for rows.Next() {
			var a, b, empty, c, text, late, name, object string
			var n int
			var none *string
			err := rows.Scan(&a, &n, &b, &none, &empty, &c, &text, &late, &name, &object)
			out += fmt.Sprintf("%q %d %q %v %q %q %q %q %q %q %v\n", a, n, b, none, empty, c, text, late, name, object, err)
		}
		return out + fmt.Sprint(rows.Err())
	}
	want := make([]string, 32)
	for i := range want {
		want[i] = scan(p, i*13)
	}
	wait.Until(t, "a thousand statements have run on shared connections", func() bool {
		crowd(32, func(i int) {
			if got := scan(p.Reader(), i*13); got != want[i] {
				t.Errorf("from %d:\n%s\npgx:\n%s", i*13, got, want[i])
			}
		})
		return p.Reader().Counts().Shared > 1000
	})
}

// The short texts of a row cost one allocation.
func TestTextsOfARowAreOneAllocation(t *testing.T) {
	p := open(t, "pool_max_conns=8")
	const sql = "select 'some', 'short', 'texts', 'of', 'a', 'row' from generate_series(1, 100)"
	least := 1e9
	for deadline := time.Now().Add(30 * time.Second); least > 1 && time.Now().Before(deadline); {
		crowd(16, func(i int) {
			rows, err := p.Reader().Query(t.Context(), sql)
			if err != nil {
				t.Error(err)
				return
			}
			defer rows.Close()
			if i > 0 || rows.Conn() != nil {
				for rows.Next() {
				}
				return
			}
			var s [6]string
			backends := []any{&s[0], &s[1], &s[2], &s[3], &s[4], &s[5]}
			rows.Next()
			least = min(least, testing.AllocsPerRun(90, func() {
				rows.Next()
				if err := rows.Scan(backends...); err != nil {
					t.Error(err)
				}
			}))
		})
	}
	if least > 1 {
		t.Errorf("%v allocations for a row of six texts", least)
	}
}

// Rows have more texts than fit into one allocation.
func TestTextsOfAWideRow(t *testing.T) {
	p := open(t, "pool_max_conns=8")
	sql := "select $1::text" + strings.Repeat(", repeat('x', 100)", 200) + " || $1"
	wait.Until(t, "a statement has run on a shared connection", func() bool {
		shared := false
		crowd(16, func(i int) {
			rows, err := p.Reader().Query(t.Context(), sql, fmt.Sprint(i))
			if err != nil {
				t.Error(err)
				return
			}
			defer rows.Close()
			texts, dest := make([]string, 201), make([]any, 201)
			for k := range texts {
				dest[k] = &texts[k]
			}
			if !rows.Next() {
				t.Error(rows.Err())
				return
			}
			if err := rows.Scan(dest...); err != nil {
				t.Error(err)
			}
			if last := strings.Repeat("x", 100) + fmt.Sprint(i); texts[0] != fmt.Sprint(i) || texts[1] != last[:100] || texts[200] != last {
				t.Errorf("%q", texts)
			}
			if i == 0 && rows.Conn() == nil {
				shared = true
			}
		})
		return shared
	})
}
