package reader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/race"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tenants makes a table of rows that only their tenant sees, whose role has no other
// rights, and returns the settings of one.
func tenants(t testing.TB) func(i int) reader.Settings {
	run(t, "drop table if exists secrets, written", "drop role if exists tenant", "create role tenant",
		"create table secrets (id int, tenant int, padding text)",
		"insert into secrets select i, i % 50, 'x' from generate_series(0, 999) i", "create index on secrets (id)",
		"alter table secrets enable row level security", "create policy own on secrets using (tenant = current_setting('app.tenant')::int)", "grant select on secrets to tenant")
	return func(i int) reader.Settings {
		return reader.Settings{Role: "tenant", GUC: map[string]string{"app.tenant": fmt.Sprint(i % 50)}}
	}
}

// ownRows looks for rows of others.
func ownRows(t testing.TB, ctx context.Context, q interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, kind, tenant int) error {
	t.Helper()
	var sql string
	var args []any
	want := 20
	switch kind {
	case 0:
		sql = "select tenant, current_setting('app.tenant'), current_user::text from secrets"
	case 1:
		sql, args, want = "select tenant, current_setting('app.tenant'), current_user::text from secrets where id = $1", []any{tenant}, 1
	case 2:
		sql, args, want = "select tenant, current_setting('app.tenant'), current_user::text from secrets where id = $1", []any{tenant + 1}, 0
	}
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	n := 0
	var got int
	var setting, user string
	_, err = pgx.ForEachRow(rows, []any{&got, &setting, &user}, func() error {
		n++
		if got != tenant || setting != fmt.Sprint(tenant) || user != "tenant" {
			t.Errorf("tenant %d sees a row of %d, as %s with %s", tenant, got, user, setting)
		}
		return nil
	})
	if err == nil && n != want {
		t.Errorf("tenant %d sees %d rows, want %d", tenant, n, want)
	}
	return err
}

func TestSettings(t *testing.T) {
	settings := tenants(t)
	p := open(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	r := p.Reader()
	crowdUntil(t, r, 32, 30, 2000, func(i, j int) {
		tenant := (i + j) % 50
		ctx := reader.WithSettings(t.Context(), settings(tenant))
		if err := ownRows(t, ctx, r, j%3, tenant); err != nil {
			t.Error(err)
		}
		if j%10 == 0 { // Nothing is left of them for others.
			var setting *string
			var user string
			if err := r.QueryRow(t.Context(), "select nullif(current_setting('app.tenant', true), ''), current_user::text").Scan(&setting, &user); err != nil || setting != nil || user == "tenant" {
				t.Errorf("without settings: %v %v, %v", setting, user, err)
			}
			if err := ownRows(t, reader.Alone(ctx), r, 0, tenant); err != nil {
				t.Error(err)
			}
		}
	})
}

// Settings reach all that the pool does in their context, or it is refused.
func TestSettingsOfThePool(t *testing.T) {
	settings := tenants(t)
	run(t, "drop table if exists written", "create table written (tenant int default current_setting('app.tenant')::int, by text default current_user)", "grant insert, select on written to tenant")
	p := open(t, "pool_max_conns=4")
	db := pool.OpenDB(p)
	defer db.Close()
	crowd(16, func(i int) {
		ctx := reader.WithSettings(t.Context(), settings(i))
		check := func(what string, err error) {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		for kind := range 3 {
			check("Query", ownRows(t, ctx, p, kind, i))
			check("Tx", pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { return ownRows(t, ctx, tx, kind, i) }))
		}
		var got int
		check("QueryRow", p.QueryRow(ctx, "select tenant from secrets limit 1").Scan(&got))
		if got != i {
			t.Errorf("got %d, want %d", got, i)
		}
		check("QueryRow with a mode", p.QueryRow(ctx, "select tenant from secrets limit $1", pgx.QueryExecModeExec, 1).Scan(&got))
		if got != i {
			t.Errorf("got %d, want %d", got, i)
		}
		tag, err := p.Exec(ctx, "insert into written default values")
		if check("Exec", err); tag.RowsAffected() != 1 {
			t.Errorf("%v", tag)
		}
		b := &pgx.Batch{}
		b.Queue("insert into written default values")
		b.Queue("select tenant from secrets limit 1").QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
		check("SendBatch", p.SendBatch(ctx, b).Close())
		if got != i {
			t.Errorf("got %d, want %d", got, i)
		}
		_, err = p.CopyFrom(ctx, pgx.Identifier{"written"}, []string{"by"}, pgx.CopyFromRows([][]any{{"tenant"}}))
		check("CopyFrom", err)
		if _, err := p.Acquire(ctx); err == nil {
			t.Error("a connection without its settings was given out")
		}
		if err := p.AcquireFunc(ctx, nil); err == nil {
			t.Error("a connection without its settings was given out")
		}
		if err := db.PingContext(ctx); err == nil {
			t.Error("database/sql has taken a context with settings")
		}
	})
	var n, wrong int
	if err := p.QueryRow(t.Context(), "select count(*), count(*) filter (where by <> 'tenant') from written").Scan(&n, &wrong); err != nil || n != 48 || wrong != 0 {
		t.Errorf("%d rows were written, %d of them wrong, %v", n, wrong, err)
	}
	var user string
	base := config(t, "").ConnConfig.User
	for range 8 {
		if err := p.QueryRow(t.Context(), "select current_user::text || coalesce(current_setting('app.tenant', true), '')").Scan(&user); err != nil || user != base {
			t.Errorf("%s is left, %v", user, err)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	p := open(t, "pool_max_conns=4")
	r := p.Reader()
	for name, s := range map[string]reader.Settings{
		"login":    {Role: "none"},
		"unnamed":  {GUC: map[string]string{"": "x"}},
		"zero":     {GUC: map[string]string{"app.x": "a\x00b"}},
		"role":     {GUC: map[string]string{"role": "x"}},
		"write":    {GUC: map[string]string{"Transaction_Read_Only": "off"}},
		"twice":    {GUC: map[string]string{"app.x": "1", "APP.x": "2"}},
		"apart":    {GUC: map[string]string{"APP.x": "1", "TimeZone": "UTC", "app.x": "2"}},
		"session":  {GUC: map[string]string{"session_authorization": "x"}},
		"isolated": {GUC: map[string]string{"transaction_isolation": "serializable"}},
	} {
		ctx := reader.WithSettings(t.Context(), s)
		for range 3 {
			if _, err := r.Exec(ctx, "select 1"); err == nil {
				t.Errorf("%s: the Reader has taken it", name)
			}
			if _, err := p.Exec(ctx, "select 1"); err == nil {
				t.Errorf("%s: the pool has taken it", name)
			}
			if _, err := p.Begin(ctx); err == nil {
				t.Errorf("%s: a transaction has taken it", name)
			}
			if err := p.SendBatch(ctx, &pgx.Batch{}).Close(); err == nil {
				t.Errorf("%s: a batch has taken it", name)
			}
		}
	}
	// What Postgres refuses is its error, shared or not.
	crowd(16, func(i int) {
		for range 40 {
			for code, s := range map[string]reader.Settings{"22023": {Role: "nobody there"}, "42704": {GUC: map[string]string{"not a name": "x"}}} {
				var e *pgconn.PgError
				if _, err := r.Exec(reader.WithSettings(t.Context(), s), "select 1"); !errors.As(err, &e) || e.Code != code {
					t.Errorf("want %s: %v", code, err)
				}
			}
			if _, err := r.Exec(t.Context(), "select 1"); err != nil {
				t.Error(err)
			}
		}
	})
	// Quotes and backslashes stay what they are, whatever the server's settings.
	for _, value := range []string{`it's`, `back\slash`, `\'; drop table x; --`, "línea\n", `E'x'`} {
		for _, strings := range []string{"on", "off"} {
			ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.value": value}})
			err := pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
				var got string
				if err := tx.QueryRow(ctx, "select current_setting('app.value')").Scan(&got); err != nil || got != value {
					t.Errorf("%q, %v; want %q", got, err, value)
				}
				_, err := tx.Exec(ctx, "set standard_conforming_strings = "+strings)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// In SJIS a backslash may be the second byte of a character, behind which a quote that follows is free.
func TestSettingsInOtherEncodings(t *testing.T) {
	p := open(t, "pool_max_conns=1&client_encoding=SJIS")
	value := "\x83\\', true), pg_catalog.set_config($$app.other$$, $$x$$, true) --"
	ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"app.value": value}})
	for range 2 {
		var got, other string
		err := pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
			const sql = "select current_setting('app.value'), coalesce(current_setting('app.other', true), '')"
			return tx.QueryRow(ctx, sql).Scan(&got, &other)
		})
		if err != nil || got != value || other != "" {
			t.Errorf("%q and %q, %v", got, other, err)
		}
	}
}

// Schemas by tenant: one text, other tables with other columns.
func TestSettingsOfSearchPath(t *testing.T) {
	var setup []string
	for i := range 6 {
		setup = append(setup, fmt.Sprintf("drop schema if exists s%d cascade; create schema s%d; create table s%d.things (id int, name text)", i, i, i),
			fmt.Sprintf("insert into s%d.things values (%d, 'thing')", i, i))
		if i%2 == 1 {
			setup = append(setup, fmt.Sprintf("alter table s%d.things drop column name, add column extra bigint default 7, add column name text default 'thing'", i))
		}
	}
	run(t, setup...)
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	crowdUntil(t, r, 24, 50, 500, func(i, j int) {
		n := (i + j) % 6
		ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"search_path": fmt.Sprint("s", n)}})
		rows, err := r.Query(ctx, "select * from things")
		if err != nil {
			t.Error(err)
			return
		}
		got, err := pgx.CollectRows(rows, pgx.RowToMap)
		if err != nil || len(got) != 1 || got[0]["id"] != int32(n) || got[0]["name"] != "thing" || len(got[0]) != 2+n%2 {
			t.Errorf("schema %d: %v, %v", n, got, err)
		}
	})
}

// TimeZone and DateStyle decide what a literal means when a statement is parsed: it is parsed
// for each of their values.
func TestSettingsOfLiterals(t *testing.T) {
	p := open(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	for name, c := range map[string]struct {
		sql    string
		values []string
		want   []int64
	}{
		"TimeZone":  {"select extract(epoch from timestamptz '2024-01-01 00:00:00')::bigint", []string{"UTC", "Asia/Tokyo"}, []int64{1704067200, 1704034800}},
		"datestyle": {"select extract(month from date '01/02/2024')::bigint", []string{"DMY", "MDY"}, []int64{2, 1}},
	} {
		read := func(queryRow func(context.Context, string, ...any) pgx.Row, i int) {
			var got int64
			ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{name: c.values[i%2]}})
			if err := queryRow(ctx, c.sql).Scan(&got); err != nil || got != c.want[i%2] {
				t.Errorf("%s %s: %d, %v; want %d", name, c.values[i%2], got, err, c.want[i%2])
			}
		}
		for i := range 8 {
			read(p.QueryRow, i)
		}
		crowdUntil(t, p.Reader(), 24, 50, 500, func(i, j int) { read(p.Reader().QueryRow, i+j) })
	}
}

// A million reads of 50 tenants, while connections are killed, contexts canceled and the
// schema changed: nobody sees rows of another tenant, or none of its own.
func TestSettingsUnderFire(t *testing.T) {
	settings := tenants(t)
	reads := int64(1_000_000)
	if (testing.Short() || race.Enabled) && os.Getenv("GQLBOOST_STRESS") == "" {
		reads = 60_000
	}
	if openAt != "" {
		reads = 40_000
	}
	p := open(t, "pool_max_conns=10&pool_reader_slow_after=1s")
	admin := openOwn(t, server.DSN()+"&pool_max_conns=1", nil)
	r := p.Reader()
	var asked, answers atomic.Int64
	var wg sync.WaitGroup
	for i := range 256 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 2))
			for asked.Add(1) <= reads {
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				if random.IntN(20) == 0 {
					time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, stop)
				}
				tenant := random.IntN(50)
				if err := ownRows(t, reader.WithSettings(ctx, settings(tenant)), r, random.IntN(3), tenant); err == nil {
					answers.Add(1)
				} else if errors.Is(err, context.DeadlineExceeded) {
					t.Error("no answer in 20 s")
				}
				stop()
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	const each = 300 // reads between two kills at least: a slow machine reads less in the time
	kills, changes := 0, 0
	for burning := true; burning; {
		select {
		case <-finished:
			burning = false
		case <-time.After(20 * time.Millisecond):
			if asked.Load() < each*int64(kills+1) {
				continue
			}
		}
		if _, err := admin.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1"); err == nil {
			kills++
		}
		if kills%10 == 0 {
			if _, err := admin.Exec(t.Context(), fmt.Sprintf("alter table secrets add column c%d int", changes)); err == nil {
				changes++
			}
		}
	}
	t.Logf("%d reads, %d answers, %d shared, %d kills, %d changes of the schema", reads, answers.Load(), r.Counts().Shared, kills, changes)
	if answers.Load() < reads*8/10 || r.Counts().Shared < uint64(reads/4) || kills < 10 {
		t.Error("not all of it happened")
	}
}

// Settings do not change how arguments are sent: in modes that do not ask for the types of parameters,
// the types of the arguments decide.
func TestSettingsKeepTheMode(t *testing.T) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		c := config(t, "default_query_exec_mode="+mode)
		p := openConfig(t, c)
		peer, err := pgxpool.NewWithConfig(t.Context(), c.Config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(peer.Close)
		type querier interface {
			QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
		}
		ask := func(ctx context.Context, q querier, arg any) string {
			var got string
			err := q.QueryRow(ctx, "select pg_typeof($1)::text || coalesce($1::text, '')", arg).Scan(&got)
			return fmt.Sprint(got, err)
		}
		ctx := reader.WithSettings(t.Context(), reader.Settings{Role: "postgres",
			GUC: map[string]string{"search_path": "public"}})
		for _, arg := range []any{1, "a", map[string]int{"a": 1}, []int{1}, 1.5, true} {
			want := ask(t.Context(), peer, arg)
			for name, q := range map[string]querier{"the pool": p, "the Reader": p.Reader()} {
				for range 4 { // The Reader learns.
					if got := ask(ctx, q, arg); got != want {
						t.Errorf("%s, %s, %T: %s, pgxpool: %s", mode, name, arg, got, want)
					}
				}
			}
		}
	}
}
