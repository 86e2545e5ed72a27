//go:build unix

package reader_test

import (
	"testing"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
	"github.com/gqlboost/gqlboost/internal/wait"
)

// The Reader detects a pooler that the configuration does not mention (PgBouncer 1.21 supports
// prepared statements): a session that the Reader makes read-only would be a writer's next.
func TestReaderNoticesPgBouncer(t *testing.T) {
	openAt = pgbouncer.Start(t, server.DSN(), nil)
	defer func() { openAt = "" }()
	p := open(t, "pool_max_conns=8")
	r := p.Reader()
	if _, err := p.Exec(t.Context(), "create table if not exists beside_pgbouncer (i int)"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the Reader shares connections", func() bool {
		crowd(16, func(i int) {
			var got int // On other connections this version of PgBouncer loses what pgx has prepared.
			if err := r.QueryRow(t.Context(), "select $1::int", i).Scan(&got); err == nil && got != i {
				t.Errorf("got %d, want %d", got, i)
			}
		})
		if _, err := p.Exec(t.Context(), "insert into beside_pgbouncer values (1)"); err != nil {
			t.Fatal("a write of the pool's: ", err)
		}
		return r.Counts().Shared > 500
	})
	if _, err := r.Exec(t.Context(), "insert into beside_pgbouncer values (1)"); err == nil {
		t.Error("the Reader has written")
	}
}

// Behind PgBouncer in transaction mode the Reader does what it does elsewhere.
func TestReaderBehindPgBouncer(t *testing.T) {
	openAt = pgbouncer.Start(t, server.DSN(), nil) + "&default_query_exec_mode=cache_describe"
	defer func() { openAt = "" }()
	if p := open(t, ""); !p.Reader().TransactionPooling() {
		t.Fatal("the Reader believes in sessions")
	}
	for name, test := range map[string]func(*testing.T){
		"AnswersEachItsOwn": TestReaderAnswersEachItsOwn,
		"Rows":              TestReaderRows,
		"Errors":            TestReaderErrorsStayWithTheirCaller,
		"RefusesWrites":     TestReaderRefusesWrites,
		"Batch":             TestReaderBatch,
		"Cancelled":         TestReaderCancelled,
		"SlowNeighbours":    TestReaderSlowNeighbours,
		"LargeResults":      TestReaderLargeResults,
		"SchemaChange":      TestReaderSchemaChange,
		"UnderFire":         TestReaderUnderFire,
		"StatementTimeout":  TestReaderStatementTimeout,
	} {
		t.Run(name, test)
	}
}
