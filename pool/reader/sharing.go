package reader

import (
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// perAcquire reports whether a pool's configuration has hooks that make a connection ready
// for each use, or clean after it. The table in the package's documentation has each field of
// the configuration.
func perAcquire(c *pgxpool.Config) bool {
	//lint:ignore SA1019 a configuration may still have it
	return c.PrepareConn != nil || c.BeforeAcquire != nil || c.AfterRelease != nil
}

// whyUnshared returns why no connection can be shared, or "".
func whyUnshared(c *Config, primary Server) string {
	if perAcquire(primary.Config()) && !c.SkipAcquireHooks {
		return "the pool's configuration has PrepareConn, BeforeAcquire or AfterRelease, which cannot run for each caller " +
			"of a shared connection: " +
			"set Config.Reader.SkipAcquireHooks (pool_reader_skip_acquire_hooks) if statements do not depend on them"
	}
	switch primary.Config().ConnConfig.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		// Parameters are encoded by their Go types there, and results are text.
		return "default_query_exec_mode does not ask for the types of statements: behind a pooler use cache_describe"
	}
	if primary.Shared() < 1 {
		return "the budget of connections (pool_max_conns) has none to share"
	}
	if types := pgtype.NewMap(); reflect.ValueOf(types).Elem().FieldByName("oidToType").Kind() != reflect.Map ||
		goTypes(types) == nil {
		return "this version of pgx keeps its types in a way that the Reader does not know"
	}
	return ""
}
