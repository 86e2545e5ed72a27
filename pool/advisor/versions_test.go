package advisor_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

// The catalogues of all supported versions are understood.
func TestVersions(t *testing.T) {
	t.Parallel()
	releases := postgres.Releases()
	for i, major := range releases {
		if os.Getenv("GQLBOOST_LONG") == "" && i > 0 && i < len(releases)-1 {
			continue // The oldest and the newest will do.
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			root, err := postgres.Release(t.Context(), major)
			if err != nil {
				if errors.Is(err, postgres.ErrNoNPM) && os.Getenv("CI") == "" {
					t.Skip(err)
				}
				t.Fatal(err)
			}
			server, err := postgres.Start(
				t.Context(),
				postgres.Options{Settings: postgres.Volatile(), Preload: []string{"pg_stat_statements"}, Root: root},
			)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			})
			conn, record := open(t, server.DSN(), "pg_stat_statements")
			report := analyze(t, conn, advisor.Options{Record: record, Execute: true})
			expect(t, report, append(ofPlans, ofIndexes...)...)
			if !strings.HasPrefix(report.Server, fmt.Sprintf("PostgreSQL %d.", major)) {
				t.Errorf("it is %s", report.Server)
			}
			// What Postgres has counted and what the client has seen is one.
			joined := 0
			for _, s := range report.Statements {
				if s.Client != nil && s.Calls == s.Client.Calls && s.QueryID != 0 {
					joined++
				}
			}
			if joined != len(work) {
				t.Errorf("%d statements are joined", joined)
			}
			expect(t, analyze(t, conn, advisor.Options{}), append(ofPlans, ofIndexes...)...)
			unchanged(t, conn)
		})
	}
}
