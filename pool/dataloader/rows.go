package dataloader

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Querier runs queries: a *pool.Reader, a *pool.Pool, a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ByKey returns a fetch of one row for each key. The statement receives the list of keys as
// its parameter $1 (id = any($1)), and key returns the key of a row.
//
// V is a struct whose fields match the columns by name or db tag. If the statement returns a
// single column, V may also be any type that pgx scans from it, such as string, *int64,
// time.Time or pgtype.Text. Use [ByColumn] for a column of keys and a column of values, and
// [ByKeyFunc] to scan rows in another way, for example into pointers to structs.
//
// If a key has several rows, the last row wins. If the statement fails or a row cannot be
// scanned, all keys get the error.
func ByKey[K comparable, V any](db Querier, sql string, key func(V) K) func(context.Context, []K) (map[K]V, error) {
	return one(db, sql, rowTo[V], keyed(key))
}

// ListByKey is like [ByKey] for any number of rows for each key. Lists keep the order of the
// rows. A key without rows has an empty list. All callers of a key share its list: they may
// append to it, which copies it, but not change its elements.
func ListByKey[K comparable, V any](
	db Querier, sql string, key func(V) K,
) func(context.Context, []K) (map[K][]V, error) {
	return list(db, sql, rowTo[V], keyed(key))
}

// ByKeyFunc is like [ByKey] and scans each row with scan: pgx.RowToAddrOfStructByName[User],
// pgx.RowToStructByPos[User], pgx.RowToMap or a custom function.
func ByKeyFunc[K comparable, V any](
	db Querier, sql string, scan pgx.RowToFunc[V], key func(V) K,
) func(context.Context, []K) (map[K]V, error) {
	return one(db, sql, always(scan), keyed(key))
}

// ListByKeyFunc is like [ListByKey] and scans each row with scan, see [ByKeyFunc].
func ListByKeyFunc[K comparable, V any](
	db Querier, sql string, scan pgx.RowToFunc[V], key func(V) K,
) func(context.Context, []K) (map[K][]V, error) {
	return list(db, sql, always(scan), keyed(key))
}

// ByColumn returns a fetch of one value for each key:
//
//	fetch := dataloader.ByColumn[int64, string](db, "select id, name from users where id = any($1)")
//	names := dataloader.New(fetch, dataloader.Options{})
//
// The statement receives the list of keys as its parameter $1 and returns two columns: the
// key and the value. V may be any type that pgx scans from one column, including a struct
// from json. V also decides about null: a *string becomes nil, a string is an error.
//
// If a key has several rows, the last row wins. If the statement fails or a row cannot be
// scanned, all keys get the error.
func ByColumn[K comparable, V any](db Querier, sql string) func(context.Context, []K) (map[K]V, error) {
	return one(db, sql, pairOf[K, V], pair[K, V].split)
}

// ListByColumn is like [ByColumn] for any number of rows for each key. Lists keep the order
// of the rows. A key without rows has an empty list.
func ListByColumn[K comparable, V any](db Querier, sql string) func(context.Context, []K) (map[K][]V, error) {
	return list(db, sql, pairOf[K, V], pair[K, V].split)
}

// scanner returns the function that scans rows with these columns.
type scanner[R any] func(columns []pgconn.FieldDescription) (pgx.RowToFunc[R], error)

// one fetches a value for each key. split returns the key and the value of a row.
func one[K comparable, V, R any](
	db Querier, sql string, scan scanner[R], split func(R) (K, V),
) func(context.Context, []K) (map[K]V, error) {
	return func(ctx context.Context, keys []K) (map[K]V, error) {
		found := make(map[K]V, len(keys))
		err := each(ctx, db, sql, keys, scan, func(row R) { k, v := split(row); found[k] = v })
		if err != nil {
			return nil, err // A later row might have won.
		}
		return found, nil
	}
}

// list fetches a list of values for each key. split returns the key and the value of a row.
func list[K comparable, V, R any](
	db Querier, sql string, scan scanner[R], split func(R) (K, V),
) func(context.Context, []K) (map[K][]V, error) {
	return func(ctx context.Context, keys []K) (map[K][]V, error) {
		found := make(map[K][]V, len(keys))
		for _, k := range keys {
			found[k] = []V{}
		}
		err := each(ctx, db, sql, keys, scan, func(row R) { k, v := split(row); found[k] = append(found[k], v) })
		if err != nil {
			return nil, err // The lists are incomplete.
		}
		for _, k := range keys {
			if l, ok := found[k]; ok { // Not NaN.
				found[k] = slices.Clip(l) // Who appends to a list must not write into another caller's.
			}
		}
		return found, nil
	}
}

// each calls do with each row.
func each[K, R any](ctx context.Context, db Querier, sql string, keys []K, scan scanner[R], do func(R)) error {
	rows, err := db.Query(ctx, sql, keys)
	if err != nil {
		return err
	}
	defer rows.Close()
	var read pgx.RowToFunc[R]
	for rows.Next() {
		if read == nil {
			if read, err = scan(rows.FieldDescriptions()); err != nil {
				return err
			}
		}
		row, err := read(rows)
		if err != nil {
			return err
		}
		do(row)
	}
	return rows.Err()
}

func always[V any](scan pgx.RowToFunc[V]) scanner[V] {
	return func([]pgconn.FieldDescription) (pgx.RowToFunc[V], error) { return scan, nil }
}

func keyed[K, V any](key func(V) K) func(V) (K, V) {
	return func(v V) (K, V) { return key(v), v }
}

// pair is a row of two columns.
type pair[K, V any] struct {
	key   K
	value V
}

func (p pair[K, V]) split() (K, V) { return p.key, p.value }

func pairOf[K, V any](columns []pgconn.FieldDescription) (pgx.RowToFunc[pair[K, V]], error) {
	if len(columns) != 2 {
		return nil, fmt.Errorf(
			"dataloader: ByColumn needs a column of keys and a column of values, but the statement returns %s",
			names(columns))
	}
	return func(row pgx.CollectableRow) (p pair[K, V], err error) {
		err = row.Scan(&p.key, &p.value)
		return p, err
	}, nil
}

// rowTo scans a V by the names of its fields, or from the only column.
func rowTo[V any](columns []pgconn.FieldDescription) (pgx.RowToFunc[V], error) {
	t := reflect.TypeFor[V]()
	switch {
	case hasFields(t) && (len(columns) != 1 || !scansColumn(t)):
		return pgx.RowToStructByName[V], nil
	case len(columns) == 1:
		return pgx.RowTo[V], nil
	case t.Kind() == reflect.Pointer && hasFields(t.Elem()):
		return nil, fmt.Errorf(
			"dataloader: ByKey cannot scan a row into %v: use ByKeyFunc with pgx.RowToAddrOfStructByName[%v]", t,
			t.Elem())
	default:
		return nil, fmt.Errorf(
			"dataloader: ByKey scans %v from one column, but the statement returns %s: use ByColumn for a column "+
				"of keys and a column of values", t, names(columns))
	}
}

// hasFields reports whether t is a struct with fields that can match columns.
func hasFields(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for field := range t.Fields() {
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if hasFields(field.Type) {
				return true
			}
		} else if field.IsExported() && field.Tag.Get("db") != "-" {
			return true
		}
	}
	return false
}

// scansColumn reports whether pgx scans the struct type t from one column.
func scansColumn(t reflect.Type) bool {
	switch reflect.New(t).Interface().(type) {
	case sql.Scanner, pgtype.RangeScanner, pgtype.ArraySetter, *net.IPNet:
		return true
	default:
		return false
	}
}

// names lists columns for an error.
func names(columns []pgconn.FieldDescription) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.Name
	}
	return fmt.Sprintf("%d columns (%s)", len(columns), strings.Join(list, ", "))
}
