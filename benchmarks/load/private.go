package load

import (
	"context"

	"github.com/gqlboost/gqlboost/internal/postgres"
)

// StartPostgres starts the private Postgres that servers under load use: its
// settings are those of a small production machine, but nothing is synced to
// disk, because the disk is not what is measured.
func StartPostgres(ctx context.Context) (*postgres.Server, error) {
	settings := postgres.Volatile()
	settings["shared_buffers"] = "256MB"
	settings["random_page_cost"] = "1.1"
	settings["max_connections"] = "150"
	settings["jit"] = "off"
	return postgres.Start(ctx, postgres.Options{Settings: settings, Preload: []string{"pg_stat_statements"}})
}
