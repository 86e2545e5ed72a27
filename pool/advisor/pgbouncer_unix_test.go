//go:build unix

package advisor

import (
	"context"
	"os"
	"testing"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
	"github.com/jackc/pgx/v5"
)

// Counting is switched off and on again for a session that is the connection's own. Behind PgBouncer
// it would stay off in a session that others use next.
func TestQuiet(t *testing.T) {
	direct := os.Getenv("GQLBOOST_EXAMPLE_DSN")
	behind := pgbouncer.Start(t, direct, map[string]string{"pool_mode": "transaction", "default_pool_size": "1"})
	for dsn, want := range map[string]string{direct: "none", behind + "&default_query_exec_mode=exec": "top"} {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		shown := func(want string) {
			t.Helper()
			var track string
			if err := conn.QueryRow(t.Context(), "show "+tracked).Scan(&track); err != nil || track != want {
				t.Errorf("%q instead of %q, %v", track, want, err)
			}
		}
		shown("top")
		restore := quiet(t.Context(), conn)
		shown(want)
		restore()
		shown("top")
	}
}
