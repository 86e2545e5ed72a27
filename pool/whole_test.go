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
	if n := p.gate.inside.Load(); n != 0 {
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
