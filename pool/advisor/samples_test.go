package advisor_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// filled is a connection to a database of the common server that has a schema and
// extensions. Counters of the session that has filled it are published.
func filled(t *testing.T, schema string, extensions ...string) *pgx.Conn {
	t.Helper()
	dsn := database(t)
	session := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn, filler := session(), session()
	t.Cleanup(func() { conn.Close(context.Background()) })
	for _, name := range extensions {
		if _, err := conn.Exec(t.Context(), "create extension "+name); err != nil {
			t.Skip(err)
		}
	}
	if _, err := filler.Exec(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	if err := filler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled(t, conn)
	vacuum(t, conn)
	return conn
}

// vacuum runs VACUUM ANALYZE, and waits until the counters say so: before version 15 they come half a
// second late.
func vacuum(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "vacuum analyze"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the statistics are up to date", func() (ok bool) {
		err := conn.QueryRow(t.Context(), `select not exists (
			select from pg_stat_user_tables s join pg_class c on c.oid = s.relid
			where c.relkind = 'r' and (s.n_mod_since_analyze > 0 or s.last_analyze is null))`).Scan(&ok)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	})
}

// end ends a session, and waits until Postgres has ended it as well: what it has counted is published
// then.
func end(t *testing.T, session *pgx.Conn) {
	t.Helper()
	pid, config := session.PgConn().PID(), session.Config()
	if err := session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	config.Database, config.Tracer = "postgres", nil // The test's database does not count who looks.
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	wait.Until(t, "the session has ended", func() (ended bool) {
		err := conn.QueryRow(t.Context(), "select not exists (select from pg_stat_activity where pid = $1)", pid).Scan(&ended)
		if err != nil {
			t.Fatal(err)
		}
		return ended
	})
	time.Sleep(300 * time.Millisecond) // Another process collects the counters of Postgres 14.
}

// settled waits until a connection is the only one of its database: what the others have
// counted is published when they end.
func settled(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	wait.Until(t, "other sessions have ended", func() bool {
		var others int
		err := conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
		return others == 0
	})
}

// of is a record of statements that have run, the first one the dearest.
func of(statements ...string) *advisor.Record {
	record := &advisor.Record{}
	for i, sql := range statements {
		record.Statements = append(record.Statements, advisor.Recorded{SQL: sql, ClientStats: advisor.ClientStats{
			Calls: 100, Rows: 1000, Total: time.Duration(len(statements)-i) * time.Second,
		}})
	}
	return record
}

// actions are what is to be run.
func actions(r *advisor.Report) (list []string) {
	for _, f := range r.Findings {
		list = append(list, f.SQL...)
	}
	return list
}

// Names are quoted as Postgres quotes them, and what is advised runs as it stands.
func TestQuoting(t *testing.T) {
	conn := filled(t, `create table "order" ("user" int, "Mixed ""Case""" int, "select" text); create schema "limit";
		insert into "order" select i % 2000, i % 3000, 'x' || i from generate_series(1, 20000) i;
		create table "limit"."from" as table "order"`, "hypopg")
	report := analyze(
		t,
		conn,
		advisor.Options{
			Record: of(`select * from "order" where "user" = $1`, `select * from "order" where "Mixed ""Case""" = $1`,
				`select "user" from "limit"."from" x where x."select" = $1`),
		},
	)
	want := []string{
		`CREATE INDEX CONCURRENTLY ON public."order" ("user")`,
		`CREATE INDEX CONCURRENTLY ON public."order" ("Mixed ""Case""")`,
		`CREATE INDEX CONCURRENTLY ON "limit"."from" ("select")`,
	}
	got := actions(report)
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%q", got)
	}
	for _, sql := range got {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Statements are planned as pg_stat_statements writes them, with parameters where none may
// be.
func TestNormalized(t *testing.T) {
	conn := filled(t, `create table event (id int, at timestamptz, day date, doc jsonb, kind text, tags text[]);
		insert into event select i, now(), current_date, '{}' from generate_series(1, 5000) i`)
	for _, sql := range []string{
		"select * from event where at > now() - interval $1",
		"select * from event where at > now() - interval $1 day to second",
		"select * from event where day = date $1 and at < timestamp with time zone $2",
		"select * from event where at > timestamp(3) without time zone $1 at time zone $2",
		"select extract($1 from at), count(*) from event where id = $2 group by 1",
		"select id, double precision $1, character varying $2, pg_catalog.text $3 from event",
		"select jsonb_build_object($1, id, $2, at) from event where id = $3",
		"select json_build_array($1, $2), concat($3, id) from event",
		"select * from (values ($1, $2), ($3, $4)) v(id, kind) join event e on e.id = v.id",
		"values ($1, $2), ($3, $4)",
		"insert into event (id, day) select * from (values ($1, $2), ($3, $4)) v",
		"select * from event where id in ($1, $2, $3, $4, $5)",
		"select * from event where id in ($1 /*, ... */)",
		"select * from event where id = any (array[$1, $2])",
		"select generate_series($1, $2), id from event",
		"select * from event where day between date $1 and date $2 + interval $3 and id > all (array[$4, $5])",
		"select $1 + $2, id from event order by id desc limit $3 offset $4",
		"select id from event union all select $1",
		"select coalesce(id, $1), case when id > $2 then $3 else kind end from event where kind like $4",
		"declare c cursor for select * from event where id = $1",
		"copy (select * from event) to stdout",
		"create temp table x as select * from event where id = 5",
		"explain (analyze) select * from event where id = 3",
	} {
		report := analyze(t, conn, advisor.Options{Record: of(sql)})
		if missing := strings.Join(
			report.Missing,
			"\n",
		); report.Unplanned > 0 ||
			strings.Contains(missing, "Could not be planned") {
			t.Errorf("%s: %s", sql, missing)
		}
	}
	if conn.PgConn().ParameterStatus("server_version") >= "15" {
		const merge = "merge into event e using (values ($1, $2)) s(id, kind) on e.id = s.id when matched then update set kind = s.kind"
		if report := analyze(t, conn, advisor.Options{Record: of(merge)}); report.Unplanned > 0 {
			t.Errorf("%q", report.Missing)
		}
	}
	// What cannot be planned is said, with its share and why.
	report := analyze(
		t,
		conn,
		advisor.Options{Record: of("call nothing()", "select * from nowhere", "select id from event where id = $1")},
	)
	missing := strings.Join(report.Missing, "\n")
	for _, want := range []string{"50.0 % of the time (it is a command", `33.3 % of the time (relation "nowhere" does not exist`} {
		if !strings.Contains(missing, want) {
			t.Errorf("%q is not said:\n%s", want, missing)
		}
	}
	if report.Unplanned != 5*time.Second {
		t.Error(report.Unplanned)
	}
}

// A number in a comment is not that of a parameter, however large it is.
func TestHugeParameterNumber(t *testing.T) {
	conn := filled(t, "create table a (id int)")
	for _, sql := range []string{
		"select generate_series($1, $2 /* $99999999999999999999 */)",
		"select 1 where (1 = 'a'::text /* $1 $99999999999999999999 */)",
		"select $99999999999999999999, $0, ($1 + $2) from a",
	} {
		func() {
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("%s: %v", sql, v)
				}
			}()
			analyze(t, conn, advisor.Options{Record: of(sql)})
		}()
	}
}

// An index of the rows that refer to another serves a foreign key, and is needed for it.
func TestPartialForeignKey(t *testing.T) {
	conn := filled(
		t,
		`create table par (id int primary key); create table child (id int primary key, par_id int references par);
		insert into par select generate_series(1, 3000); insert into child select i, case when i % 10 = 0 then i % 2000 + 1 end from generate_series(1, 30000) i;
		create index child_par on child (par_id) where par_id is not null; create table odd (id int primary key, par_id int references par, good boolean);
		insert into odd select i, i % 2000 + 1, true from generate_series(1, 5000) i; create index odd_par on odd (par_id) where good;
		create table parted (id int, par_id int references par) partition by range (id); create table parted_1 partition of parted for values from (0) to (100000);
		insert into parted select i, i % 2000 + 1 from generate_series(1, 20000) i;
		delete from par where id > 2500`,
	)
	found := expect(
		t,
		analyze(t, conn, advisor.Options{}),
		"unindexed foreign key odd odd_par_id_fkey",
		"unused index odd odd_par",
		"unindexed foreign key parted parted_par_id_fkey",
	)
	for _, sql := range found["unindexed foreign key parted parted_par_id_fkey"].SQL {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// A report leaves one index for each foreign key that has had some, in all parts of a table.
func TestForeignKeyKeepsAnIndex(t *testing.T) {
	const first = "create index child_par on child (par_id); "
	for name, test := range map[string]struct {
		indexes string
		want    []string
	}{
		"twice":  {first + "create index child_too on child (par_id)", []string{"duplicate index child child_too"}},
		"longer": {first + "create index child_too on child (par_id, at)", []string{"unused index child child_par"}},
		"other":  {first + "create index child_at on child (at)", []string{"unused index child child_at"}},
		"another method": {
			first + "create index child_brin on child using brin (par_id)", []string{"unused index child child_brin"},
		},
		"whole": {"create index parted_par on parted (par_id)", nil},
		"parts": {
			"create index one on parted_1 (par_id); create index two on parted_2 (par_id, at)", nil,
		},
		"whole and part": {
			"create index parted_par on parted (par_id); create index one on parted_1 (par_id, at)",
			[]string{"unused index parted_1 one"},
		},
		"key of a part": {
			`create table loose (id int, par_id int not null) partition by range (id);
				create table loose_1 partition of loose for values from (0) to (9000);
				alter table loose_1 add foreign key (par_id) references par;
				insert into loose select i, i % 100 + 1 from generate_series(1, 5000) i;
				create index loose_par on loose (par_id)`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := filled(t, `create table par (id int primary key); insert into par select generate_series(1, 100);
				create table child (id int primary key, par_id int not null references par, at int not null);
				insert into child select i, i % 100 + 1, i from generate_series(1, 5000) i;
				create table parted (id int, par_id int not null references par, at int not null) partition by range (id);
				create table parted_1 partition of parted for values from (0) to (2500);
				create table parted_2 partition of parted for values from (2500) to (9000);
				insert into parted select i, i % 100 + 1, i from generate_series(1, 5000) i; `+test.indexes)
			expect(t, analyze(t, conn, advisor.Options{}), test.want...)
		})
	}
}

// A unique index is not a duplicate of one that lets more pass, and what a table is clustered by
// stays.
func TestUniqueThatPromisesMore(t *testing.T) {
	const schema = `create table u (a int, b int, c int, constraint u_b unique (b) deferrable);
		create unique index u_a on u (a); create unique index u_b_now on u (b); create unique index u_b_too on u (b);
		create index u_c on u (c); create index u_c_clustered on u (c); alter table u cluster on u_c_clustered`
	conn := filled(t, schema)
	want := []string{"duplicate index u u_b_too", "duplicate index u u_c"}
	if conn.PgConn().ParameterStatus("server_version") >= "15" {
		const sql = "create unique index u_a_nulls on u (a) nulls not distinct; create unique index u_a_too on u (a)"
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		want = append(want, "duplicate index u u_a", "duplicate index u u_a_too")
	}
	expect(t, analyze(t, conn, advisor.Options{}), want...)
}

// The statistics of an index's expression may be in use where the index is not.
func TestUnusedExpression(t *testing.T) {
	conn := filled(t, `create table person (id int, name text); insert into person select i, 'x' || i from generate_series(1, 5000) i;
		create index person_lower on person (lower(name)); create index person_name on person (name)`)
	found := expect(
		t,
		analyze(t, conn, advisor.Options{}),
		"unused index person person_lower",
		"unused index person person_name",
	)
	for name, f := range found {
		if strings.Contains(f.Risk, "CREATE STATISTICS") != strings.HasSuffix(name, "lower") {
			t.Errorf("%s: %s", name, f.Risk)
		}
	}
}

// In tests too, an index that serves a pattern is enough, whatever its operator class.
func TestOperatorClasses(t *testing.T) {
	conn := filled(
		t,
		`create table word (id int primary key, text text, doc jsonb); insert into word select i, 'word ' || i, '{}' from generate_series(1, 50) i`,
		"pg_trgm",
	)
	record := of("select id from word where text like '%5%'", "select id from word where doc @> $1")
	check := func(want ...string) {
		t.Helper()
		expect(t, analyze(t, conn, advisor.Options{Record: record, TestData: true}), want...)
	}
	check("missing index word ")
	for _, sql := range []string{"create index word_text on word using gin (text gin_trgm_ops)", "create index word_doc on word using gin (doc)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	check()
}

// What is known stays known when another statement is the dearest.
func TestCheckIsStable(t *testing.T) {
	conn := filled(
		t,
		`create table item (id int primary key, a int, b int, c int); insert into item select i, i % 2000, i % 500, i % 7 from generate_series(1, 20000) i`,
		"hypopg",
	)
	const one, two, three = "select * from item where a = $1", "select id from item where a = $1 and b > $2", "select id from item where b = $1 order by id limit 3"
	before := analyze(t, conn, advisor.Options{Record: of(one, two)})
	if len(before.Check(nil)) != 1 {
		t.Errorf("%+v", before.Findings)
	}
	after := analyze(t, conn, advisor.Options{Record: of(two, one)})
	if found := after.Check(before); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	after = analyze(t, conn, advisor.Options{Record: of(three, one, two)})
	if found := after.Check(before); len(found) != 1 || !strings.Contains(found[0].Action, "(b") {
		t.Errorf("%+v", found)
	}
	if len(after.Blind) > 0 {
		t.Errorf("%q", after.Blind)
	}
}

// Samples are planned as they are: a cast to "character" or "bit" keeps the first character only, of
// which there are few rows.
func TestFixedLengthText(t *testing.T) {
	conn := filled(t, `create table payment (id int primary key, currency char(3) not null, flags bit(8) not null, cents int not null,
			note text not null default 'some words and more words');
		insert into payment select i, case when i % 100 = 0 then 'EUR' else 'USD' end, (i % 100 = 0)::int::bit(8), i
			from generate_series(1, 40000) i`)
	record := of("select sum(cents) from payment where currency = $1", "select sum(cents) from payment where flags = $1")
	usd, flags := "USD", "00000000"
	record.Statements[0].Samples = [][]*string{{&usd}}
	record.Statements[1].Samples = [][]*string{{&flags}}
	expect(t, analyze(t, conn, advisor.Options{Record: record}))
}

// A cast that only Postgres's plans have hides no column, and types without an order have no B-tree.
func TestTypes(t *testing.T) {
	conn := filled(t, `create domain positive as int check (value > 0); create domain few as positive; create domain mail as text;
		create table account (id int primary key, n few, email mail, net cidr, spot point, note text default 'some words and more words');
		insert into account select i, i, 'mail ' || i, ('10.' || i / 256 || '.' || i % 256 || '.0/24')::cidr,
			case when i % 300 > 0 then point(i, i) end from generate_series(1, 30000) i`)
	report := analyze(t, conn, advisor.Options{Record: of(
		"select note from account where n = $1",
		"select note from account where email = $1",
		"select note from account where net = $1",
		"select note from account where net >>= $1",
		"select note from account where spot is null",
	)})
	want := []string{
		"CREATE INDEX CONCURRENTLY ON public.account (email)",
		"CREATE INDEX CONCURRENTLY ON public.account (n)",
		"CREATE INDEX CONCURRENTLY ON public.account (net)",
		"CREATE INDEX CONCURRENTLY ON public.account USING gist (net inet_ops)",
	}
	if got := actions(report); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%q", got)
	}
	for _, sql := range want {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Columns that are included, and pages that are to be half empty, are no bloat.
func TestNoBloat(t *testing.T) {
	conn := filled(t, `create table person (id int primary key, email text not null, age int not null);
		insert into person select i, md5(i::text) || md5((i * 2)::text), i from generate_series(1, 60000) i;
		create unique index person_email on person (id) include (email);
		create unique index person_age on person (age) with (fillfactor = 20)`)
	expect(t, analyze(t, conn, advisor.Options{}))
}

// An index that is being built has not failed, and what REINDEX has left behind is dropped.
func TestInvalidIndexes(t *testing.T) {
	conn := filled(t, `create table person (id int primary key, email text not null);
		insert into person select i, 'x' from generate_series(1, 60000) i`)
	session := func() *pgx.Conn {
		other, err := pgx.ConnectConfig(t.Context(), conn.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Close(context.Background()) })
		return other
	}
	writer, builder := session(), session()
	const failing = "create unique index concurrently %s on person (email)"
	for _, name := range []string{"failed", "person_pkey_ccnew1"} {
		if _, err := builder.Exec(t.Context(), fmt.Sprintf(failing, name)); err == nil {
			t.Fatal("equal values are unique")
		}
	}
	want := []string{"invalid index person failed", "invalid index person person_pkey_ccnew1"}
	found := expect(t, analyze(t, conn, advisor.Options{}), want...)
	if sql := found[want[0]].SQL; len(sql) != 1 || sql[0] != "REINDEX INDEX CONCURRENTLY public.failed" {
		t.Errorf("%q", sql)
	}
	if sql := found[want[1]].SQL; len(sql) != 1 || sql[0] != "DROP INDEX CONCURRENTLY public.person_pkey_ccnew1" {
		t.Errorf("%q", sql)
	}
	if _, err := writer.Exec(t.Context(), "begin; insert into person values (0, '')"); err != nil { // The build waits for it.
		t.Fatal(err)
	}
	built := make(chan error, 1)
	go func() {
		_, err := builder.Exec(context.Background(), "create index concurrently slow on person (email)")
		built <- err
	}()
	wait.Until(t, "it is being built", func() (there bool) {
		if err := conn.QueryRow(t.Context(), "select to_regclass('slow') is not null").Scan(&there); err != nil {
			t.Fatal(err)
		}
		return there
	})
	expect(t, analyze(t, conn, advisor.Options{}))
	if _, err := writer.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if err := <-built; err != nil {
		t.Error(err)
	}
}

// What the program has recorded is joined with the counted statement of the same text, not with one
// whose list has another length.
func TestJoinedLists(t *testing.T) {
	conn := counting(t)
	if _, err := conn.Exec(t.Context(), "create table a (id int)"); err != nil {
		t.Fatal(err)
	}
	forget(t, conn)
	texts := []string{"select id from a where id in ($1, $2)", "select id from a where id in ($1, $2, $3)"}
	for i, sql := range texts {
		for range i + 1 {
			if _, err := conn.Exec(t.Context(), sql, []any{1, 2, 3}[:i+2]...); err != nil {
				t.Fatal(err)
			}
		}
	}
	joined := 0
	for _, s := range analyze(t, conn, advisor.Options{Record: of(texts...)}).Statements {
		if s.QueryID != 0 && strings.Contains(s.SQL, " in (") {
			if joined++; s.Client == nil {
				t.Errorf("%s has no record", s.SQL)
			}
		}
	}
	if joined == 0 {
		t.Error("they are not counted")
	}
}

// An operator class is qualified where its extension is not in the usual schema.
func TestExtensionOfAnotherSchema(t *testing.T) {
	conn := filled(t, `create table letter (id int primary key, body text not null);
		insert into letter select i, md5(i::text) from generate_series(1, 30000) i`)
	if _, err := conn.Exec(t.Context(), "create schema ext; create extension pg_trgm schema ext"); err != nil {
		t.Skip(err)
	}
	record := of("select id from letter where body like '%0a1b%'")
	got := actions(analyze(t, conn, advisor.Options{Record: record}))
	want := []string{`CREATE INDEX CONCURRENTLY ON public.letter USING gin (body "ext".gin_trgm_ops)`}
	if !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	if _, err := conn.Exec(t.Context(), got[0]); err != nil {
		t.Error(err)
	}
	expect(t, analyze(t, conn, advisor.Options{Record: record}))
}

// What the server does not say was asked is guessed by what came out, and no value is shown.
func TestGuessedValues(t *testing.T) {
	conn := filled(t, `create table parcel (id int primary key, state text not null, day date not null, words text not null default 'some words and more words');
		insert into parcel select i, case when i % 300 = 0 then 'lost at sea' else 'delivered' end, date '2025-01-01' + i % 365 from generate_series(1, 40000) i`,
		"hypopg", "pg_stat_statements")
	forget(t, conn) // Filling it writes more than three runs read.
	worker, err := pgx.ConnectConfig(t.Context(), conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, sql := range []string{
			"select id, words from parcel where state = 'lost at sea'",
			"select id, words from parcel where day < '2025-01-02'",
			"select count(*) from parcel where state = 'delivered'",
		} {
			if _, err := worker.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := worker.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled(t, conn)
	report := analyze(t, conn, advisor.Options{})
	list := fmt.Sprint(actions(report))
	if !strings.Contains(list, "ON public.parcel (state)") || !strings.Contains(list, "ON public.parcel (day)") ||
		strings.Contains(fmt.Sprintf("%+v", report.Findings), "lost at sea") {
		t.Errorf("%s %+v", list, report.Findings)
	}
}

// A check without evidence says so.
func TestBlind(t *testing.T) {
	conn := filled(t, `create table item (id int primary key); create role blind_reader`)
	if report := analyze(
		t,
		conn,
		advisor.Options{},
	); len(report.Blind) != 1 ||
		!strings.Contains(report.Blind[0], "pg_stat_statements is not installed") {
		t.Errorf("%q", report.Blind)
	}
	if report := analyze(
		t,
		conn,
		advisor.Options{Record: of()},
	); len(report.Blind) != 1 ||
		!strings.Contains(report.Blind[0], "the record has none") {
		t.Errorf("%q", report.Blind)
	}
	defer conn.Exec(context.Background(), "reset role; drop owned by blind_reader; drop role blind_reader")
	if _, err := conn.Exec(t.Context(), "set role blind_reader"); err != nil {
		t.Fatal(err)
	}
	report := analyze(t, conn, advisor.Options{Record: of("select * from item where id = $1")})
	if blind := strings.Join(report.Blind, "\n"); !strings.Contains(blind, "permission denied for table item") {
		t.Errorf("%q", report.Blind)
	}
	// A function that few may call, and that takes little, is no reason.
	if _, err := conn.Exec(t.Context(), `reset role; create function secret() returns int language sql as 'select 1';
		revoke execute on function secret() from public; grant select on item to blind_reader; set role blind_reader`); err != nil {
		t.Fatal(err)
	}
	record := of("select * from item where id = $1", "select secret()")
	record.Statements[1].Total = record.Statements[0].Total / 50
	report = analyze(t, conn, advisor.Options{Record: record})
	if missing := strings.Join(report.Missing, "\n"); len(report.Blind) > 0 || !strings.Contains(missing, "GRANT EXECUTE") {
		t.Errorf("%q %q", report.Blind, report.Missing)
	}
}

// The condition of a policy belongs to each statement, also for a superuser who is not
// subject to it.
func TestRowSecurity(t *testing.T) {
	conn := filled(
		t,
		`create table note (id int primary key, tenant_id int not null, author int not null, body text not null default 'some words and more words');
		insert into note (id, tenant_id, author) select i, i % 50, i % 700 from generate_series(1, 50000) i;
		alter table note enable row level security; create policy own on note using (tenant_id = current_setting('app.tenant')::int)`,
		"hypopg",
	)
	record := of("select id, body from note where author = $1 order by id")
	warned := func(r *advisor.Report) bool {
		return strings.Contains(strings.Join(r.Missing, "\n"), "Row level security of note")
	}
	both := regexp.MustCompile(`ON public\.note \((tenant_id, author|author, tenant_id)`)
	report := analyze(t, conn, advisor.Options{Record: record})
	if list := fmt.Sprint(actions(report)); !both.MatchString(list) || !warned(report) {
		t.Errorf("%s %q", list, report.Missing)
	}
	if _, err := conn.Exec(t.Context(), `create role note_app; grant select on note to note_app`); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(context.Background(), "drop owned by note_app; drop role note_app")
	for _, role := range []string{"", "note_app"} {
		report = analyze(t, conn, advisor.Options{Record: record, Role: role})
		if list := fmt.Sprint(actions(report)); !both.MatchString(list) || warned(report) {
			t.Errorf("%s %q", list, report.Missing)
		}
	}
	if _, err := conn.Exec(t.Context(), "create index on note (tenant_id, author)"); err != nil {
		t.Fatal(err)
	}
	expect(t, analyze(t, conn, advisor.Options{Record: record}))
	if _, err := conn.Exec(t.Context(), "drop owned by note_app"); err != nil {
		t.Fatal(err)
	}
	expect(t, analyze(t, conn, advisor.Options{Record: record}))
}

// A role that policies show no rows says so, and plans as another one where it may be that.
func TestPoliciesOfOthers(t *testing.T) {
	admin := filled(t, `create table note (id int primary key, author int not null, body text not null default 'some words and more words');
		insert into note (id, author) select i, i % 700 from generate_series(1, 50000) i; alter table note enable row level security;
		create role own_app; grant select on note to own_app; create policy own on note to own_app using (author >= 0);
		create role rls_watcher login in role pg_monitor, pg_read_all_data;
		create policy odd on note to own_app using (current_setting('role') <> author::text)`)
	defer admin.Exec(context.Background(), "drop owned by own_app; drop role own_app, rls_watcher")
	session := func() *pgx.Conn { // whose rights are those of now
		config := admin.Config().Copy()
		config.User = "rls_watcher"
		watcher, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { watcher.Close(context.Background()) })
		return watcher
	}
	check := func(db advisor.DB, role, blind string, want ...string) {
		t.Helper()
		record := of("select id, body from note where author = $1", "select count(*) from note")
		r := analyze(t, db, advisor.Options{Record: record, Role: role})
		expect(t, r, want...)
		said := strings.Join(r.Blind, "\n")
		if blind == "" && said != "" || !strings.Contains(said, blind) {
			t.Errorf("role %q: %q %q", role, r.Blind, r.Missing)
		}
	}
	watcher := session()
	check(watcher, "", "row level security lets the role")
	check(watcher, "own_app", `permission denied to set role "own_app"`)
	check(admin, "own_ap", `role "own_ap" does not exist`, "missing index note ")
	if _, err := admin.Exec(t.Context(), "grant own_app to rls_watcher"); err != nil {
		t.Fatal(err)
	}
	check(session(), "", "", "missing index note ")
	check(session(), "own_app", "", "missing index note ")
	// What an ORM makes of an empty list reads nothing, whatever the policies are.
	never := of("select id, body from note where 1 = 0")
	if r := analyze(t, session(), advisor.Options{Record: never, Role: "own_app"}); len(r.Blind) > 0 {
		t.Errorf("%q %q", r.Blind, r.Missing)
	}
	// So it does where they hide another table. What reads that one, in whatever way, is not looked at.
	if _, err := admin.Exec(t.Context(), `create table secret (id int primary key); grant select on secret to own_app;
		create function secrets() returns setof secret language sql stable as 'select * from secret';
		alter table secret enable row level security`); err != nil {
		t.Fatal(err)
	}
	for sql, hidden := range map[string]bool{
		"select id, body from note where 1 = 0":        false,
		"select id from secret where id = $1":          true,
		"select body from note join secret using (id)": true,
		"select id from secrets()":                     true,
	} {
		r := analyze(t, session(), advisor.Options{Record: of(sql), Role: "own_app"})
		if said := strings.Join(r.Blind, "\n"); strings.Contains(said, "row level security lets the role") != hidden {
			t.Errorf("%s: %q %q", sql, r.Blind, r.Missing)
		}
	}
}

// What other sessions lock is left out or read without its lock, and the rest is looked at.
func TestLocked(t *testing.T) {
	for sql, said := range map[string]string{
		"reindex index orders_at": "",
		"lock table orders":       "orders is locked by another session",
	} {
		t.Run(strings.Fields(sql)[0], func(t *testing.T) {
			dsn := database(t)
			conn, _ := open(t, dsn)
			if _, err := conn.Exec(t.Context(), `create index orders_few on orders ((total + 1)) where total > 5;
				alter table orders enable row level security; create policy large on orders using (total > 1)`); err != nil {
				t.Fatal(err)
			}
			other, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close(context.Background())
			if _, err := other.Exec(t.Context(), "begin; "+sql); err != nil {
				t.Fatal(err)
			}
			report := analyze(t, conn, advisor.Options{Record: of(work[1])})
			want := []string{"missing index customers ", "stale statistics imports "}
			if said == "" {
				want = append(want, ofIndexes[:2]...)
				want = append(want, "unused index orders orders_few")
			}
			expect(t, report, want...)
			if missing := strings.Join(report.Missing, "\n"); !strings.Contains(missing, said) {
				t.Error(missing)
			}
		})
	}
}

// A role that may not call hypopg has advice that is not verified.
func TestHypopgDenied(t *testing.T) {
	conn := filled(t, `create table a (id int primary key, b int); insert into a select i, i from generate_series(1, 20000) i`)
	if _, err := conn.Exec(t.Context(), "create schema ext; create extension hypopg schema ext"); err != nil {
		t.Skip(err)
	}
	defer conn.Exec(context.Background(), "reset role; drop owned by no_ext; drop role no_ext")
	if _, err := conn.Exec(t.Context(), "create role no_ext; grant select on a to no_ext; set role no_ext"); err != nil {
		t.Fatal(err)
	}
	report := analyze(t, conn, advisor.Options{Record: of("select * from a where b = $1")})
	found := expect(t, report, "missing index a ")
	missing := strings.Join(report.Missing, "\n")
	if found["missing index a "].Verified || !strings.Contains(missing, "hypopg cannot be called (permission denied") {
		t.Errorf("%+v %s", found, missing)
	}
	unchanged(t, conn)
}

// A role that may not switch counting off leaves few texts, and always the same ones.
func TestTraces(t *testing.T) {
	ctx := t.Context()
	admin := counting(t)
	open(t, connString(admin))
	for i := range 120 {
		sql := fmt.Sprintf("select count(*) + %d as n%d from orders where customer_id = %d and id > %d", i, i, i, i)
		if _, err := admin.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.Exec(ctx, "create role watcher login in role pg_monitor, pg_read_all_data"); err != nil {
		t.Fatal(err)
	}
	config := admin.Config().Copy()
	config.User = "watcher"
	watcher, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close(context.Background())
	grown := func(db *pgx.Conn) int {
		before := count(t, admin)
		analyze(t, db, advisor.Options{MinShare: 1e-9})
		return count(t, admin) - before
	}
	for name, db := range map[string]*pgx.Conn{"superuser": admin, "granted": watcher} {
		if name == "granted" {
			if n := grown(watcher); n > 60 {
				t.Errorf("%d entries more", n)
			}
			if n := grown(watcher); n > 0 {
				t.Errorf("%d entries more the second time", n)
			}
			if _, err := admin.Exec(
				ctx,
				"grant set on parameter pg_stat_statements.track to watcher; select pg_stat_statements_reset()",
			); err != nil {
				t.Skip(err) // before version 15
			}
		}
		if n := grown(db); n != 0 {
			t.Errorf("%s: %d entries more", name, n)
		}
		var track string
		if err := db.QueryRow(ctx, "show pg_stat_statements.track").Scan(&track); err != nil || track != "top" {
			t.Errorf("%s %v", track, err)
		}
	}
}

// Alternatives of two tables need a union, and the server says that it is worth while.
func TestUnion(t *testing.T) {
	conn := filled(
		t,
		`create table author (id int primary key, name text not null); create table book (id int primary key, author_id int not null, title text not null);
		insert into author select i, 'author ' || i from generate_series(1, 5000) i; insert into book select i, i % 5000 + 1, 'book ' || i from generate_series(1, 40000) i`,
		"hypopg",
	)
	report := analyze(
		t,
		conn,
		advisor.Options{
			Record: of(
				"select b.id, a.name from book b join author a on a.id = b.author_id where a.name = $1 or b.title = $2",
			),
		},
	)
	f := expect(t, report, "sequential scan book ")["sequential scan book "]
	for _, want := range []string{"UNION", "ON public.author (name)", "ON public.book (title)"} {
		if !strings.Contains(f.Action, want) {
			t.Errorf("no %s: %s", want, f.Action)
		}
	}
}
