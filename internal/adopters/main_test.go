// Package adopters runs real libraries over pool.Pool and its Reader, and compares what
// the results with those of pgxpool: every value and every error.
//
// A test has a list of cases and a list of systems (oracle_test.go). Each case runs once
// on pgxpool, whose outcome is the expected one. Then 64 goroutines run the cases on every
// system, pgxpool first: a case that differs there is not deterministic, and no use.
//
//	go test -race .                     # about 4 000 cases a library
//	GQLBOOST_LONG=1 go test -timeout 1h . # 100 000
//	go test -run 'TestSqlc/.*/reader' . # one library, one system (and its oracle)
//
// It needs PostgreSQL and, on unix, PgBouncer (Debian: pgbouncer). Without pgvector's
// extension its types have stand-ins.
package adopters

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/internal/postgres"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

var databases atomic.Int64

// newDatabase creates a database with a schema and returns its connection string. The
// database is dropped at the end of the test.
func newDatabase(t *testing.T, schema string) string {
	t.Helper()
	name := fmt.Sprintf("adopters_%d_%d", os.Getpid(), databases.Add(1))
	execute(t, server.DSN(), "create database "+name)
	t.Cleanup(func() { execute(t, server.DSN(), "drop database if exists "+name+" with (force)") })
	u, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	execute(t, u.String(), schema)
	return u.String()
}

// execute runs SQL, which may be several statements, on a connection of its own.
func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// withParameters returns the connection string with more parameters.
func withParameters(t *testing.T, dsn string, namesAndValues ...string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for i := 0; i < len(namesAndValues); i += 2 {
		q.Set(namesAndValues[i], namesAndValues[i+1])
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // pgx keeps a plus, as libpq does.
	return u.String()
}
