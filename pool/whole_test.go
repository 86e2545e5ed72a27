package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// withRole returns a context with settings: a role that is not the login.
func withRole(t *testing.T) context.Context {
	t.Helper()
	const name = "pool_whole"
	p := open(t, "pool_max_conns=1")
	if _, err := p.Exec(t.Context(), "drop role if exists "+name); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exec(t.Context(), "create role "+name); err != nil {
		t.Fatal(err)
	}
	return reader.WithSettings(t.Context(), reader.Settings{Role: name})
}

// isRefusal reports whether an error refuses settings, and says so.
func isRefusal(err error) bool {
	return err != nil && strings.Contains(err.Error(), "reader.WithSettings")
}

// database/sql runs nothing with settings, also on connections that it has.
func TestOpenDBRefusesSettings(t *testing.T) {
	ctx := withRole(t)
	p := open(t, "pool_max_conns=4")
	db := OpenDB(p)
	defer db.Close()
	db.SetMaxIdleConns(2) // as many programs do
	prepared, err := db.PrepareContext(t.Context(), "select current_user")
	if err != nil {
		t.Fatal(err)
	}
	defer prepared.Close()
	for name, run := range map[string]func() error{
		"query":    func() error { return db.QueryRowContext(ctx, "select current_user").Scan(new(string)) },
		"exec":     func() error { _, err := db.ExecContext(ctx, "select 1"); return err },
		"begin":    func() error { _, err := db.BeginTx(ctx, nil); return err },
		"conn":     func() error { _, err := db.Conn(ctx); return err },
		"ping":     func() error { return db.PingContext(ctx) },
		"prepare":  func() error { _, err := db.PrepareContext(ctx, "select 1"); return err },
		"prepared": func() error { return prepared.QueryRowContext(ctx).Scan(new(string)) },
	} {
		if err := db.PingContext(t.Context()); err != nil || db.Stats().Idle == 0 {
			t.Fatalf("%d are idle, %v", db.Stats().Idle, err)
		}
		if err := run(); !isRefusal(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := p.Stat().NewConnsCount(); n > 2 {
		t.Errorf("refusals have cost connections: %d were opened", n)
	}
}

// The same where it hands connections over that are in use, or that it has opened with a context
// of its own.
func TestOpenDBRefusesSettingsUnderLoad(t *testing.T) {
	withSettings := withRole(t)
	p := open(t, "pool_max_conns=4")
	db := OpenDB(p)
	defer db.Close()
	db.SetMaxOpenConns(2)
	var refused atomic.Int64
	crowd(16, func(i int) {
		for range 50 {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = withSettings
			}
			var user string
			err := db.QueryRowContext(ctx, "select current_user").Scan(&user)
			switch {
			case ctx == t.Context():
				if err != nil {
					t.Error(err)
				}
			case err == nil:
				t.Errorf("ran as %s", user)
			case isRefusal(err), errors.Is(err, driver.ErrBadConn):
				refused.Add(1)
			default:
				t.Error(err)
			}
		}
	})
	if n := refused.Load(); n != 8*50 {
		t.Errorf("%d were refused, want %d", n, 8*50)
	}
	db.Close()
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// Settings that come after a transaction or a connection was begun without them are refused,
// and only they are.
func TestOpenDBRefusesLateSettings(t *testing.T) {
	ctx := withRole(t)
	db := OpenDB(open(t, "pool_max_conns=4"))
	defer db.Close()
	for name, late := range map[string]func(queryer) error{
		"query":           func(q queryer) error { return q.QueryRowContext(ctx, "select current_user").Scan(new(string)) },
		"with arguments":  func(q queryer) error { return q.QueryRowContext(ctx, "select $1::int", 1).Scan(new(int)) },
		"exec":            func(q queryer) error { _, err := q.ExecContext(ctx, "select 1"); return err },
		"exec, arguments": func(q queryer) error { _, err := q.ExecContext(ctx, "select $1::int", 1); return err },
	} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRowContext(t.Context(), "select 1").Scan(new(int)); err != nil {
			t.Error(err)
		}
		if late(tx) == nil {
			t.Errorf("%s: a transaction has run it", name)
		}
		_ = tx.Rollback()
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if late(conn) == nil {
			t.Errorf("%s: a connection has run it", name)
		}
		_ = conn.Close()
	}
}

type queryer = interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// A connection of database/sql's is pgx's, whose own methods refuse settings as well. So does
// one of Acquire's. Without settings both do everything, and so do the pool's others afterwards.
func TestWholeConnections(t *testing.T) {
	ctx := withRole(t)
	var resets atomic.Int64
	p := open(t, "pool_max_conns=1&pool_queue_timeout=10s")
	db := OpenDB(p, stdlib.OptionResetSession(func(context.Context, *pgx.Conn) error { resets.Add(1); return nil }))
	defer db.Close()
	for name, with := range map[string]func(f func(*pgx.Conn) error) error{
		"Acquire": func(f func(*pgx.Conn) error) error {
			conn, err := p.Acquire(t.Context())
			if err != nil {
				return err
			}
			defer conn.Release()
			return f(conn.Conn())
		},
		"database/sql": func(f func(*pgx.Conn) error) error {
			conn, err := db.Conn(t.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			return conn.Raw(func(c any) error {
				own, ok := c.(*stdlib.Conn)
				if !ok {
					return fmt.Errorf("a %T", c)
				}
				return f(own.Conn())
			})
		},
	} {
		for method, run := range map[string]func(ctx context.Context, c *pgx.Conn) error{
			"query": func(ctx context.Context, c *pgx.Conn) error {
				return c.QueryRow(ctx, "select $1::int", 1).Scan(new(int))
			},
			"exec":    func(ctx context.Context, c *pgx.Conn) error { _, err := c.Exec(ctx, "select 1"); return err },
			"prepare": func(ctx context.Context, c *pgx.Conn) error { _, err := c.Prepare(ctx, "", "select 1"); return err },
			"batch": func(ctx context.Context, c *pgx.Conn) error {
				b := &pgx.Batch{}
				b.Queue("select 1")
				return c.SendBatch(ctx, b).Close()
			},
			"copy": func(ctx context.Context, c *pgx.Conn) error {
				if _, err := c.Exec(t.Context(), "create temp table if not exists whole (i int)"); err != nil {
					return err
				}
				_, err := c.CopyFrom(ctx, pgx.Identifier{"whole"}, []string{"i"}, pgx.CopyFromRows([][]any{{1}}))
				return err
			},
		} {
			if err := with(func(c *pgx.Conn) error { return run(t.Context(), c) }); err != nil {
				t.Errorf("%s, %s: %v", name, method, err)
			}
			if err := with(func(c *pgx.Conn) error { return run(ctx, c) }); !errors.Is(err, errWhole) {
				t.Errorf("%s, %s: with settings %v", name, method, err)
			}
			var user string
			if err := p.QueryRow(ctx, "select current_user").Scan(&user); err != nil || user != "pool_whole" {
				t.Errorf("%s, %s: then the pool runs as %s, %v", name, method, user, err)
			}
		}
	}
	db.SetMaxIdleConns(1)
	for range 2 {
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if resets.Load() == 0 {
		t.Error("the caller's OptionResetSession was not called")
	}
}

// A comment at the end of a caller's own BEGIN hides no settings.
func TestSettingsBehindAComment(t *testing.T) {
	ctx := withRole(t)
	p := open(t, "pool_max_conns=1&pool_queue_timeout=10s")
	for i := range 3 { // From the second on they are known to be accepted.
		tx, err := p.BeginTx(ctx, pgx.TxOptions{BeginQuery: "begin -- of billing"})
		if err != nil {
			t.Fatal(err)
		}
		var user string
		if err := tx.QueryRow(ctx, "select current_user").Scan(&user); err != nil || user != "pool_whole" {
			t.Errorf("transaction %d runs as %s, %v", i, user, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Error(err)
		}
	}
}

// A transaction runs nothing with other settings than its own, which a caller would take to
// hold. It goes on, and ends with whatever context.
func TestTransactionsRefuseOtherSettings(t *testing.T) {
	with := withRole(t)
	other := reader.WithSettings(with, reader.Settings{GUC: map[string]string{"app.tenant": "2"}})
	empty := reader.WithSettings(with, reader.Settings{})
	p := open(t, "pool_max_conns=1&pool_queue_timeout=10s")
	if _, err := p.Exec(t.Context(), "create table if not exists tx_whole (i int)"); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = p.Exec(context.Background(), "drop table tx_whole") }()
	batch := func(ctx context.Context) (pgx.Tx, error) {
		b := &pgx.Batch{}
		b.BeginTx(pgx.TxOptions{})
		results := p.SendBatch(ctx, b)
		return results.Tx(), results.Close()
	}
	for name, c := range map[string]struct {
		begin         func(context.Context) (pgx.Tx, error)
		in            context.Context
		good, refused []context.Context
	}{
		"no settings": {p.Begin, t.Context(), []context.Context{t.Context()}, []context.Context{with, other, empty}},
		"a role":      {p.Begin, with, []context.Context{with, t.Context()}, []context.Context{other, empty}},
		"none of all": {p.Begin, empty, []context.Context{empty, t.Context()}, []context.Context{with, other}},
		"a batch":     {batch, t.Context(), []context.Context{t.Context()}, []context.Context{with}},
	} {
		for _, end := range []context.Context{t.Context(), with, other} {
			for _, commit := range []bool{true, false} {
				tx, err := c.begin(c.in)
				if err != nil {
					t.Fatal(name, err)
				}
				for _, ctx := range append(c.refused, c.good...) {
					_, _ = tx.Exec(ctx, "select 1") // Refused ones do no harm.
				}
				for _, ctx := range c.refused {
					if err := tx.QueryRow(ctx, "select $1::int", 1).Scan(new(int)); !errors.Is(err, errWhole) {
						t.Errorf("%s: a query with other settings: %v", name, err)
					}
					if _, err := tx.Exec(ctx, "commit; select 1"); !errors.Is(err, errWhole) {
						t.Errorf("%s: behind the end of the transaction: %v", name, err)
					}
					b := &pgx.Batch{}
					b.Queue("select 1")
					if err := tx.SendBatch(ctx, b).Close(); !errors.Is(err, errWhole) {
						t.Errorf("%s: a batch with other settings: %v", name, err)
					}
				}
				for _, ctx := range c.good {
					if err := tx.QueryRow(ctx, "select $1::int", 1).Scan(new(int)); err != nil {
						t.Errorf("%s: a query with its own settings: %v", name, err)
					}
				}
				if commit {
					err = tx.Commit(end)
				} else {
					err = tx.Rollback(end)
				}
				if err != nil {
					t.Errorf("%s: its end: %v", name, err)
				}
			}
		}
		// The connection has forgotten it.
		if err := p.QueryRow(other, "select $1::int", 1).Scan(new(int)); err != nil {
			t.Error(err)
		}
	}
	if n := p.Stat().NewConnsCount(); n > 1 {
		t.Errorf("%d connections were opened", n)
	}
}
