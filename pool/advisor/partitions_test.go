package advisor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// One index of a partitioned table is advised, with all that it takes to make it, and one is
// called unused, not one for each part.
func TestPartitions(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	sql := "create table visits (at date not null, visitor bigint not null, page text) partition by range (at);"
	for month := 1; month <= 8; month++ {
		sql += fmt.Sprintf(
			"create table visits_%d partition of visits for values from ('2026-%02d-01') to ('2026-%02d-01');",
			month,
			month,
			month+1,
		)
	}
	sql += `insert into visits select date '2026-01-01' + i % 240, i % 5000, 'some page' from generate_series(1, 80000) i; create index visits_page on visits (page)`
	filler, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filler.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
	end(t, filler)
	if _, err := conn.Exec(ctx, "analyze visits"); err != nil {
		t.Fatal(err)
	}
	visitor := "77"
	record := &advisor.Record{Statements: []advisor.Recorded{{
		SQL: "select at, page from visits where visitor = $1", Samples: [][]*string{{&visitor}},
		ClientStats: advisor.ClientStats{Calls: 100, Rows: 1600, Total: time.Second},
	}}}
	check := func(verified bool) {
		t.Helper()
		found := expect(
			t,
			analyze(t, conn, advisor.Options{Record: record}),
			"missing index visits ",
			"unused index visits visits_page",
		)
		f := found["missing index visits "]
		if len(f.SQL) != 1+2*8 || f.SQL[0] != "CREATE INDEX visits_visitor_idx ON ONLY public.visits (visitor)" ||
			f.Verified != verified ||
			!strings.Contains(f.Risk, "ATTACH") && !strings.Contains(f.Risk, "attached") ||
			f.Saving < 900*time.Millisecond && verified {
			t.Errorf("%+v", f)
		}
		unchanged(t, conn)
	}
	check(false)
	if _, err := conn.Exec(ctx, "create extension hypopg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	check(true)
	var left int
	if err := conn.QueryRow(ctx, "select count(*) from hypopg_list_indexes").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d hypothetical indexes are left, %v", left, err)
	}
}

// Names of parts that begin alike make names of indexes that differ.
func TestLongNamesOfParts(t *testing.T) {
	const name = "customer_subscription_events"
	sql := "create table " + name + ` (day date not null, subscription_plan_identifier int not null,
		note text not null default 'some words and more words') partition by range (day);`
	for month := 1; month <= 3; month++ {
		sql += fmt.Sprintf("create table %s_2026_%02d partition of %[1]s for values from ('2026-%02[2]d-01') to ('2026-%02d-01');",
			name, month, month+1)
	}
	conn := filled(t, sql+"insert into "+name+" select date '2026-01-01' + i % 80, i % 5000 from generate_series(1, 60000) i")
	record := of("select note from " + name + " where subscription_plan_identifier = $1")
	got := actions(analyze(t, conn, advisor.Options{Record: record}))
	if len(got) != 1+2*3 {
		t.Errorf("%q", got)
	}
	for _, sql := range got {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	expect(t, analyze(t, conn, advisor.Options{Record: record}))
}
