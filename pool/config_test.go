package pool

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A value that no bound has is refused at the start: pool_queue_timeout=-1s would have each call
// fail.
func TestValuesThatCannotBe(t *testing.T) {
	for _, parameter := range []string{
		"pool_queue_timeout=-1s", "pool_target_wait=-1s", "pool_max_queue=-1",
		"pool_server_share=2", "pool_health_check_period=0", "pool_health_check_period=-1s",
		"pool_server_share=NaN",
		"pool_min_conns=-1", "pool_min_idle_conns=-1", "pool_min_conns=-1&pool_min_idle_conns=-1",
		"pool_reader_conns=-1", "pool_reader_direct_conns=-1", "pool_reader_slow_after=-1s",
		"pool_reader_statement_timeout=-1s", "pool_reader_max_lag=-1s",
	} {
		p, err := New(t.Context(), server.DSN()+"&"+parameter)
		if err == nil {
			p.Close()
			t.Errorf("%s: no error", parameter)
		}
	}
	for name, change := range map[string]func(*Config){
		"MaxQueue": func(c *Config) { c.MaxQueue = -1 }, "LeakAfter": func(c *Config) { c.LeakAfter = -1 },
		"ServerShare": func(c *Config) { c.ServerShare = -0.5 }, "Reader.MaxHeld": func(c *Config) { c.Reader.MaxHeld = -1 },
		"Reader.DirectBelow": func(c *Config) { c.Reader.DirectBelow = -1 },
	} {
		c, err := ParseConfig(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		p, err := NewWithConfig(t.Context(), c)
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pgx hides the password of a connection string in its errors, not those of replicas in it.
func TestErrorsHidePasswordsOfReplicas(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u@h/db?pool_reader_replicas=postgres%3A%2F%2Fu%3Asecret%40h2%2Fdb&pool_max_conns=none",
		"postgres://u@h/db?pool_max_conns=none&pool_reader_replicas=postgres%3A%2F%2Fu%3Asecret%40h2%2Fdb",
		"host=h pool_reader_replicas='postgres://u:secret@h2/db postgres://u:it\\'s-secret@h3' pool_max_conns=none",
		"host=h pool_max_conns=none pool_reader_replicas = postgres://u:secret@h2/db",
		"host=h pool_max_conns=8 pool_reader_replicas='postgres://u:secret@h2:none/db'",
	} {
		_, err := ParseConfig(dsn)
		if err == nil {
			t.Errorf("%s: no error", dsn)
		} else if strings.Contains(err.Error(), "secret") {
			t.Error("the error has the password of a replica: ", err)
		}
	}
}

// A replica of keywords has spaces within, where the parameter has them between replicas.
func TestReplicasOfKeywords(t *testing.T) {
	if c, err := ParseConfig("host=h pool_reader_replicas='host=a port=77'"); err == nil {
		t.Errorf("the keywords of one replica are %d replicas: %q", len(c.Reader.Replicas), c.Reader.Replicas)
	}
	for dsn, want := range map[string]int{
		"host=h pool_reader_replicas='host=a'":                                                   1,
		"host=h pool_reader_replicas='postgres://a postgresql://b:77/x'":                         2,
		"postgres://h?pool_reader_replicas=postgres%3A%2F%2Fa%3Fx%3D1%20postgres%3A%2F%2Fb%3A77": 2,
	} {
		c, err := ParseConfig(dsn)
		if err != nil {
			t.Error(err)
		} else if len(c.Reader.Replicas) != want {
			t.Errorf("%s: %q", dsn, c.Reader.Replicas)
		}
	}
}

// What a pool says of its configuration makes another pool like it.
func TestConfigMakesAnotherPool(t *testing.T) {
	p := open(t, "pool_max_conns=3&pool_queue_timeout=30s&pool_reader_conns=1&application_name=first")
	another, err := NewWithConfig(t.Context(), p.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	var name string
	if err := another.QueryRow(t.Context(), "show application_name").Scan(&name); err != nil || name != "first" {
		t.Errorf("got %q, %v", name, err)
	}
	if a, b := p.Config(), another.Config(); a.ConnString() != b.ConnString() || a.MaxConns != b.MaxConns ||
		a.AcquireTimeout != b.AcquireTimeout || a.Reader.Conns != b.Reader.Conns {
		t.Errorf("got %+v and %+v", a, b)
	}
	if want, err := pgxpool.ParseConfig(p.Config().ConnString()); err != nil || want.MaxConns != 3 {
		t.Error("the connection string is not that of New: ", err)
	}
}

// The configuration is copied: what becomes of the caller's does not change what the pool prepares.
func TestStatementsAreCopied(t *testing.T) {
	statements := []string{"select 1"}
	p := openOwn(t, server.DSN(), func(c *Config) { c.Statements = statements })
	statements[0] = "select nothing"
	if got := p.admission.prepared.statements[0]; got != "select 1" {
		t.Errorf("the pool prepares %q", got)
	}
}

// A replica is no less protected than the primary, unless its string says so.
func TestReplicasAreAsSecure(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for _, c := range []struct {
		primary, replica string
		refused          bool
	}{
		{"", "", false},
		{"disable", "", false},
		{"require", "", true},
		{"verify-ca", "", true},
		{"verify-full", "", true},
		{"verify-full", "disable", false},
		{"verify-full", "verify-full", false},
	} {
		dsn := func(host, mode string) string {
			s := "postgres://u@" + host + "/db"
			if mode != "" {
				s += "?sslmode=" + mode
			}
			return s
		}
		config, err := ParseConfig(dsn("127.0.0.1:1", c.primary))
		if err != nil {
			t.Fatal(err)
		}
		config.Reader.Replicas = []string{dsn("127.0.0.1:2", c.replica)}
		p, err := NewWithConfig(t.Context(), config)
		if err == nil {
			p.Close()
		}
		if refused := err != nil && strings.Contains(err.Error(), "sslmode"); refused != c.refused || err != nil && !refused {
			t.Errorf("a primary with %q, a replica with %q: %v", c.primary, c.replica, err)
		}
		local, err := ParseConfig("postgres:///db?host=/tmp")
		if err != nil {
			t.Fatal(err)
		}
		local.Reader.Replicas = []string{dsn("127.0.0.1:2", "")}
		if p, err = NewWithConfig(t.Context(), local); err != nil {
			t.Error("a replica of a local primary: ", err)
		} else {
			p.Close()
		}
		config.Reader.Replicas = []string{"postgres:///db?host=/tmp"}
		if p, err = NewWithConfig(t.Context(), config); err != nil {
			t.Errorf("a local replica of a primary with %q: %v", c.primary, err)
		} else {
			p.Close()
		}
	}
}

// A replica may have a mode of its own where callers cannot tell.
func TestReplicasWithModesOfTheirOwn(t *testing.T) {
	for _, c := range []struct {
		primary, replica, mode string // of the replica; "" if it is refused
	}{
		{"", "", "cache statement"},
		{"default_query_exec_mode=cache_describe", "", "cache describe"},
		{"default_query_exec_mode=cache_describe", "default_query_exec_mode=cache_statement", "cache statement"},
		{"", "default_query_exec_mode=cache_describe", "cache describe"},
		{"default_query_exec_mode=exec", "", "exec"},
		{"default_query_exec_mode=exec", "default_query_exec_mode=exec", "exec"},
		{"default_query_exec_mode=exec", "default_query_exec_mode=cache_statement", ""},
		{"", "default_query_exec_mode=simple_protocol", ""},
		{"", "default_query_exec_mode=describe_exec", ""},
		{"statement_cache_capacity=0&default_query_exec_mode=cache_describe", "default_query_exec_mode=cache_statement", ""},
		{"description_cache_capacity=0", "default_query_exec_mode=cache_describe", ""},
	} {
		config, err := ParseConfig("postgres://u@127.0.0.1:1/db?" + c.primary)
		if err != nil {
			t.Fatal(err)
		}
		dsn := "postgres://u@127.0.0.1:2/db?" + c.replica
		config.Reader.Replicas = []string{dsn}
		p, err := NewWithConfig(t.Context(), config)
		if err != nil {
			if c.mode != "" || !strings.Contains(err.Error(), "default_query_exec_mode") {
				t.Errorf("%q, %q: %v", c.primary, c.replica, err)
			}
			continue
		}
		p.Close()
		own, err := replica(config, dsn)
		if err != nil || own.ConnConfig.DefaultQueryExecMode.String() != c.mode {
			t.Errorf("%q, %q: %v, %v", c.primary, c.replica, own.ConnConfig.DefaultQueryExecMode, err)
		}
	}
}
