package advisor_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// A replica is named as one, as it counts only what runs on it, and is analyzed like a
// primary.
func TestReplica(t *testing.T) {
	if os.Getenv("GQLBOOST_LONG") == "" {
		t.Skip("GQLBOOST_LONG is not set: it takes two servers of its own")
	}
	ctx := t.Context()
	primary, err := postgres.Start(ctx, postgres.Options{Settings: postgres.Volatile(), Preload: []string{"pg_stat_statements"}})
	if err != nil {
		t.Fatal(err)
	}
	stop := func(s *postgres.Server) {
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	stop(primary)
	open(t, primary.DSN(), "hypopg")
	replica, err := primary.Replica(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop(replica)
	conn, err := pgx.Connect(ctx, replica.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	wait.Until(t, "the replica has the data", func() bool {
		var there bool
		err := conn.QueryRow(ctx, "select to_regclass('imports') is not null").Scan(&there)
		return err == nil && there
	})
	report := analyze(t, conn, advisor.Options{Record: of(work...), Timeout: 30 * time.Second})
	found := kinds(report)
	for _, name := range append([]string{"unused index orders orders_total"}, ofPlans...) {
		if _, ok := found[name]; !ok {
			t.Errorf("not found: %s", name)
		}
	}
	if f := found["unused index orders orders_total"]; !strings.Contains(f.Risk, "This is a replica") {
		t.Error(f.Risk)
	}
	var text, page bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if !report.Replica || !strings.Contains(text.String(), "a replica") || !strings.Contains(page.String(), "a replica") {
		t.Error("the replica is not named")
	}
}
