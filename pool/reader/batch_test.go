package reader_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

type sender = func(context.Context, *pgx.Batch) pgx.BatchResults

// batchUses are ways to read the results of a batch, which return what they have seen.
var batchUses = map[string]func(ctx context.Context, send sender) []any{
	"callbacks": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select generate_series(1, $1::int)", 3).Query(func(rows pgx.Rows) error {
			list, err := pgx.CollectRows(rows, pgx.RowTo[int])
			seen = append(seen, list, err)
			return err
		})
		b.Queue("select 7")
		b.Queue("select @n::int", pgx.NamedArgs{"n": 8}).QueryRow(func(row pgx.Row) error {
			var n int
			err := row.Scan(&n)
			seen = append(seen, n, err)
			return err
		})
		b.Queue("select 9").Exec(func(tag pgconn.CommandTag) error { seen = append(seen, tag.String()); return nil })
		results := send(ctx, b)
		return append(seen, results.Close(), results.Close(), seen)
	},
	"one by one": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select 1 where false")
		b.Queue("select 2, 'x'")
		b.Queue("select 3")
		results := send(ctx, b)
		seen = append(seen, results.QueryRow().Scan(new(int)))
		rows, err := results.Query()
		seen = append(seen, err, len(rows.FieldDescriptions()))
		for rows.Next() {
			values, err := rows.Values()
			seen = append(seen, values, err)
		}
		tag, err := results.Exec()
		seen = append(seen, tag.String(), err)
		_, err = results.Exec()
		seen = append(seen, err, results.Close())
		_, err = results.Query()
		return append(seen, err)
	},
	"left early": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select generate_series(1, 5)")
		b.Queue("select 2").Exec(func(pgconn.CommandTag) error { seen = append(seen, "called"); return nil })
		results := send(ctx, b)
		rows, err := results.Query()
		return append(seen, rows.Next(), err, results.Close(), seen)
	},
	"an error first": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select 1 / $1::int", 0)
		b.Queue("select 2").Exec(func(pgconn.CommandTag) error { seen = append(seen, "called"); return nil })
		results := send(ctx, b)
		err := results.QueryRow().Scan(new(int))
		seen = append(seen, code(err))
		return append(seen, code(results.Close()), seen)
	},
	"an error later": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select 1").QueryRow(func(row pgx.Row) error { seen = append(seen, row.Scan(new(int))); return nil })
		b.Queue("select 1 / $1::int", 0)
		b.Queue("select 2").Query(func(rows pgx.Rows) error { seen = append(seen, "called"); return rows.Err() })
		return append(seen, code(send(ctx, b).Close()), seen)
	},
	"an error of a callback": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select 1").QueryRow(func(pgx.Row) error { return errors.ErrUnsupported })
		b.Queue("select 2").Exec(func(pgconn.CommandTag) error { seen = append(seen, "called"); return nil })
		return append(seen, send(ctx, b).Close(), seen)
	},
	"a text that is none": func(ctx context.Context, send sender) (seen []any) {
		b := &pgx.Batch{}
		b.Queue("select from where")
		results := send(ctx, b)
		rows, err := results.Query()
		return append(seen, code(err), code(rows.Err()), code(results.Close()))
	},
	"canceled at the end": func(ctx context.Context, send sender) (seen []any) {
		ctx, cancel := context.WithCancel(ctx)
		b := &pgx.Batch{}
		b.Queue("select 1")
		results := send(ctx, b)
		_, err := results.Exec()
		cancel()
		return append(seen, err, results.Close())
	},
	"empty": func(ctx context.Context, send sender) (seen []any) {
		results := send(ctx, &pgx.Batch{})
		_, err := results.Exec()
		return append(seen, err, results.Close())
	},
	"read when it is closed": func(ctx context.Context, send sender) (seen []any) {
		results := send(ctx, &pgx.Batch{})
		seen = append(seen, results.Close())
		_, err := results.Exec()
		return append(seen, err)
	},
}

// code returns what kind an error is of: its text depends on where the statement runs.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// A batch of the Reader's has the results of pgxpool's.
func TestBatchAsPgxpool(t *testing.T) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		dsn := server.DSN() + "&pool_max_conns=2&default_query_exec_mode=" + mode
		want, err := pgxpool.New(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		r := openOwn(t, dsn, nil).Reader()
		for name, use := range batchUses {
			for range 2 {
				got, want := use(t.Context(), r.SendBatch), use(t.Context(), want.SendBatch)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s:\ngot  %v\nwant %v", mode, name, got, want)
				}
			}
		}
		if n := want.Stat().AcquiredConns(); n != 0 {
			t.Errorf("%d connections are in use", n)
		}
		want.Close()
	}
}

// A batch whose connection fails before its first result runs again, and its callbacks do not
// see that.
func TestBatchThatLosesItsConnection(t *testing.T) {
	run(t, "drop table if exists batched", "create table batched as select 5 as i")
	p, network := behind(t, "pool_max_conns=2", nil)
	r := p.Reader()
	for name, prepared := range map[string]bool{"while it is prepared": false, "while it runs": true} {
		texts := []string{"select i from batched where i > 0", "select 6"}
		if prepared { // on one connection, or on both
			for range 2 {
				if _, err := readBatch(t.Context(), r, texts); err != nil {
					t.Fatal(err)
				}
			}
		}
		conn, err := pgx.Connect(t.Context(), server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(t.Context(), "begin; lock table batched"); err != nil {
			t.Fatal(err)
		}
		var seen []int
		done := make(chan error)
		go func() {
			list, err := readBatch(t.Context(), r, texts)
			seen = list
			done <- err
		}()
		wait.Until(t, "it waits for the table", func() bool {
			var n int
			err := conn.QueryRow(t.Context(), `select count(*) from pg_locks
				where relation = 'batched'::regclass and not granted`).Scan(&n)
			return err == nil && n > 0
		})
		network.Reset()
		if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || !reflect.DeepEqual(seen, []int{5, 6}) {
			t.Errorf("%s: saw %v, %v", name, seen, err)
		}
		if r.Counts().Lost == 0 {
			t.Errorf("%s: it has not run again", name)
		}
	}
}

// A batch that has lost its connection, and gets no second one, fails with the error of the first.
func TestBatchWithoutASecondConnection(t *testing.T) {
	var acquired atomic.Int64
	r := openOwn(t, server.DSN()+"&pool_max_conns=2", func(c *pool.Config) {
		c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) {
			if acquired.Add(1) > 1 {
				return false, errors.New("no second connection")
			}
			return true, nil
		}
	}).Reader()
	b := &pgx.Batch{}
	b.Queue("select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)") // It fails between columns and rows.
	results := r.SendBatch(t.Context(), b)
	if err := results.QueryRow().Scan(nil, nil); code(err) != "57P01" {
		t.Errorf("the row: %v", err)
	}
	if err := results.Close(); code(err) != "57P01" {
		t.Errorf("the batch: %v", err)
	}
	if n := acquired.Load(); n != 2 {
		t.Errorf("%d connections were asked for", n)
	}
}

// readBatch returns the numbers that a batch's callbacks have seen.
func readBatch(ctx context.Context, r *pool.Reader, texts []string) (seen []int, err error) {
	b := &pgx.Batch{}
	for _, sql := range texts {
		b.Queue(sql).QueryRow(func(row pgx.Row) error {
			var n int
			err := row.Scan(&n)
			seen = append(seen, n)
			return err
		})
	}
	err = r.SendBatch(ctx, b).Close()
	return seen, err
}

// When all results of reads have been seen, nothing is lost with the connection, though the
// Reader has a transaction to end.
func TestConnectionLostBehindItsResults(t *testing.T) {
	admin, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	scan := func(row pgx.Row) error { // and kill the backend
		var pid int
		err := row.Scan(&pid)
		wait.Until(t, "the backend has gone", func() bool {
			var left int
			err := admin.QueryRow(t.Context(), `select count(pg_terminate_backend(pid)) from pg_stat_activity
				where pid = $1`, pid).Scan(&left)
			return err == nil && left == 0
		})
		return err
	}
	r := openOwn(t, server.DSN()+"&pool_max_conns=2", func(c *pool.Config) {
		c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return true, nil } // Nothing is shared with it.
	}).Reader()
	for name, ctx := range map[string]context.Context{
		"alone":         t.Context(),
		"with settings": reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.user": "7"}}),
	} {
		rows, err := r.Query(ctx, "select pg_backend_pid()")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			if err := scan(rows); err != nil {
				t.Errorf("%s: rows: %v", name, err)
			}
		}
		if err := rows.Err(); err != nil {
			t.Errorf("%s: rows: %v", name, err)
		}
		b := &pgx.Batch{}
		b.Queue("select pg_backend_pid()").QueryRow(scan)
		if err := r.SendBatch(ctx, b).Close(); err != nil {
			t.Errorf("%s: batch: %v", name, err)
		}
	}
}

// Callers of batches do not notice that a replica goes, unless they have seen a result.
func TestBatchesOfALostReplica(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	replica, err := server.Replica(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() { replica.Stop() })
	t.Cleanup(stop)
	r := open(t, "pool_max_conns=8&pool_reader_replicas="+escape(replica.DSN())).Reader()
	where := func() (replica bool) {
		b := &pgx.Batch{}
		seen := false
		b.Queue("select pg_is_in_recovery()").QueryRow(func(row pgx.Row) error {
			seen = true
			return row.Scan(&replica)
		})
		if err := r.SendBatch(ctx, b).Close(); err != nil && !seen {
			t.Error(err)
		}
		return replica
	}
	wait.Until(t, "the replica is used", where)
	running, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for running.Err() == nil {
				where()
			}
		})
	}
	stop()
	wait.Until(t, "the primary is used", func() bool { return !where() })
	end()
	wg.Wait()
}
