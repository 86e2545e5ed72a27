package adopters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/internal/wait"
)

// many returns systems that have one pool for each setup, all in use at the same time.
func many(setups map[string]setup) []system[map[string]querier] {
	var systems []system[map[string]querier]
	for i, s := range (setup{}).systems() {
		systems = append(systems, system[map[string]querier]{s.name, func(t *testing.T) map[string]querier {
			dbs := map[string]querier{}
			for name, s := range setups {
				dbs[name] = s.systems()[i].open(t)
			}
			return dbs
		}, s.readOnly})
	}
	return systems
}

// in returns a case that runs on one of many pools.
func in(name string, c testCase[querier]) testCase[map[string]querier] {
	return testCase[map[string]querier]{name + ": " + c.name, func(ctx context.Context, dbs map[string]querier) (any, error) {
		return c.run(ctx, dbs[name])
	}, c.writes}
}

// afterConnect returns a setup that runs SQL on each new connection.
func afterConnect(dsn, sql string) setup {
	return setup{dsn: dsn, configure: func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, sql)
			return err
		}
	}}
}

const tenantSchemas = `
create table items (id int primary key, name text);
insert into items select n, 'public ' || n from generate_series(1, 20) n;
create schema tenant_a;
create table tenant_a.items (id int primary key, name text);
insert into tenant_a.items select n, 'a ' || n from generate_series(1, 10) n;
create schema tenant_b;
create table tenant_b.items (id bigint, at timestamptz default '2024-01-01 00:00:00+00', name text);
insert into tenant_b.items (id, name) select n, 'b ' || n from generate_series(1, 30) n;
create table connected (pid int);
`

// itemCases returns cases whose SQL is the same for every schema.
func itemCases() []testCase[querier] {
	cases := []testCase[querier]{
		query("all", "select * from items order by id"),
		query("count", "select count(*) from items"),
		query("path", "show search_path"),
		query("no such table", "select * from elsewhere"),
	}
	for id := range 8 {
		cases = append(cases, query(fmt.Sprint("name ", id), "select name from items where id = $1", id*3))
	}
	return cases
}

func TestSearchPath(t *testing.T) {
	dsn := newDatabase(t, tenantSchemas)
	for _, e := range environments(t, dsn) {
		if !e.sessions {
			continue // Sessions are shared there, with pgxpool too.
		}
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			setups := map[string]setup{
				"none": {dsn: dsn},
				"a":    afterConnect(dsn, "set search_path = tenant_a"),
				"b":    afterConnect(dsn, "set search_path = tenant_b, public"),
			}
			var cases []testCase[map[string]querier]
			for name := range setups {
				for _, c := range itemCases() {
					cases = append(cases, in(name, c))
				}
			}
			compare(t, many(setups), cases, statements(4))
		})
	}
	t.Run("parameter", func(t *testing.T) {
		s := setup{dsn: withParameters(t, dsn, "search_path", "tenant_a", "target_session_attrs", "read-write")}
		compare(t, s.systems(), itemCases(), statements(8))
	})
	t.Run("options", func(t *testing.T) {
		s := setup{dsn: withParameters(t, dsn, "options", "-c search_path=tenant_b -c timezone=Asia/Tokyo", "target_session_attrs", "primary")}
		compare(t, s.systems(), itemCases(), statements(8))
	})
}

// TestSessionSettings changes settings that results depend on.
func TestSessionSettings(t *testing.T) {
	s := afterConnect(newDatabase(t, peopleSchema), `
		set timezone = 'Asia/Tokyo'; set datestyle = 'SQL, DMY'; set extra_float_digits = 0; set intervalstyle = 'iso_8601';
		set bytea_output = 'escape'; set default_transaction_isolation = 'repeatable read'; set application_name = 'adopter'`)
	text := pgx.QueryResultFormats{pgx.TextFormatCode}
	cases := []testCase[querier]{
		query("timezone", "show timezone"),
		query("isolation", "show transaction_isolation"),
		query("application_name", "select current_setting('application_name')"),
		query("bytea", "select '\\x00ff'::bytea::text"),
		query("interval", "select '90 minutes'::interval::text"),
	}
	for id := range 10 {
		cases = append(cases,
			query(fmt.Sprint("times ", id), "select at::text, at::date, born::text, ratio::text from people where id = $1", id),
			query(fmt.Sprint("as text ", id), "select at, born, ratio from people where id = $1", text, id),
		)
	}
	compare(t, s.systems(), cases, statements(4))
}

// TestHooksThatWrite has a hook that writes, prepares, and creates a temporary table.
func TestHooksThatWrite(t *testing.T) {
	s := setup{dsn: newDatabase(t, peopleSchema+tenantSchemas), configure: func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `
				insert into connected values (pg_backend_pid());
				create temp table mine as select n, n * n as square from generate_series(1, 10) n;
				set application_name = 'written'`)
			if err == nil {
				_, err = conn.Prepare(ctx, "name_of", "select name from people where id = $1")
			}
			return err
		}
	}}
	cases := []testCase[querier]{query("connected", "select count(*) > 0 from connected where pid = pg_backend_pid()")}
	for id := range 10 {
		cases = append(cases,
			query(fmt.Sprint("temporary table ", id), "select square + 0 from mine where n = $1", id),
			query(fmt.Sprint("text ", id), "select name from people where id = $1", id),
			scan(fmt.Sprint("prepared by name ", id), []any{""}, "name_of", id),
		)
	}
	compare(t, s.systems(), cases, statements(4))
}

var errHook = errors.New("the hook refuses")

func TestHooksThatFail(t *testing.T) {
	dsn := newDatabase(t, peopleSchema)
	hooks := map[string]func(c *pgxpool.Config){
		"BeforeConnect": func(c *pgxpool.Config) {
			c.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return errHook }
		},
		"AfterConnect": func(c *pgxpool.Config) {
			c.AfterConnect = func(context.Context, *pgx.Conn) error { return errHook }
		},
		"PrepareConn": func(c *pgxpool.Config) {
			c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return true, errHook }
		},
		"PrepareConn sometimes": func(c *pgxpool.Config) { // It closes the connection, and pgxpool takes another.
			var n atomic.Int64
			c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return n.Add(1)%10 != 0, nil }
		},
		"AfterRelease": func(c *pgxpool.Config) {
			var n atomic.Int64
			c.AfterRelease = func(*pgx.Conn) bool { return n.Add(1)%10 != 0 }
		},
		"ValidateConnect": func(c *pgxpool.Config) {
			c.ConnConfig.ValidateConnect = func(context.Context, *pgconn.PgConn) error { return errHook }
		},
	}
	for name, hook := range hooks {
		t.Run(name, func(t *testing.T) {
			var cases []testCase[querier]
			for id := range 5 {
				c := query(fmt.Sprint("name ", id), "select name from people where id = $1", id)
				run := c.run
				c.run = func(ctx context.Context, db querier) (any, error) {
					value, err := run(ctx, db)
					if errors.Is(err, errHook) {
						return value, errHook // The text around it may differ.
					}
					return value, err
				}
				cases = append(cases, c)
			}
			compare(t, setup{dsn: dsn, configure: hook}.systems(), cases, statements(40))
		})
	}
}

// TestPasswordInBeforeConnect sets a short-lived password, such as an IAM token.
func TestPasswordInBeforeConnect(t *testing.T) {
	if server.PID() == 0 {
		t.Skip("needs a private server: it changes who must have a password")
	}
	dsn := newDatabase(t, peopleSchema+`
		create role adopter_login login password 'of today';
		grant select on people to adopter_login;`)
	t.Cleanup(func() { execute(t, server.DSN(), "drop role adopter_login") })
	t.Cleanup(func() { execute(t, dsn, "drop owned by adopter_login") })
	requirePassword(t, "adopter_login")
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("adopter_login", "of yesterday")
	wait.Until(t, "the server wants the password of today", func() bool {
		conn, err := pgx.Connect(context.Background(), u.String())
		if err == nil {
			conn.Close(context.Background())
		}
		return err != nil
	})
	s := setup{dsn: u.String(), configure: func(c *pgxpool.Config) {
		c.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
			cc.Password = "of today"
			cc.RuntimeParams["application_name"] = "set before"
			return nil
		}
	}}
	cases := []testCase[querier]{
		query("user", "select current_user, current_setting('application_name')"),
		query("denied", "update people set name = 'x'"),
	}
	cases[1].writes = true
	for id := range 10 {
		cases = append(cases, query(fmt.Sprint("name ", id), "select name from people where id = $1", id))
	}
	compare(t, s.systems(), cases, statements(8))
}

// requirePassword makes the private server ask one role for a password.
func requirePassword(t *testing.T, role string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var path, before string
	if err := conn.QueryRow(ctx, "select current_setting('hba_file'), pg_read_file(current_setting('hba_file'))").Scan(&path, &before); err != nil {
		t.Fatal(err)
	}
	write := func(content string) {
		// SQL can write the server's files with COPY only. All other roles stay trusted.
		lines := fmt.Sprintf("copy (select regexp_split_to_table($gqlboost$%s$gqlboost$, '\\n')) to '%s'", content, path)
		execute(t, server.DSN(), lines)
		execute(t, server.DSN(), "select pg_reload_conf()")
	}
	write("host all " + role + " 127.0.0.1/32 scram-sha-256\nlocal all all trust\nhost all all 127.0.0.1/32 trust")
	t.Cleanup(func() { write("local all all trust\nhost all all 127.0.0.1/32 trust") })
}

// TestDialAndLookup connects to a name that only the program's own functions can resolve.
func TestDialAndLookup(t *testing.T) {
	dsn := newDatabase(t, peopleSchema)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	address := u.Host
	u.Host = net.JoinHostPort("database.invalid", u.Port())
	var dialed atomic.Int64
	s := setup{dsn: u.String(), configure: func(c *pgxpool.Config) {
		c.ConnConfig.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil }
		c.ConnConfig.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
			dialed.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}}
	var cases []testCase[querier]
	for id := range 10 {
		cases = append(cases, query(fmt.Sprint("name ", id), "select name from people where id = $1", id))
	}
	compare(t, s.systems(), cases, statements(8))
}

// TestNotices expects each notice to reach OnNotice once. What the Reader has to cancel on a busy machine,
// because it holds up others, is run again, and says it again.
func TestNotices(t *testing.T) {
	dsn := newDatabase(t, `create function say(what text) returns int language plpgsql as $$
		begin raise notice 'said %', what; return length(what); end $$`)
	var mu sync.Mutex
	heard := map[string]int{}
	s := setup{dsn: dsn, configure: func(c *pgxpool.Config) {
		c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			mu.Lock()
			defer mu.Unlock()
			heard[n.Severity+" "+n.Message]++
		}
	}}
	var said, again atomic.Int64
	cases := []testCase[querier]{{name: "say", run: func(ctx context.Context, db querier) (any, error) {
		what := fmt.Sprintf("%08d", said.Add(1))
		var n int
		err := db.QueryRow(ctx, "select say($1)", what).Scan(&n)
		mu.Lock()
		defer mu.Unlock()
		times := heard["NOTICE said "+what]
		if times > 1 {
			again.Add(1)
		}
		return []int{n, min(times, 1)}, err
	}}}
	compare(t, s.systems(), cases, statements(8))
	if again.Load() > said.Load()/10 {
		t.Errorf("%d of %d notices came again", again.Load(), said.Load())
	}
}

// TestStatementTimeout expects the server to cancel slow statements and no others.
func TestStatementTimeout(t *testing.T) {
	s := setup{dsn: withParameters(t, newDatabase(t, peopleSchema), "statement_timeout", "1000")}
	cases := []testCase[querier]{
		query("too slow", "select pg_sleep(600)"),
		query("slow", "select pg_sleep(0.02)"),
	}
	for id := range 18 {
		cases = append(cases, query(fmt.Sprint("name ", id), "select name, pg_sleep(0) from people where id = $1", id))
	}
	compare(t, s.systems(), cases, statements(40))
}

// TestDeadlines expects a caller that gives up, and no other, to get its context's error.
func TestDeadlines(t *testing.T) {
	s := setup{dsn: newDatabase(t, peopleSchema)}
	impatient := query("", "select pg_sleep(10)")
	cases := []testCase[querier]{
		{name: "deadline", run: func(ctx context.Context, db querier) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			defer cancel()
			_, err := impatient.run(ctx, db)
			return nil, err
		}},
		{name: "cancelled", run: func(ctx context.Context, db querier) (any, error) {
			ctx, cancel := context.WithCancel(ctx)
			go cancel()
			_, err := impatient.run(ctx, db)
			return nil, err
		}},
	}
	for id := range 30 {
		cases = append(cases, query(fmt.Sprint("name ", id), "select name from people where id = $1", id))
	}
	compare(t, s.systems(), cases, statements(8))
}
