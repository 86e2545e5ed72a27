package adopters

import "testing"

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
			return startPgBouncer(t, dsn, "session")
		}},
		{name: "bouncer-transaction", dsn: func(t *testing.T) string {
			return withParameters(t, startPgBouncer(t, dsn, "transaction"), "default_query_exec_mode", "cache_describe")
		}},
	}
}
