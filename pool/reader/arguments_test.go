package reader_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rewriter is one of a user's, which asks the connection.
type rewriter struct{ text string }

func (r rewriter) RewriteQuery(_ context.Context, conn *pgx.Conn, _ string, args []any) (string, []any, error) {
	if conn.PgConn().PID() == 0 {
		return "", nil, errors.New("no connection")
	}
	return r.text, args, nil
}

// returns is a rewriter that returns an argument.
type returns struct{ arg any }

func (r returns) RewriteQuery(_ context.Context, _ *pgx.Conn, sql string, _ []any) (string, []any, error) {
	return sql, []any{r.arg}, nil
}

// Every way to pass arguments does what it does with pgxpool, in errors as well.
func TestArgumentsAsInPgxpool(t *testing.T) {
	for _, mode := range []string{"", "&pool_reader_transaction_pooling=true", "&default_query_exec_mode=exec", "&default_query_exec_mode=simple_protocol", "&default_query_exec_mode=describe_exec"} {
		t.Run(mode, func(t *testing.T) {
			dsn := server.DSN()
			if openAt != "" {
				dsn = openAt
			}
			plain, err := pool.ParseConfig(dsn + mode)
			if err != nil {
				t.Fatal(err)
			}
			oracle, err := pgxpool.NewWithConfig(t.Context(), plain.Config)
			if err != nil {
				t.Fatal(err)
			}
			defer oracle.Close()
			p, err := pool.NewWithConfig(t.Context(), plain)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			r := p.Reader()
			type outcome struct {
				Values [][]any
				Fields []string
				Tag    string
				Err    string
			}
			ask := func(q interface {
				Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
			}, sql string, args []any) (o outcome) {
				rows, err := q.Query(t.Context(), sql, args...)
				if err == nil {
					for rows.Next() {
						if o.Fields == nil { // Later they are the connection's next statement's.
							for _, f := range rows.FieldDescriptions() {
								o.Fields = append(o.Fields, fmt.Sprint(f.Name, f.DataTypeOID))
							}
						}
						v, err := rows.Values()
						if err != nil {
							break
						}
						o.Values = append(o.Values, v)
					}
					rows.Close()
					err = rows.Err()
					o.Tag = rows.CommandTag().String()
				}
				if err != nil {
					o = outcome{Err: err.Error()}
					var e *pgconn.PgError
					if errors.As(err, &e) {
						o.Err = e.Code + e.Message
					}
				}
				return o
			}
			crowd(8, func(int) {
				for range 6 {
					for i, c := range []struct {
						sql  string
						args []any
					}{
						{"select $1::int + 1", []any{1}},
						{"select @n::int + 1, @n::int", []any{pgx.NamedArgs{"n": 2}}},
						{"select @n::int, @missing::int", []any{pgx.NamedArgs{"n": 2}}},
						{"select @n::int", []any{pgx.StrictNamedArgs{"n": 2}}},
						{"select @n::int", []any{pgx.StrictNamedArgs{"other": 2}}},
						{"select $1::int", []any{pgx.QueryExecModeExec, 3}},
						{"select $1::int", []any{pgx.QueryExecModeSimpleProtocol, 3}},
						{"select $1::int", []any{pgx.QueryExecModeDescribeExec, 3}},
						{"select $1::int, 'x'", []any{pgx.QueryResultFormats{0, 1}, 3}},
						{"select $1::int, 'x'", []any{pgx.QueryResultFormatsByOID{23: 1}, 3}},
						{"select @n::int, 'x'", []any{pgx.QueryExecModeDescribeExec, pgx.QueryResultFormats{1}, pgx.NamedArgs{"n": 4}}},
						{"ignored", []any{rewriter{"select $1::text"}, "rewritten"}},
						{"ignored", []any{pgx.QueryExecModeExec, rewriter{"select $1::text"}, "rewritten"}},
						{"ignored", []any{rewriter{"select 'first'"}, rewriter{"select $1::text"}, "the last counts"}},
						{"select @n::int", []any{rewriter{"select 5"}, pgx.NamedArgs{"n": 6}}},
						{"select @n::int", []any{pgx.NamedArgs{"n": 7}, pgx.QueryResultFormats{1}}},
						{"select $1::int", []any{"no number"}},
						{"select $1::int", []any{1, 2}},
						{"select $1::int", nil},
						{"select 1 / $1::int", []any{0}},
						{"select nothing", nil},
						{"selec 1", nil},
						{"/* a /* b */ c */ select 1", nil},
						{"values (1), (2)", nil},
						{"select from generate_series(1, 3)", nil},
						{"select $1::text[]", []any{[]string{"a", "b"}}},
						{"select $1::jsonb", []any{map[string]any{"a": 1.0}}},
						{"select $1::timestamptz at time zone 'utc'", []any{"2024-01-02T03:04:05Z"}},
						{"select null::int, 1::smallint, 2::bigint, 1.5::numeric, 'x'::bytea", nil},
					} {
						want, got := ask(oracle, c.sql, c.args), ask(r, c.sql, c.args)
						if c.sql == "selec 1" {
							got.Err, want.Err = "", "" // The Reader refuses it.
						}
						if !reflect.DeepEqual(got, want) {
							t.Errorf("%d: %s %v: got %+v, want %+v", i, c.sql, c.args, got, want)
						}
					}
				}
			})
		})
	}
}

func TestRefusedTexts(t *testing.T) {
	for _, mode := range []string{"", "&default_query_exec_mode=simple_protocol"} {
		r := open(t, "pool_max_conns=4"+mode).Reader()
		for _, sql := range []string{
			"select set_config('search_path', 'x', false)", "select/* */pg_catalog . SET_CONFIG /* /* */ */ ('a.b', 'c', true)", `select "set_config"('a.b', 'c', false)`,
			"with x as (select pg_advisory_lock(1)) select * from x", "select pg_try_advisory_xact_lock(1)", "select pg_advisory_unlock_all()", "select pg_notify('a', 'b')", "select setseed(0.5)",
			"/* select */ begin", "prepare x as select 1", "do $$ begin end $$", "set search_path = x", "reset all", "deallocate all", "call x()", "lock table x", "declare c cursor for select 1", "execute x",
		} {
			if _, err := r.Exec(t.Context(), sql); !errors.Is(err, reader.ErrNotRead) {
				t.Errorf("%s: %v", sql, err)
			}
			if _, err := r.Exec(t.Context(), "select 1", rewriter{sql}); !errors.Is(err, reader.ErrNotRead) {
				t.Errorf("%s by a rewriter: %v", sql, err)
			}
			for name, queue := range map[string]func(*pgx.Batch){
				"queued":             func(b *pgx.Batch) { b.Queue(sql) },
				"by a rewriter":      func(b *pgx.Batch) { b.Queue("select 1", rewriter{sql}) },
				"by the last of two": func(b *pgx.Batch) { b.Queue("select 1", pgx.NamedArgs{}, rewriter{sql}) },
			} {
				b := &pgx.Batch{}
				b.Queue("select 1")
				queue(b)
				if err := r.SendBatch(t.Context(), b).Close(); !errors.Is(err, reader.ErrNotRead) {
					t.Errorf("%s, %s: %v", sql, name, err)
				}
			}
		}
		// pgx would take what a rewriter returns for options of the caller.
		for _, option := range []any{rewriter{"select 2"}, pgx.QueryExecModeSimpleProtocol} {
			if _, err := r.Exec(t.Context(), "select 1", returns{option}); err == nil {
				t.Errorf("a %T by a rewriter is no error", option)
			}
		}
		for _, sql := range []string{"select 'set_config(1)'", "select 1 as set_config", "select $$pg_notify('a', 'b')$$ -- set_config("} {
			if _, err := r.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	run(t, "drop table if exists kept", "create table kept (id int)", "insert into kept values (1)")
	r := open(t, "pool_max_conns=4").Reader()
	for _, args := range [][]any{{pgx.QueryExecModeSimpleProtocol}, {pgx.QueryExecModeExec}, {}} {
		for _, sql := range []string{"select 1; commit; delete from kept", "select 1; delete from kept; commit", "select 1 where 'a' = '''; commit' ; commit; delete from kept"} {
			if _, err := r.Exec(t.Context(), sql, args...); err == nil {
				t.Errorf("%s: no error", sql)
			}
		}
	}
	var n int
	if err := r.QueryRow(t.Context(), "select count(*) from kept").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if _, err := r.CopyFrom(t.Context(), pgx.Identifier{"kept"}, nil, nil); !errors.Is(err, reader.ErrCopy) {
		t.Errorf("CopyFrom: %v", err)
	}
	ctx := reader.Alone(t.Context())
	before := r.Counts().Shared
	crowd(16, func(int) {
		for range 50 {
			if _, err := r.Exec(ctx, "select 1"); err != nil {
				t.Error(err)
			}
		}
	})
	if r.Counts().Shared != before {
		t.Error("a statement that was to be alone has shared a connection")
	}
}
