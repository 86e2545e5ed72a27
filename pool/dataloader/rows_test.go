package dataloader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/goleak"
)

func open(t *testing.T) *pool.Pool {
	t.Helper()
	p, err := pool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// queriers are the ways to read rows.
func queriers(t *testing.T) map[string]dataloader.Querier {
	p := open(t)
	return map[string]dataloader.Querier{"the pool": p, "the Reader": p.Reader()}
}

type fetch[K comparable, V any] = func(context.Context, []K) (map[K]V, error)

// checkFetch calls a fetch directly.
func checkFetch[K comparable, V any](t *testing.T, what string, f fetch[K, V], keys []K, want map[K]V) {
	t.Helper()
	got, err := f(t.Context(), keys)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, %v, want %v", what, got, err, want)
	}
}

// checkColumn reads an SQL expression as a V beside its key.
func checkColumn[V any](t *testing.T, db dataloader.Querier, expression string, want V) {
	t.Helper()
	sql := "select k, " + expression + " from unnest($1::int[]) k"
	checkFetch(t, expression, dataloader.ByColumn[int, V](db, sql), []int{1}, map[int]V{1: want})
	checkFetch(t, expression, dataloader.ListByColumn[int, V](db, sql), []int{1, 2}, map[int][]V{1: {want}, 2: {want}})
	// The only column, where the key is what the function says.
	checkFetch(t, expression, dataloader.ByKey(db, "select "+expression+" from unnest($1::int[]) k", func(V) int { return 7 }), []int{1}, map[int]V{7: want})
}

type point struct {
	X, Y int
}

type named string

// Whatever pgx scans from one column is a value.
func TestByColumnTypes(t *testing.T) {
	for name, db := range queriers(t) {
		t.Run(name, func(t *testing.T) {
			ada, day := "Ada", time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)
			checkColumn(t, db, "'Ada'::text", ada)
			checkColumn(t, db, "'Ada'::text", named(ada))
			checkColumn(t, db, "'Ada'::text", &ada)
			checkColumn(t, db, "null::text", (*string)(nil))
			checkColumn(t, db, "'Ada'::varchar", pgtype.Text{String: ada, Valid: true})
			checkColumn(t, db, "null::text", pgtype.Text{})
			checkColumn(t, db, "12::int", int64(12))
			checkColumn(t, db, "12::bigint", 12)
			checkColumn(t, db, "true", true)
			checkColumn(t, db, "1.5::float8", 1.5)
			checkColumn(t, db, "'2024-05-06'::date", day)
			checkColumn(t, db, "'2024-05-06'::date", &day)
			checkColumn(t, db, "'2024-05-06'::date", pgtype.Date{Time: day, Valid: true})
			checkColumn(t, db, `'\x0102'::bytea`, []byte{1, 2})
			checkColumn(t, db, "null::bytea", []byte(nil))
			checkColumn(t, db, "array['a','b']", []string{"a", "b"})
			checkColumn(t, db, "array[1,2]", pgtype.FlatArray[int32]{1, 2})
			checkColumn(t, db, "array[1,2]", pgtype.Array[int32]{Elements: []int32{1, 2}, Dims: []pgtype.ArrayDimension{{Length: 2, LowerBound: 1}}, Valid: true})
			checkColumn(t, db, "int4range(1, 3)", pgtype.Range[int32]{Lower: 1, Upper: 3, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true})
			checkColumn(t, db, "'00010203-0405-0607-0809-0a0b0c0d0e0f'::uuid", [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
			checkColumn(t, db, "'00010203-0405-0607-0809-0a0b0c0d0e0f'::uuid", pgtype.UUID{Bytes: [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, Valid: true})
			checkColumn(t, db, "'10.0.0.1'::inet", netip.MustParseAddr("10.0.0.1"))
			checkColumn(t, db, "'10.0.0.0/8'::cidr", net.IPNet{IP: net.IP{10, 0, 0, 0}, Mask: net.IPMask{255, 0, 0, 0}})
			checkColumn(t, db, `'{"x": 1}'::jsonb`, map[string]any{"x": 1.0})
			checkColumn(t, db, `'{"x": 1}'::json`, json.RawMessage(`{"x": 1}`))
			checkColumn(t, db, "'Ada'::text", any("Ada"))
			// Structs of fields are rows for ByKey, and values for ByColumn.
			checkFetch(t, "json", dataloader.ByColumn[int, point](db, `select k, '{"x": 1, "y": 2}'::json from unnest($1::int[]) k`), []int{1}, map[int]point{1: {1, 2}})
			checkFetch(t, "json", dataloader.ByColumn[int, *point](db, `select k, '{"x": 1, "y": 2}'::json from unnest($1::int[]) k`), []int{1}, map[int]*point{1: {1, 2}})
			type record struct{ N int }
			checkFetch(t, "a row of one column", dataloader.ByKey(db, "select k as n from unnest($1::int[]) k", func(r record) int { return r.N }), []int{1, 2}, map[int]record{1: {1}, 2: {2}})
			// Keys.
			checkFetch(t, "keys", dataloader.ByColumn[string, int](db, "select k, length(k) from unnest($1::text[]) k"), []string{"a", "bcd"}, map[string]int{"a": 1, "bcd": 3})
			id := pgtype.UUID{Bytes: [16]byte{1, 15: 2}, Valid: true}
			checkFetch(t, "keys", dataloader.ByColumn[pgtype.UUID, int](db, "select k, 1 from unnest($1::uuid[]) k"), []pgtype.UUID{id}, map[pgtype.UUID]int{id: 1})
			checkFetch(t, "keys", dataloader.ByKey(db, "select k from unnest($1::text[]) k", strings.ToLower), []string{"A", "b"}, map[string]string{"a": "A", "b": "b"})
		})
	}
}

// Values are those of their own row, and stay so: no memory is shared between rows.
func TestByColumnKeepsRowsApart(t *testing.T) {
	for name, db := range queriers(t) {
		t.Run(name, func(t *testing.T) {
			keys := make([]int, 500)
			for i := range keys {
				keys[i] = i
			}
			blobs, err := dataloader.ByColumn[int, []byte](db, "select k, decode(repeat(lpad(to_hex(k % 256), 2, '0'), 100), 'hex') from unnest($1::int[]) k")(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}
			documents, err := dataloader.ByColumn[int, map[string]any](db, "select k, json_build_object('key' || k, k) from unnest($1::int[]) k")(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := dataloader.ByColumn[int, json.RawMessage](db, "select k, to_json(k) from unnest($1::int[]) k")(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range keys {
				if !bytes.Equal(blobs[key], bytes.Repeat([]byte{byte(key)}, 100)) || len(documents[key]) != 1 || documents[key]["key"+string(raw[key])] != float64(key) {
					t.Fatalf("%d: %x, %v, %s", key, blobs[key], documents[key], raw[key])
				}
			}
		})
	}
}

// The last one of several rows of a key counts, lists have all in their order, and rows of
// keys that were not asked for do no harm.
func TestDuplicateRows(t *testing.T) {
	type row struct {
		K, V int
	}
	const sql = "select k, v from unnest($1::int[]) k, (values (1), (3), (2)) a(v) union all select 100, 0"
	key := func(r row) int { return r.K }
	for name, db := range queriers(t) {
		t.Run(name, func(t *testing.T) {
			checkFetch(t, "ByKey", dataloader.ByKey(db, sql, key), []int{1}, map[int]row{1: {1, 2}, 100: {100, 0}})
			checkFetch(t, "ByKeyFunc", dataloader.ByKeyFunc(db, sql, pgx.RowToStructByPos[row], key), []int{1}, map[int]row{1: {1, 2}, 100: {100, 0}})
			checkFetch(t, "ByColumn", dataloader.ByColumn[int, int](db, sql), []int{1}, map[int]int{1: 2, 100: 0})
			checkFetch(t, "ListByKey", dataloader.ListByKey(db, sql, key), []int{1}, map[int][]row{1: {{1, 1}, {1, 3}, {1, 2}}, 100: {{100, 0}}})
			checkFetch(t, "ListByKeyFunc", dataloader.ListByKeyFunc(db, sql, pgx.RowToAddrOfStructByName[row], func(r *row) int { return r.K }), []int{1}, map[int][]*row{1: {{1, 1}, {1, 3}, {1, 2}}, 100: {{100, 0}}})
			checkFetch(t, "ListByColumn", dataloader.ListByColumn[int, int](db, sql), []int{1}, map[int][]int{1: {1, 3, 2}, 100: {0}})
			checkFetch(t, "ListByColumn", dataloader.ListByColumn[int, int](db, "select 1, 2 where 1 = any($1) and false"), []int{1}, map[int][]int{1: {}})
		})
	}
}

// A statement that fails after some rows, a row that cannot be scanned, and columns that do
// not fit are errors of all keys: no key gets an earlier row, or half a list.
func TestRowErrors(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // After the pool is closed.
	type row struct {
		K, V int
	}
	type scanning struct {
		pgtype.Text
		K, V int
	}
	const fails = "select k, 6 / k as v from unnest($1::int[]) with ordinality a(k, n) order by n"
	const null = "select k, nullif(k, 0) as v from unnest($1::int[]) with ordinality a(k, n) order by n"
	const plain = "select k, k as v from unnest($1::int[]) k"
	const extra = "select k, k as v, 1 as w from unnest($1::int[]) k"
	key := func(r row) int { return r.K }
	for name, db := range queriers(t) {
		for what, c := range map[string]struct {
			err  error
			want string
		}{
			"ByKey fails":                  {fetchError(dataloader.ByKey(db, fails, key)), "division by zero"},
			"ListByKey fails":              {fetchError(dataloader.ListByKey(db, fails, key)), "division by zero"},
			"ByColumn fails":               {fetchError(dataloader.ByColumn[int, int](db, fails)), "division by zero"},
			"ListByColumn fails":           {fetchError(dataloader.ListByColumn[int, int](db, fails)), "division by zero"},
			"ByKey of null":                {fetchError(dataloader.ByKey(db, null, key)), "cannot scan NULL"},
			"ListByKey of null":            {fetchError(dataloader.ListByKey(db, null, key)), "cannot scan NULL"},
			"ByColumn of null":             {fetchError(dataloader.ByColumn[int, int](db, null)), "cannot scan NULL"},
			"ListByColumn of null":         {fetchError(dataloader.ListByColumn[int, int](db, null)), "cannot scan NULL"},
			"a key that is null":           {fetchError(dataloader.ByColumn[int, int](db, "select null::int, 1 where 1 = any($1)")), "cannot scan NULL"},
			"three columns":                {fetchError(dataloader.ByColumn[int, int](db, extra)), "3 columns (k, v, w)"},
			"one column":                   {fetchError(dataloader.ByColumn[int, int](db, "select unnest($1::int[]) k")), "1 columns (k)"},
			"a scalar of two columns":      {fetchError(dataloader.ByKey(db, plain, func(v int) int { return v })), "use ByColumn"},
			"time.Time of two columns":     {fetchError(dataloader.ByKey(db, plain, func(time.Time) int { return 0 })), "use ByColumn"},
			"a pointer to a row":           {fetchError(dataloader.ByKey(db, plain, func(r *row) int { return r.K })), "pgx.RowToAddrOfStructByName[dataloader_test.row]"},
			"a field without column":       {fetchError(dataloader.ByKey(db, "select unnest($1::int[]) k", key)), "v"},
			"a column without field":       {fetchError(dataloader.ByKey(db, extra, key)), "w"},
			"a row type that scans itself": {fetchError(dataloader.ByKey(db, plain, func(s scanning) int { return s.K })), "String"},
		} {
			if c.err == nil || !strings.Contains(strings.ToLower(c.err.Error()), strings.ToLower(c.want)) {
				t.Errorf("%s: %s: %v, want %q", name, what, c.err, c.want)
			}
		}
	}
}

// fetchError fetches keys; the last but one fails.
func fetchError[V any](f fetch[int, V]) error {
	found, err := f(context.Background(), []int{1, 1, 2, 0, 1})
	if err != nil && found != nil {
		panic("values beside an error")
	}
	return err
}
