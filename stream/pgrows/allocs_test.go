package pgrows

import (
	"io"
	"slices"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
	"github.com/gqlboost/gqlboost/stream"
)

// allTypes has a column of each built-in type that a table may have.
const allTypes = `select i::int8 as a, i::int2 as b, i as c, i::oid as d, i::text::xid as e, i::float4 / 7 as f, i::float8 / 7 as g, i::numeric / 7 as h, 'text "' || i as i,
	'v'::varchar as j, 'c'::char(3) as k, 'n'::name as l, 'c'::"char" as m, '\x00ff'::bytea as n, '{"a" : [1]}'::json as o, '{"a": [1]}'::jsonb as p, '$.a'::jsonpath as q,
	'123e4567-e89b-12d3-a456-426614174000'::uuid as r, date '2024-01-01' + i as s, time '12:34:56.5' as t, timetz '12:34:56.5+01' as u, timestamp '2024-01-01' + i * interval '1 s' as v,
	timestamptz '2024-01-01' + i * interval '1 s' as w, i * interval '1 day 1 s' as x, '10.0.0.1/8'::inet as y, '10.0.0.0/8'::cidr as z, '08:00:2b:01:02:03'::macaddr as aa, '101'::varbit as ab,
	point(i, 2) as ac, '[(1,2),(3,4)]'::path as ad, '(1,2),(3,4)'::box as ae, circle(point(1, 2), 3) as af, 'a:1 b:2'::tsvector as ag, 'a & b'::tsquery as ah, '<a/>'::xml as ai, i::numeric::money as aj,
	'pg_class'::regclass as ak, '(0,1)'::tid as al, '0/1'::pg_lsn as am, int4range(1, i + 5) as an, tstzrange(now(), null) as ao, int8multirange(int8range(1, 2), int8range(5, i + 9)) as ap,
	array[1, i, null] as aq, array['a', 'b "c'] as ar, array[1.5, i]::numeric[] as at, array['{"a": 1}'::jsonb] as au, array['1.5'::money] as av, array[now(), null] as aw, array[int4range(1, 2)] as ax,
	row(i, 'a b', 1.5, now(), row(1)) as ay, array[row(1, 'x')] as az, i % 2 = 0 as ba, null::int as bb, '{{a,b},{c,d}}'::text[] as bc from generate_series(1, $1::int) i`

// Rows cost no allocations, and a result few, whatever is in them.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	conn := connect(t)
	// 150 rows fit into the writer's first chunks, so that only rows are counted.
	measure := func(n int, write func(w *stream.Writer) error) float64 {
		var each []float64
		for range 5 {
			each = append(each, testing.AllocsPerRun(3, func() {
				w := stream.NewWriter(io.Discard, stream.Options{})
				if err := write(w); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}))
		}
		return slices.Min(each)
	}
	e := NewEncoder(Options{})
	for _, n := range []int{1, 2000} {
		for name, write := range map[string]func(w *stream.Writer) error{
			"Encoder": func(w *stream.Writer) error {
				rows, err := conn.Query(t.Context(), allTypes, n)
				if err == nil {
					_, err = e.Write(w, rows)
				}
				return err
			},
			"Write": func(w *stream.Writer) error {
				rows, err := conn.Query(t.Context(), allTypes, n)
				if err == nil {
					_, err = Write(w, rows, Options{})
				}
				return err
			},
			"discard": func(w *stream.Writer) error {
				rows, err := conn.Query(t.Context(), allTypes, n)
				if err != nil {
					return err
				}
				for rows.Next() {
					_ = rows.RawValues()
				}
				w.Null()
				return rows.Err()
			},
		} {
			got := measure(n, write)
			if got > 30 {
				t.Errorf("%s: %d rows took %v allocations, want 30 at most", name, n, got)
			}
		}
	}
}
