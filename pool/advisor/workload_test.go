package advisor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// ledger is a table that statements ask in many ways for the same rows.
const ledger = `create table entry (id bigint primary key, account int not null, kind int not null, booked timestamptz not null, amount numeric not null, state int not null, memo text not null);
	insert into entry select i, i % 4000, i % 6, timestamptz '2026-01-01' + i * interval '1 minute', i % 500, i % 4, 'memo ' || md5(i::text) from generate_series(1, 60000) i`

var asked = []string{
	"select * from entry where account = $1",
	"select * from entry where account = $1 and kind = $2",
	"select * from entry where account = $1 and state = $2",
	"select * from entry where account = $1 and booked > $2",
	"select * from entry where account = $1 and amount > $2",
	"select * from entry where account = $1 order by booked desc limit 5",
	"select * from entry where account = $1 and kind = $2 order by amount limit 5",
	"select count(*) from entry where account = $1 and kind = $2 and state = $3",
	"select memo from entry where account = $1 and memo > $2",
}

// One index serves many statements, where each alone would like another.
func TestWorkload(t *testing.T) {
	conn := filled(t, ledger, "hypopg")
	if _, err := conn.Exec(t.Context(), "select hypopg_create_index('create index on entry (memo)')"); err != nil {
		t.Fatal(err)
	}
	report := analyze(t, conn, advisor.Options{Record: of(asked...)})
	var left int
	if err := conn.QueryRow(t.Context(), "select count(*) from hypopg()").Scan(&left); err != nil || left != 1 {
		t.Errorf("%d hypothetical indexes, %v; the session has had one", left, err)
	}
	if n := len(report.Findings); n < 1 || n > 2 {
		t.Errorf("%q", actions(report))
	}
	helped := 0
	for _, f := range report.Findings {
		helped += len(f.Helps)
	}
	if helped < len(asked) {
		t.Errorf("%d statements are helped", helped)
	}
}

// What saves less than its writes cost is not advised, nor what needs more storage than
// there is.
func TestWorthIt(t *testing.T) {
	conn := filled(t, ledger, "hypopg")
	record := of("select * from entry where amount = $1 and id > $2")
	record.Statements[0].Total = time.Second
	insert := advisor.Recorded{SQL: "insert into entry values ($1, $2, $3, $4, $5, $6, $7)"}
	insert.Calls, insert.Rows, insert.Total = 10_000, 10_000, time.Second
	record.Statements = append(record.Statements, insert)
	if list := actions(analyze(t, conn, advisor.Options{Record: record})); len(list) != 1 {
		t.Errorf("%q", list)
	}
	record.Statements[1].Calls = 10_000_000
	if list := actions(analyze(t, conn, advisor.Options{Record: record})); len(list) != 0 {
		t.Errorf("10 million writes for a second: %q", list)
	}
	record = of(asked[0], "select * from entry where memo = $1")
	report := analyze(t, conn, advisor.Options{Record: record, Storage: 3 << 20})
	if list, missing := actions(
		report,
	), strings.Join(
		report.Missing,
		"\n",
	); len(list) != 1 || !strings.Contains(list[0], "(account)") ||
		!strings.Contains(missing, "storage budget (3.0 MiB): an index ON entry (memo)") {
		t.Errorf("%q %q", list, missing)
	}
}

// Updates that need not tell any index of themselves are named, if an index ends that.
func TestHOT(t *testing.T) {
	ctx := t.Context()
	conn := counting(t, "hypopg")
	worker, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Exec(
		ctx,
		`create table meter (id int primary key, seen int not null, place int not null) with (fillfactor = 50);
		insert into meter select i, i % 3000, i % 3000 from generate_series(1, 30000) i; analyze; select pg_stat_statements_reset()`,
	); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		for _, sql := range []string{"update meter set seen = %d where id = %[1]d", "select * from meter where seen = %d", "select * from meter where place = %d"} {
			if _, err := worker.Exec(ctx, fmt.Sprintf(sql, i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := worker.Close(ctx); err != nil {
		t.Fatal(err)
	}
	settled(t, conn)
	report := analyze(t, conn, advisor.Options{MinShare: 1e-6})
	for _, f := range report.Findings {
		if ends := strings.Contains(f.Risk, "HOT updates"); ends != strings.Contains(f.Title, "(seen)") {
			t.Errorf("%s: %s", f.Title, f.Risk)
		}
	}
	if len(report.Findings) != 2 {
		t.Errorf("%q", actions(report))
	}
}
