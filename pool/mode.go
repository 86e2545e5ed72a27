package pool

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const modeParameter = "default_query_exec_mode"

// checkMode refuses a replica whose statements would be sent in a way that callers could tell from the
// primary's: parameters are encoded by their Go types in the modes that do not ask for the types of
// statements, and several statements at a time go by the simple protocol only.
func checkMode(primary, replica *pgx.ConnConfig, dsn string) error {
	mode := replica.DefaultQueryExecMode
	if !parametersOf(dsn)[modeParameter] || mode == primary.DefaultQueryExecMode {
		return nil
	}
	for _, one := range []pgx.QueryExecMode{primary.DefaultQueryExecMode, mode} {
		if one != pgx.QueryExecModeCacheStatement && one != pgx.QueryExecModeCacheDescribe {
			return fmt.Errorf("pool: replica %s: its default_query_exec_mode differs from the primary's, "+
				"and then both must be cache_statement or cache_describe", replica.Host)
		}
	}
	if mode == pgx.QueryExecModeCacheStatement && primary.StatementCacheCapacity <= 0 ||
		mode == pgx.QueryExecModeCacheDescribe && primary.DescriptionCacheCapacity <= 0 {
		return errors.New("pool: replica " + replica.Host + ": its default_query_exec_mode needs a cache that " +
			"statement_cache_capacity or description_cache_capacity of the pool has turned off")
	}
	return nil
}
