//go:build !unix

package pgbouncer

import "testing"

// Start skips the test: PgBouncer is started on Unix only.
func Start(t testing.TB, dsn string, settings map[string]string) string {
	t.Helper()
	t.Skip("PgBouncer is started on Unix only")
	return ""
}
