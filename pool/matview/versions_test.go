package matview_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/matview"
	"github.com/jackc/pgx/v5/pgxpool"
)

// All supported versions refresh within a transaction, and name the last refresh by the
// view's row of pg_class.
func TestVersions(t *testing.T) {
	defer func(before *postgres.Server) { server = before }(server)
	for _, major := range postgres.Releases() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			root, err := postgres.Release(t.Context(), major)
			if err != nil {
				if errors.Is(err, postgres.ErrNoNPM) && os.Getenv("CI") == "" {
					t.Skip(err)
				}
				t.Fatal(err)
			}
			if server, err = postgres.Start(t.Context(), postgres.Options{Settings: postgres.Volatile(), Root: root}); err != nil {
				t.Fatal(err)
			}
			defer server.Stop()
			db := open(t, "with no data", "create unique index on TABLE_view (n)")
			defer db.Close()
			one, two := run(t, db, matview.Options{Every: often}), run(t, db, matview.Options{Every: often})
			wait.Until(t, "the view is filled", func() bool { return shown(t, db) == 0 })
			insert(t, db)
			wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == 1 })
			one.stop()
			two.stop()
			change := func() string {
				return query[string](t, db, "select xmin::text from pg_class where oid = 'TABLE_view'::regclass")
			}
			for _, sql := range []string{"refresh materialized view TABLE_view", "refresh materialized view concurrently TABLE_view"} {
				before := change()
				for _, harmless := range []string{"vacuum analyze TABLE_view", "vacuum freeze TABLE_view", "insert into TABLE values (1)"} {
					execute(t, db, harmless)
				}
				if change() != before {
					t.Error("it has changed without a refresh")
				}
				execute(t, db, sql)
				after := change()
				if after == before {
					t.Errorf("%s is not seen", sql)
				}
				execute(t, db, sql) // No row of it differs.
				if change() == after {
					t.Errorf("%s is not seen", sql)
				}
			}
			i := run(t, db, matview.Options{Every: time.Hour, Patience: time.Millisecond})
			want := query[int](t, db, "select count(*) from TABLE")
			wait.Until(t, "it leads", i.Leads)
			if got := shown(t, db); got != want {
				t.Errorf("the view shows %d, want %d", got, want)
			}
			i.stop()
			if major >= 17 { // A role that does not own the view may refresh it.
				execute(t, db, "create role TABLE_keeper login")
				execute(t, db, "grant maintain on TABLE_view to TABLE_keeper")
				config := db.Config()
				config.ConnConfig.User = table(t) + "_keeper"
				keeper, err := pgxpool.NewWithConfig(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				defer keeper.Close()
				i := run(t, keeper, matview.Options{Every: time.Hour, Patience: time.Millisecond})
				wait.Until(t, "it leads", i.Leads)
				i.stop()
			}
			if n := leftovers(t, db); n != 0 {
				t.Errorf("%d locks or transactions are left", n)
			}
		})
	}
}
