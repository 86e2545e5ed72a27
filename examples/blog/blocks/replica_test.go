package blocks_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/examples/blog/blocks"
)

// standby is a replica that stands still when it is told to.
type standby struct {
	dsn  string // of an instance that reads from it, however far it lags
	conn *pgx.Conn
}

// startStandby fills the database, and starts a replica of it.
func startStandby(t *testing.T) *standby {
	t.Helper()
	if database.PID() == 0 {
		t.Skip("needs a private Postgres")
	}
	open(t, blocks.Blocks{})
	replica, err := database.Replica(t.Context())
	if err != nil {
		t.Skip("no replica: ", err)
	}
	t.Cleanup(func() { replica.Stop() })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	parameters := u.Query()
	parameters.Set("pool_reader_replicas", replica.DSN())
	parameters.Set("pool_reader_max_lag", "1h")
	u.RawQuery = parameters.Encode()
	conn, err := pgx.Connect(t.Context(), replica.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &standby{u.String(), conn}
}

func (s *standby) stop(t *testing.T)   { t.Helper(); s.execute(t, "select pg_wal_replay_pause()") }
func (s *standby) follow(t *testing.T) { t.Helper(); s.execute(t, "select pg_wal_replay_resume()") }

func (s *standby) execute(t *testing.T, sql string) {
	t.Helper()
	if _, err := s.conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
