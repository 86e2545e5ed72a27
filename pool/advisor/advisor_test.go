package advisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		server = s
		os.Setenv("GQLBOOST_EXAMPLE_DSN", s.DSN())
	}, "pg_stat_statements"))
}

// shop is a database with an index that is missing, one that is not used, one that is
// there twice, and a table that was not analyzed.
const shop = `
create table customers (id bigint primary key, name text not null, "Home Town" text not null);
create table orders (id bigint primary key, customer_id bigint not null references customers, total numeric not null, at timestamptz not null, note text);
insert into customers select i, 'customer ' || i, 'town ' || i % 1000 from generate_series(1, 5000) i;
insert into orders select i, 1 + i % 5000, i % 100, timestamptz '2026-01-01' + i * interval '1 minute', 'some words' from generate_series(1, 50000) i;
create index orders_total on orders (total);
create index orders_at on orders (at);
create index orders_at_too on orders (at);
analyze;
create table imports (line text) with (autovacuum_enabled = false);
insert into imports select 'x' from generate_series(1, 5000);`

var work = []string{
	"select id, total from orders where customer_id = $1 order by at desc limit 5",
	`select name from customers where "Home Town" = $1`,
	"select count(*) from orders where at < $1",
}

// open fills a database, and works with it.
func open(t *testing.T, dsn string, extensions ...string) (*pgx.Conn, *advisor.Record) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	// Counters are published when a session ends.
	filler, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filler.Exec(ctx, shop); err != nil {
		t.Fatal(err)
	}
	end(t, filler)
	for _, name := range extensions {
		if _, err := conn.Exec(ctx, "create extension "+name); err != nil {
			t.Fatal(err)
		}
	}
	recorder := advisor.NewRecorder(advisor.RecorderOptions{})
	config := conn.Config().Copy()
	config.Tracer = recorder
	worker, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		args := []any{i, fmt.Sprint("town ", i), time.Date(2026, 1, 1, 1, 0, i, 0, time.UTC)}
		for j, sql := range work {
			if _, err := worker.Exec(ctx, sql, args[j]); err != nil {
				t.Fatal(err)
			}
		}
	}
	end(t, worker)
	return conn, recorder.Record()
}

// kinds are those of the findings, and what they are about.
func kinds(r *advisor.Report) map[string]advisor.Finding {
	found := map[string]advisor.Finding{}
	for _, f := range r.Findings {
		found[string(f.Kind)+" "+f.Table+" "+f.Index] = f
	}
	return found
}

// expect says which findings are missing or too many.
func expect(t *testing.T, r *advisor.Report, want ...string) map[string]advisor.Finding {
	t.Helper()
	found := kinds(r)
	left := map[string]bool{}
	for name := range found {
		left[name] = true
	}
	for _, name := range want {
		if !left[name] {
			t.Errorf("not found: %s", name)
		}
		delete(left, name)
	}
	for name := range left {
		t.Errorf("found: %s (%s)", name, found[name].Title)
	}
	return found
}

var (
	ofIndexes = []string{
		"unused index orders orders_total",
		"duplicate index orders orders_at_too",
		"stale statistics imports ",
	}
	ofPlans = []string{"missing index orders ", "missing index customers "}
)

// analyze analyzes, which must not fail.
func analyze(t *testing.T, db advisor.DB, o advisor.Options) *advisor.Report {
	t.Helper()
	report, err := advisor.Analyze(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Without the extension there is what the client has seen, and without that what
// Postgres counts of tables and indexes.
func TestWithoutExtension(t *testing.T) {
	conn, record := open(t, database(t))
	found := expect(t, analyze(t, conn, advisor.Options{Record: record}), append(ofPlans, ofIndexes...)...)
	f := found["missing index orders "]
	if !strings.Contains(f.Action, "ON public.orders (customer_id") || f.Saving <= 0 || f.Verified {
		t.Errorf("%+v", f)
	}
	if f := found["missing index customers "]; !strings.Contains(f.Action, `ON public.customers ("Home Town")`) {
		t.Errorf("%+v", f)
	}
	report := analyze(t, conn, advisor.Options{})
	expect(t, report, ofIndexes...)
	if missing := strings.Join(
		report.Missing,
		"\n",
	); !strings.Contains(
		missing,
		"pg_stat_statements is not installed",
	) {
		t.Error(missing)
	}
	unchanged(t, conn)
}

// unchanged sees to it that the session is as it was.
func unchanged(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var prepared int
	var readOnly, timeout string
	err := conn.QueryRow(t.Context(), `select (select count(*) from pg_prepared_statements where name like 'gqlboost%'), current_setting('transaction_read_only'), current_setting('statement_timeout')`).
		Scan(&prepared, &readOnly, &timeout)
	if err != nil || prepared != 0 || readOnly != "off" || timeout != "0" {
		t.Errorf("%d prepared, read-only %s, timeout %s, %v", prepared, readOnly, timeout, err)
	}
	if conn.PgConn().TxStatus() != 'I' {
		t.Error("the transaction is open")
	}
}

// counting is a connection to an empty database of the common server, whose statements are
// counted.
func counting(t *testing.T, extensions ...string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	for _, name := range append(extensions, "pg_stat_statements") {
		if _, err := conn.Exec(t.Context(), "create extension if not exists "+name); err != nil {
			if os.Getenv("CI") == "" {
				t.Skip(err)
			}
			t.Fatal(err)
		}
	}
	return conn
}

// database makes an empty database on the common server.
func database(t *testing.T) string {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	name := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	if _, err := conn.Exec(ctx, "create database "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), server.DSN())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	config := conn.Config()
	config.Database = name
	return dsnOf(config)
}

// connString is where a connection goes.
func connString(conn *pgx.Conn) string { return dsnOf(conn.Config()) }

func dsnOf(c *pgx.ConnConfig) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s", c.Host, c.Port, c.User, c.Database)
}

// Statements that cannot be planned, whatever they do, do no harm.
func TestHostileRecord(t *testing.T) {
	conn, _ := open(t, database(t))
	record := &advisor.Record{}
	value := "1"
	for _, sql := range []string{
		"select 1; drop table orders", "select 1; commit; drop table orders", "select", "select $1", "select $1::bigint + $3", "select * from nowhere",
		"select 'torn", "select 1 /* torn", "with x as (delete from orders returning 1) select * from x", "delete from orders", "select pg_sleep(1000)", "explain select 1",
		"drop table orders", "", "select \x00", "select \xff", "execute gqlboost_advisor", strings.Repeat("(", 100000), "select " + strings.Repeat("(", 20000),
		"select nextval('nothing')", "insert into orders values (1) returning 1", "values (1), ($1)", "table orders", "select set_config('transaction_read_only', 'off', true)",
	} {
		r := advisor.Recorded{SQL: sql, Samples: [][]*string{{&value}, {nil}, {}, {&value, &value}}}
		r.Calls, r.Total = 1, time.Second
		record.Statements = append(record.Statements, r)
	}
	record.Repeats = []advisor.Repeat{{}, {SQL: "select", Most: 100, Requests: 1, Runs: 100}, {SQL: "x", Most: -1}}
	for _, execute := range []bool{false, true} {
		report := analyze(t, conn, advisor.Options{Record: record, Execute: execute, Timeout: 100 * time.Millisecond})
		if len(report.Missing) < 5 {
			t.Errorf("%q", report.Missing)
		}
		var b bytes.Buffer
		if err := errors.Join(report.WriteText(&b), report.WriteHTML(&b)); err != nil {
			t.Error(err)
		}
	}
	unchanged(t, conn)
	var orders int
	if err := conn.QueryRow(t.Context(), "select count(*) from orders").Scan(&orders); err != nil || orders != 50000 {
		t.Errorf("%d orders, %v", orders, err)
	}
}

// A pool, a connection and a transaction will do; what was cancelled is an error, and
// leaves nothing.
func TestDatabases(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dsn := database(t)
	conn, record := open(t, dsn)
	db, err := pool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, db := range map[string]advisor.DB{"pool": db, "transaction": tx} {
		t.Run(name, func(t *testing.T) {
			expect(t, analyze(t, db, advisor.Options{Record: record}), append(ofPlans, ofIndexes...)...)
			if _, err := advisor.TakeSnapshot(t.Context(), db); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := tx.Exec(t.Context(), "create table still_open ()"); err != nil {
		t.Errorf("the transaction does not go on: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := advisor.Analyze(ctx, db, advisor.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := db.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

// Who fills a table and analyzes it in one session has good statistics, whatever the
// counters say; who fills it further has not.
func TestFilledAtOnce(t *testing.T) {
	dsn := database(t)
	session := func(sql ...string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		for _, each := range sql {
			if _, err := conn.Exec(t.Context(), each); err != nil {
				t.Fatal(err)
			}
		}
		end(t, conn)
	}
	const create, more = "create table %s (id int) with (autovacuum_enabled = false); insert into %[1]s select generate_series(1, 3000)", "insert into %s select generate_series(1, 3000)"
	session(
		fmt.Sprintf(create+"; analyze transaction", "transaction"),
		fmt.Sprintf(create, "session"),
		"vacuum analyze session",
		fmt.Sprintf(create+"; analyze grown", "grown"),
	)
	session(fmt.Sprintf(more, "grown"))
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	expect(t, analyze(t, conn, advisor.Options{}), "stale statistics grown ")
}

// Reports are data: they can be written and read, and compared.
func TestReport(t *testing.T) {
	conn, record := open(t, database(t))
	secret := "town of secrets"
	record.Statements[0].Samples = append(record.Statements[0].Samples, []*string{&secret})
	report := analyze(t, conn, advisor.Options{Record: record, Execute: true})
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var again advisor.Report
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Findings, report.Findings) {
		t.Errorf("%+v\n%+v", again.Findings, report.Findings)
	}
	var text, page bytes.Buffer
	if err := errors.Join(report.WriteText(&text), report.WriteHTML(&page)); err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if !strings.Contains(text.String(), f.Title) {
			t.Errorf("the text has no %q:\n%s", f.Title, text.String())
		}
	}
	for _, unwanted := range []string{"<script", "http://", "https://", "src=", secret} {
		if strings.Contains(page.String(), unwanted) {
			t.Errorf("the page has %s", unwanted)
		}
	}
	if strings.Contains(string(data)+text.String(), secret) {
		t.Error("a parameter is in the report")
	}
	for i := 1; i < len(report.Findings); i++ {
		if report.Findings[i].Saving > report.Findings[i-1].Saving {
			t.Error("not ordered by what they save")
		}
	}
	if found := report.Check(nil); len(found) != 2 {
		t.Errorf("%+v", found)
	}
	if found := report.Check(&again); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// In the small tables of tests a scan counts if no index could serve it.
func TestTestData(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(
		ctx,
		"create table a (id int primary key, b int); create table c (id int primary key, a_id int references a, name text); insert into a values (1, 1); insert into c values (1, 1, 'x')",
	); err != nil {
		t.Fatal(err)
	}
	record := &advisor.Record{}
	for _, sql := range []string{"select * from a where id = $1", "select * from a where b = $1", "select * from a join c on c.a_id = a.id where a.id = $1", "select * from a", "select count(*) from c"} {
		record.Statements = append(
			record.Statements,
			advisor.Recorded{SQL: sql, ClientStats: advisor.ClientStats{Calls: 1, Rows: 1, Total: time.Millisecond}},
		)
	}
	record.Repeats = []advisor.Repeat{
		{Request: "List", SQL: "select * from a where id = $1", Of: 10, Requests: 10, Runs: 70, Most: 7},
		{
			Request:  "Torn",
			SQL:      "select * from a where id = any($1)",
			Of:       100,
			Requests: 30,
			Runs:     210,
			Most:     7,
		}, // by a busy machine
		{Request: "Rare", SQL: "select * from c where id = $1", Of: 100, Requests: 1, Runs: 7, Most: 7},
	}
	report := analyze(t, conn, advisor.Options{Record: record, TestData: true})
	expect(t, report, "missing index a ", "missing index c ", "repeated statement  ")
	if n := len(report.Check(nil)); n != 3 {
		t.Errorf("%d to fail for", n)
	}
}
