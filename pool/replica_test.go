package pool

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestKeysOf(t *testing.T) {
	for dsn, want := range map[string]string{
		"":          "",
		"postgres:": "",
		"postgres://u:a?x=1&y@h:1,i:2/db?timezone=UTC&a%62c=1&=2&&options=-c%20a%3Db": "abc options timezone",
		"postgresql://h?application_name=x?y%3Dz":                                     "application_name",
		"postgres://h/db": "",
		`host=h  password = 'a sslmode=x \' timezone=y' options='-c a=b' timezone=UTC`: "host options password timezone",
		`password= host=h application_name=a\ b=c`:                                     "application_name password",
	} {
		keys := slices.Sorted(maps.Keys(keysOf(dsn)))
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s has %q, want %q", dsn, got, want)
		}
	}
}

// Keys are found as pgx finds them.
func FuzzKeysOf(f *testing.F) {
	for _, dsn := range []string{
		"postgres://u:a?x=1&y@h:1,i:2/db?timezone=UTC&a%62c=1&options=-c%20a%3Db", "postgresql://h?application_name=x?y%3Dz",
		`host=h  password = 'a sslmode=x \' timezone=y' options='-c a=b' timezone=UTC`,
		"password= host=h application_name=a\\ b=c",
	} {
		f.Add(dsn)
	}
	authority := []string{"host", "port", "database", "user", "password", "dbname", ""}
	f.Fuzz(func(t *testing.T, dsn string) {
		if _, err := pgconn.ParseConfig(dsn); err != nil {
			return
		}
		keys := slices.Collect(maps.Keys(keysOf(dsn)))
		for i := range len(keys) + 1 { // without each of them, and with all
			own := slices.Delete(slices.Clone(keys), min(i, len(keys)), min(i+1, len(keys)))
			o := pgconn.ParseConfigOptions{ConnStringAllowedKeys: slices.Concat(own, authority)}
			_, err := pgconn.ParseConfigWithOptions(dsn, o)
			if want := i == len(keys) || slices.Contains(authority, keys[i]); (err == nil) != want {
				t.Errorf("%q has %q, without number %d: %v", dsn, keys, i, err)
			}
		}
	})
}

// What a replica's connection string says counts for the replica, what it leaves open is as for the primary,
// and neither depends on what the environment says.
func TestReplicaParameters(t *testing.T) {
	services := filepath.Join(t.TempDir(), "services")
	const service = "[there]\nhost=127.0.0.1\nport=2\ntimezone=Asia/Tokyo\nconnect_timeout=7\n" +
		"default_query_exec_mode=cache_describe\npool_max_conns=3\npool_max_queue=3\n"
	if err := os.WriteFile(services, []byte(service), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PGTZ": "Europe/Berlin", "PGAPPNAME": "the environment's", "PGOPTIONS": "-c work_mem=1MB", "PGCONNECT_TIMEOUT": "9",
		"PGTARGETSESSIONATTRS": "read-write", "PGREQUIREAUTH": "md5", "PGSERVICEFILE": services,
	} {
		t.Setenv(name, value)
	}
	timezone := func(c *pgx.ConnConfig) any { return c.RuntimeParams["timezone"] }
	timeout := func(c *pgx.ConnConfig) any { return c.ConnectTimeout / time.Second }
	mode := func(c *pgx.ConnConfig) any { return c.DefaultQueryExecMode.String() }
	auth := func(c *pgx.ConnConfig) any { return c.RequireAuth }
	binding := func(c *pgx.ConnConfig) any { return c.ChannelBinding }
	protocol := func(c *pgx.ConnConfig) any { return c.MinProtocolVersion + " to " + c.MaxProtocolVersion }
	options := func(c *pgx.ConnConfig) any { return c.RuntimeParams["options"] }
	certificate := func(c *pgx.ConnConfig) any { return c.SSLCertMode }
	chosen := func(c *pgx.ConnConfig) any { return c.ValidateConnect != nil }
	for _, c := range []struct {
		primary, replica string
		get              func(*pgx.ConnConfig) any
		want             any
	}{
		{"", "", timezone, "Europe/Berlin"},
		{"timezone=UTC", "", timezone, "UTC"},
		{"timezone=UTC", "timezone=Europe/Berlin", timezone, "Europe/Berlin"},
		{"timezone=UTC", "service=there", timezone, "Asia/Tokyo"},
		{"options=-c%20work_mem%3D2MB", "", options, "-c work_mem=2MB"},
		{"options=-c%20work_mem%3D2MB", "options=-c%20work_mem%3D3MB", options, "-c work_mem=3MB"},
		{"connect_timeout=5", "", timeout, time.Duration(5)},
		{"connect_timeout=5", "connect_timeout=2", timeout, time.Duration(2)},
		{"connect_timeout=5", "service=there", timeout, time.Duration(7)},
		{"", "connect_timeout=2", timeout, time.Duration(2)},
		{"require_auth=scram-sha-256", "", auth, "scram-sha-256"},
		{"", "require_auth=scram-sha-256", auth, "scram-sha-256"},
		{"channel_binding=disable", "channel_binding=require", binding, "require"},
		{"channel_binding=require", "", binding, "require"},
		{"", "max_protocol_version=3.2", protocol, "3.0 to 3.2"},
		{"min_protocol_version=3.2", "", protocol, "3.2 to latest"},
		{"min_protocol_version=3.2", "min_protocol_version=3.0&max_protocol_version=3.0", protocol, "3.0 to 3.0"},
		{"", "sslmode=require&sslcertmode=require", certificate, "require"},
		{"sslcertmode=disable", "sslcertmode=allow", certificate, "allow"},
		{"sslmode=require&sslcertmode=require", "sslmode=require", certificate, "require"},
		{"sslcertmode=disable", "", certificate, "disable"},
		{"", "", chosen, false},
		{"target_session_attrs=read-write", "", chosen, false},
		{"", "target_session_attrs=standby", chosen, true},
		{"", "", mode, "cache statement"},
		{"", "service=there", mode, "cache describe"},
		{"service=there", "", mode, "cache describe"},
		{"service=there", "default_query_exec_mode=cache_statement", mode, "cache statement"},
	} {
		config, err := ParseConfig("postgres://u@127.0.0.1:1/db?" + c.primary)
		if err != nil {
			t.Fatal(err)
		}
		config.Reader.Replicas = []string{"postgres://u@127.0.0.1:2/db?" + c.replica}
		if err := config.check(); err != nil {
			t.Errorf("%q, %q: %v", c.primary, c.replica, err)
		}
		own, err := replica(config, config.Reader.Replicas[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := c.get(own.ConnConfig); got != c.want {
			t.Errorf("%q, %q: %v, want %v", c.primary, c.replica, got, c.want)
		}
		for name := range own.ConnConfig.RuntimeParams {
			if ofThePool(name) {
				t.Errorf("%q, %q: Postgres is asked for %s", c.primary, c.replica, name)
			}
		}
	}
}

// Parameters of the pool are refused in a replica's connection string, by their names: they would count for
// nothing there, or be unknown to Postgres.
func TestReplicaParametersOfThePool(t *testing.T) {
	names := []string{"statement_cache_capacity", "description_cache_capacity", "pool_max_conns", "pool_min_conns",
		"pool_max_conn_lifetime"}
	for _, name := range slices.Concat(names, slices.Collect(maps.Keys(parameters))) {
		value := "1"
		if strings.HasSuffix(name, "lifetime") {
			value = "1s"
		}
		for _, dsn := range []string{
			"postgres://u:secret@127.0.0.1:2/db?" + name + "=" + value,
			"host=127.0.0.1 port=2 user=u password='secret' " + name + " = " + value,
		} {
			config, err := ParseConfig("postgres://u@127.0.0.1:1/db")
			if err != nil {
				t.Fatal(err)
			}
			config.Reader.Replicas = []string{dsn}
			_, err = NewWithConfig(t.Context(), config)
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Every field of a server's configuration is one that replicas take from their connection strings, or that
// is known to be the pool's.
func TestReplicaFieldsAreAllKnown(t *testing.T) {
	known := map[string]bool{}
	for _, name := range []string{"Host", "Port", "Database", "User", "Password", "TLSConfig", "Fallbacks",
		"SSLNegotiation",
		"RuntimeParams", "ValidateConnect", // by replica itself
		"DialFunc", "LookupFunc", "BuildFrontend", "BuildContextWatcherHandler", "AfterNetConnect", "AfterConnect",
		"OnNotice", "OnNotification", "OnPgError", "OAuthTokenProvider", "MaxProtocolMessageBodyLen", // of programs
		"createdByParseConfig", // of the parser
	} {
		known[name] = true
	}
	c := &pgconn.Config{}
	fields := reflect.ValueOf(c).Elem()
	for i := range fields.NumField() {
		name, reached := fields.Type().Field(i).Name, false
		for _, field := range reaching {
			reached = reached || reflect.ValueOf(field(c)).UnsafePointer() == fields.Field(i).Addr().UnsafePointer()
		}
		if reached == known[name] {
			t.Errorf("%s of pgconn.Config: is it of a replica's connection string? %t, %t", name, reached, known[name])
		}
	}
}
