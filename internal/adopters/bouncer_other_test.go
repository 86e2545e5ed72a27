//go:build !unix

package adopters

import "testing"

func startPgBouncer(t *testing.T, dsn, mode string) string {
	t.Skip("PgBouncer runs on unix")
	return ""
}
