package dataloader

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Querier is what reads rows: a *pool.Reader, a *pool.Pool, a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ByKey returns a fetch of one row for each key. sql has the keys as its parameter $1, a
// list (id = any($1)), and its columns are the fields of V by their names or db tags.
func ByKey[K comparable, V any](db Querier, sql string, key func(V) K) func(context.Context, []K) (map[K]V, error) {
	return func(ctx context.Context, keys []K) (map[K]V, error) {
		found := make(map[K]V, len(keys))
		err := each(ctx, db, sql, keys, func(v V) { found[key(v)] = v })
		return found, err
	}
}

// ListByKey is [ByKey] for any number of rows, in the order of the statement. A key
// without rows has an empty list.
func ListByKey[K comparable, V any](db Querier, sql string, key func(V) K) func(context.Context, []K) (map[K][]V, error) {
	return func(ctx context.Context, keys []K) (map[K][]V, error) {
		found := make(map[K][]V, len(keys))
		for _, k := range keys {
			found[k] = []V{}
		}
		err := each(ctx, db, sql, keys, func(v V) { k := key(v); found[k] = append(found[k], v) })
		return found, err
	}
}

func each[K comparable, V any](ctx context.Context, db Querier, sql string, keys []K, do func(V)) error {
	rows, err := db.Query(ctx, sql, keys)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := pgx.RowToStructByName[V](rows)
		if err != nil {
			return err
		}
		do(v)
	}
	return rows.Err()
}
