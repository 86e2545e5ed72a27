package adopters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// sqlSystems returns pgx's stdlib over pgxpool (the oracle), stdlib over the pool, and
// pool.OpenDB if there is one.
func (s setup) sqlSystems() []system[*sql.DB] {
	keep := func(t *testing.T, db *sql.DB) *sql.DB {
		t.Cleanup(func() { db.Close() })
		return db
	}
	systems := []system[*sql.DB]{
		{name: "pgxpool", open: func(t *testing.T) *sql.DB { return keep(t, stdlib.OpenDBFromPool(s.openPgxpool(t))) }},
		{name: "pool", open: func(t *testing.T) *sql.DB { return keep(t, stdlib.OpenDBFromPool(s.openPool(t).Pool)) }},
	}
	if openDB != nil {
		systems = append(systems, system[*sql.DB]{name: "OpenDB", open: func(t *testing.T) *sql.DB {
			return keep(t, openDB(s.openPool(t)))
		}})
	}
	return systems
}

// table reads a result of database/sql to its end.
func table(rows *sql.Rows, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []any
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		length, hasLength := t.Length()
		precision, scale, hasScale := t.DecimalSize()
		all = append(all, t.Name(), t.DatabaseTypeName(), t.ScanType(), length, hasLength, precision, scale, hasScale)
	}
	for rows.Next() {
		values := make([]any, len(types))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return all, err
		}
		all = append(all, values)
	}
	return all, rows.Err()
}

func TestDatabaseSQL(t *testing.T) {
	dsn := newDatabase(t, peopleSchema+"create table log (n bigint);")
	for _, e := range environments(t, dsn) {
		t.Run(e.name, func(t *testing.T) {
			compare(t, setup{dsn: e.dsn(t)}.sqlSystems(), sqlCases(e.sessions), statements(6))
		})
	}
}

// sqlCases returns cases of database/sql itself.
func sqlCases(sessions bool) []testCase[*sql.DB] {
	read := func(name, query string, args ...any) testCase[*sql.DB] {
		return testCase[*sql.DB]{name: name, run: func(ctx context.Context, db *sql.DB) (any, error) {
			return table(db.QueryContext(ctx, query, args...))
		}}
	}
	inTx := func(name string, o *sql.TxOptions, run func(ctx context.Context, tx *sql.Tx) (any, error)) testCase[*sql.DB] {
		return testCase[*sql.DB]{name: name, run: func(ctx context.Context, db *sql.DB) (any, error) {
			tx, err := db.BeginTx(ctx, o)
			if err != nil {
				return nil, err
			}
			value, err := run(ctx, tx)
			return value, errors.Join(err, tx.Rollback())
		}}
	}
	cases := []testCase[*sql.DB]{
		read("all", "select * from people order by id"),
		read("no rows", "select * from people where id < 0"),
		read("syntax error", "select from where"),
		read("division by zero", "select 100 / (50 - n) from generate_series(1, 60) n"),
		read("named", "select @id::int", pgx.NamedArgs{"id": 1}),
		read("with a mode", "select name from people where id = $1", pgx.QueryExecModeExec, 3),
		read("time", "select $1::timestamptz", time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)),
		read("write", "update people set name = $2 where id = $1 returning id, name", 91, "name 91"),
		read("write in a with", "with u as (update people set name = 'name 94' where id = 94 returning id) select id from u"),
		{name: "exec", run: func(ctx context.Context, db *sql.DB) (any, error) {
			result, err := db.ExecContext(ctx, "update people set name = name where id = $1", 95)
			if err != nil {
				return nil, err
			}
			return result.RowsAffected()
		}},
		{name: "exec many", run: func(ctx context.Context, db *sql.DB) (any, error) {
			_, err := db.ExecContext(ctx, "select 1; select 2")
			return nil, err
		}},
		{name: "no row", run: func(ctx context.Context, db *sql.DB) (any, error) {
			var name string
			return nil, db.QueryRowContext(ctx, "select name from people where id = -1").Scan(&name)
		}},
		{name: "null", run: func(ctx context.Context, db *sql.DB) (any, error) {
			var n sql.NullInt64
			var x sql.Null[int32]
			err := db.QueryRowContext(ctx, "select boss, boss from people where id = 5").Scan(&n, &x)
			return []any{n, x}, err
		}},
		{name: "null into int", run: func(ctx context.Context, db *sql.DB) (any, error) {
			var n int
			return nil, db.QueryRowContext(ctx, "select boss from people where id = 5").Scan(&n)
		}},
		{name: "array", run: func(ctx context.Context, db *sql.DB) (any, error) {
			var tags []*string
			err := db.QueryRowContext(ctx, "select tags from people where id = 8").Scan(pgtype.NewMap().SQLScanner(&tags))
			return tags, err
		}},
		{name: "close early", run: func(ctx context.Context, db *sql.DB) (any, error) {
			rows, err := db.QueryContext(ctx, "select id from people order by id")
			if err != nil {
				return nil, err
			}
			return []any{rows.Next(), rows.NextResultSet()}, errors.Join(rows.Close(), rows.Err())
		}},
		{name: "raw bytes", run: func(ctx context.Context, db *sql.DB) (any, error) {
			rows, err := db.QueryContext(ctx, "select name from people where id < 5 order by id")
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var all string
			for rows.Next() {
				var raw sql.RawBytes
				if err := rows.Scan(&raw); err != nil {
					return all, err
				}
				all += string(raw)
			}
			return all, rows.Err()
		}},
		{name: "cancelled", run: func(ctx context.Context, db *sql.DB) (any, error) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return table(db.QueryContext(ctx, "select 1"))
		}},
		inTx("transaction", nil, func(ctx context.Context, tx *sql.Tx) (any, error) {
			if _, err := tx.ExecContext(ctx, "insert into log values (1)"); err != nil {
				return nil, err
			}
			return table(tx.QueryContext(ctx, "select count(*) from log"))
		}),
		inTx("read-only transaction", &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable}, func(ctx context.Context, tx *sql.Tx) (any, error) {
			value, err := table(tx.QueryContext(ctx, "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"))
			if err != nil {
				return nil, err
			}
			_, err = tx.ExecContext(ctx, "insert into log values (1)")
			return value, err
		}),
		inTx("failed transaction", nil, func(ctx context.Context, tx *sql.Tx) (any, error) {
			_, first := tx.ExecContext(ctx, "select 1 / 0")
			_, second := tx.ExecContext(ctx, "select 1")
			return describe(first), second
		}),
		{name: "connection", run: func(ctx context.Context, db *sql.DB) (any, error) {
			conn, err := db.Conn(ctx)
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			var name string
			err = conn.Raw(func(c any) error {
				pc := c.(*stdlib.Conn).Conn()
				return pc.QueryRow(ctx, "select name from people where id = 6").Scan(&name)
			})
			return name, err
		}},
	}
	if sessions {
		cases = append(cases, testCase[*sql.DB]{name: "session", run: func(ctx context.Context, db *sql.DB) (any, error) {
			conn, err := db.Conn(ctx)
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			if _, err := conn.ExecContext(ctx, "create temp table mine (n int)"); err != nil {
				return nil, err
			}
			if _, err := conn.ExecContext(ctx, "insert into mine values (1), (2)"); err != nil {
				return nil, err
			}
			var n int
			err = conn.QueryRowContext(ctx, "select count(*) from mine").Scan(&n)
			_, dropped := conn.ExecContext(ctx, "drop table mine")
			return n, errors.Join(err, dropped)
		}})
	}
	for id := range 12 {
		cases = append(cases,
			read(fmt.Sprint("person ", id), "select id, name, born, score, tags, doc, at, ratio, boss from people where id = $1", id),
			testCase[*sql.DB]{name: fmt.Sprint("row ", id), run: func(ctx context.Context, db *sql.DB) (any, error) {
				var name string
				var at time.Time
				var score float64
				err := db.QueryRowContext(ctx, "select name, at, score from people where id = $1", id).Scan(&name, &at, &score)
				return []any{name, at.Unix(), score}, err
			}},
		)
		if sessions { // A prepared statement is a session's.
			cases = append(cases, testCase[*sql.DB]{name: fmt.Sprint("prepared ", id), run: func(ctx context.Context, db *sql.DB) (any, error) {
				stmt, err := db.PrepareContext(ctx, "select name from people where id = $1")
				if err != nil {
					return nil, err
				}
				defer stmt.Close()
				var all []string
				for i := range 3 {
					var name string
					if err := stmt.QueryRowContext(ctx, id+i).Scan(&name); err != nil {
						return all, err
					}
					all = append(all, name)
				}
				return all, nil
			}})
		}
	}
	return cases
}
