package adopters

import (
	"testing"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
)

// environment is a way to connect to the server.
type environment struct {
	name     string
	sessions bool                      // a connection keeps its session
	dsn      func(t *testing.T) string // starts what it needs
}

// environments returns a direct connection, PgBouncer in session mode and PgBouncer in
// transaction mode.
func environments(t *testing.T, dsn string) []environment {
	return []environment{
		{name: "direct", sessions: true, dsn: func(*testing.T) string { return dsn }},
		{name: "bouncer-session", sessions: true, dsn: func(t *testing.T) string {
			// Each connection of the pool under test needs one of the server's.
			return pgbouncer.Start(t, dsn, map[string]string{"pool_mode": "session", "default_pool_size": "40", "server_reset_query": "DISCARD ALL"})
		}},
		{name: "bouncer-transaction", dsn: func(t *testing.T) string {
			return withParameters(t, pgbouncer.Start(t, dsn, nil), "default_query_exec_mode", "cache_describe")
		}},
	}
}
