package advisor_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// A report since a snapshot is about what happened after it, also if counters were reset
// meanwhile.
func TestSince(t *testing.T) {
	ctx := t.Context()
	admin := counting(t)
	conn, _ := open(t, connString(admin))
	s, err := advisor.TakeSnapshot(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := s.Write(&file); err != nil {
		t.Fatal(err)
	}
	since, err := advisor.ReadSnapshot(&file)
	if err != nil {
		t.Fatal(err)
	}
	calls := func(report *advisor.Report, sql string) int64 {
		for _, s := range report.Statements {
			if s.SQL == sql {
				return s.Calls
			}
		}
		return 0
	}
	worker, err := pgx.ConnectConfig(ctx, admin.Config())
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		if _, err := worker.Exec(ctx, work[2], time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	end(t, worker)
	report := analyze(t, conn, advisor.Options{Since: since})
	if n := calls(report, work[2]); n != 7 || calls(report, work[0]) != 0 || !report.Since.Equal(since.At) {
		t.Errorf("%d and %d calls since %v", n, calls(report, work[0]), report.Since)
	}
	if n := calls(analyze(t, conn, advisor.Options{}), work[2]); n != 37 {
		t.Errorf("%d calls in all", n)
	}
	if _, err := admin.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(ctx, work[2], pgx.QueryExecModeExec, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := calls(analyze(t, conn, advisor.Options{Since: since}), work[2]); n != 1 {
		t.Errorf("%d calls since the reset", n)
	}
	if _, err := advisor.ReadSnapshot(bytes.NewReader([]byte("["))); err == nil {
		t.Error("a torn snapshot is taken")
	}
	if _, err := advisor.TakeSnapshot(ctx, closed{}); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := advisor.Analyze(ctx, closed{}, advisor.Options{}); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

// Scans since a reset of the counters are scans since a snapshot before it.
func TestScansAfterReset(t *testing.T) {
	conn := filled(t, `create table a (id int primary key, b int); insert into a select i, i from generate_series(1, 5000) i;
		create index a_b on a (b); set enable_seqscan = off; select * from a where b = 7`)
	s, err := advisor.TakeSnapshot(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for oid := range s.Scans {
		s.Scans[oid] += 1000 // and then the counters were reset
	}
	expect(t, analyze(t, conn, advisor.Options{Since: s}))
	for oid := range s.Scans {
		s.Scans[oid] -= 1000
	}
	expect(t, analyze(t, conn, advisor.Options{Since: s}), "unused index a a_b")
}

// What is younger than the snapshot may be used from now on.
func TestYoungerThanSnapshot(t *testing.T) {
	conn := filled(t, `create table a (id int, b int) partition by range (id);
		create table a_1 partition of a for values from (0) to (10000);
		insert into a select i, i from generate_series(1, 5000) i; create index old on a (id)`)
	s, err := advisor.TakeSnapshot(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create index fresh on a (b)"); err != nil {
		t.Fatal(err)
	}
	expect(t, analyze(t, conn, advisor.Options{Since: s}), "unused index a old")
}

// A role that may only write the history's table keeps it.
func TestHistoryTable(t *testing.T) {
	ctx := t.Context()
	conn := filled(t, "create role historian; revoke create on schema public from public")
	defer conn.Exec(context.Background(), "reset role; drop owned by historian; drop role historian")
	table := pgx.Identifier{"public", "history"}
	save := func(want int) {
		t.Helper()
		s, err := advisor.TakeSnapshot(ctx, conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Save(ctx, conn, table, time.Time{}); err != nil {
			t.Error(err)
		}
		if h, err := advisor.LoadHistory(ctx, conn, table); err != nil || len(h) != want {
			t.Errorf("%d snapshots, %v", len(h), err)
		}
	}
	save(1)
	if _, err := conn.Exec(ctx, "grant select, insert, delete on history to historian; set role historian"); err != nil {
		t.Fatal(err)
	}
	save(2)
}

// closed is a database that does not answer.
type closed struct{}

var errClosed = errors.New("closed")

func (closed) Begin(context.Context) (pgx.Tx, error) { return nil, errClosed }
