package pool

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
)

// startOwn starts a server that the test may break.
func startOwn(t *testing.T, settings map[string]string) *postgres.Server {
	t.Helper()
	all := postgres.Volatile()
	for k, v := range settings {
		all[k] = v
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	own, err := postgres.Start(ctx, postgres.Options{Settings: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Stop() })
	return own
}

// openOwn opens a pool on it.
func openOwn(t *testing.T, dsn string, change func(*Config)) *Pool {
	t.Helper()
	c, err := ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(c)
	}
	p, err := NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Two instances with half of the server each, and far more callers than it has
// connections, never see "too many clients".
func TestServerShare(t *testing.T) {
	own := startOwn(t, map[string]string{"max_connections": "20", "superuser_reserved_connections": "4"})
	var pools []*Pool
	for range 2 {
		p := openOwn(t, own.DSN()+"&pool_max_conns=50&pool_server_share=0.5&pool_reader_conns=2", nil)
		p.Reader()
		wait.Until(t, "the share is known", func() bool { return p.admission.capacity.Load() == 8 })
		pools = append(pools, p)
	}
	var wg sync.WaitGroup
	for _, p := range pools {
		for i := range 40 {
			wg.Go(func() {
				for range 10 {
					query := p.Query
					if i%2 == 0 {
						query = p.Reader().Query
					}
					rows, err := query(t.Context(), "select pg_sleep(0.002)")
					if err == nil {
						_, err = pgx.CollectRows(rows, pgx.RowTo[any])
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// A cold burst does not open a connection for each caller.
func TestColdBurst(t *testing.T) {
	own := startOwn(t, map[string]string{"log_connections": "on"})
	p := openOwn(t, own.DSN()+"&pool_max_conns=80", nil)
	crowd(100, func(int) {
		if _, err := p.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
	})
	if n := p.Stat().NewConnsCount(); n > 40 {
		t.Errorf("%d connections were opened for 100 short queries", n)
	}
}

// Statements are prepared before the first query, and prepared again after the schema
// has changed.
func TestStatementsArePrepared(t *testing.T) {
	own := startOwn(t, nil)
	setup := openOwn(t, own.DSN(), nil)
	if _, err := setup.Exec(t.Context(), "create table things (id int, name text); insert into things values (1, 'x')"); err != nil {
		t.Fatal(err)
	}
	const sql = "select * from things where id = $1"
	p := openOwn(t, own.DSN()+"&pool_max_conns=2&pool_min_conns=2&pool_warm=true", func(c *Config) { c.Statements = []string{sql} })
	if n := p.Stat().TotalConns(); n != 2 {
		t.Errorf("%d connections after New, want 2", n)
	}
	var prepared int
	if err := p.QueryRow(t.Context(), "select count(*) from pg_prepared_statements where statement = $1", sql).Scan(&prepared); err != nil || prepared != 1 {
		t.Errorf("%d are prepared, %v", prepared, err)
	}
	for name, read := range map[string]func() error{
		"queries": func() error { _, err := p.Exec(t.Context(), sql, 1); return err },
		"batches": func() error {
			b := &pgx.Batch{}
			b.Queue(sql, 1)
			return p.SendBatch(t.Context(), b).Close()
		},
	} {
		if err := read(); err != nil {
			t.Fatal(err)
		}
		if _, err := setup.Exec(t.Context(), "alter table things add column "+name+" int"); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for range 10 {
			if read() != nil {
				failed++
			}
		}
		if failed > 2 {
			t.Errorf("%d of 10 %s failed after the schema had changed; each of 2 connections may once", failed, name)
		}
	}

	c := p.config
	c.Statements = []string{"select nothing from nowhere"}
	bad, err := NewWithConfig(t.Context(), c)
	if err == nil {
		bad.Close()
		t.Error("a statement that Postgres refuses is no error")
	}
	c.Warm = false
	p = openOwn(t, own.DSN(), func(c *Config) { c.Statements = []string{"select nothing from nowhere", sql} })
	if _, err := p.Exec(t.Context(), sql, 1); err != nil {
		t.Error(err)
	}
}
