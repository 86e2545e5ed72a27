//go:build unix

package reader_test

import (
	"testing"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
)

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
