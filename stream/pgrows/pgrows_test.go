package pgrows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// written returns what write makes of a query's rows.
func written(t testing.TB, conn *pgx.Conn, sql string, args []any, write func(*stream.Writer, pgx.Rows) error) (string, error) {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := stream.NewWriter(&b, stream.Options{})
	err = write(w, rows)
	if closed := w.Close(); err == nil {
		err = closed
	}
	return b.String(), err
}

// query returns the JSON of a query's rows.
func query(t testing.TB, conn *pgx.Conn, o Options, sql string, args ...any) (string, int64, error) {
	t.Helper()
	var n int64
	text, err := written(t, conn, sql, args, func(w *stream.Writer, rows pgx.Rows) (err error) {
		n, err = NewEncoder(o).Write(w, rows)
		return err
	})
	return text, n, err
}

// valueCases are expressions and what they must be. Where Postgres's row_to_json
// writes the same, want is "" and it is asked.
var valueCases = []struct{ sql, want string }{
	{"true", ""}, {"false", ""}, {"1::int2", ""}, {"(-32768)::int2", ""}, {"2147483647::int4", ""}, {"(-9223372036854775808)::int8", ""},
	{"0.1::float4", ""}, {"3.4028235e38::float4", "3.4028235e+38"}, {"1e-7::float8", "1e-7"}, {"123456.789::float8", ""}, {"1e300::float8", ""}, {"0::float8", ""},
	{"'NaN'::float8", ""}, {"'Infinity'::float4", ""}, {"'-Infinity'::float8", ""},
	{"0::numeric", ""}, {"1::numeric", ""}, {"-0.5::numeric", ""}, {"0.000001::numeric", ""}, {"1e50::numeric", ""}, {"1e-50::numeric", ""}, {"10000::numeric", ""}, {"99999999.00010000::numeric", ""},
	{"'NaN'::numeric", ""}, {"'Infinity'::numeric", ""}, {"'-Infinity'::numeric", ""}, {"0.00::numeric(10,2)", ""}, {"123.4500::numeric", ""}, {"-12345678901234567890.123456789::numeric", ""},
	{"'text'::text", ""}, {"'ü\"\\\n'::text", ""}, {"''::text", ""}, {"'v'::varchar(3)", ""}, {"'c'::char(3)", ""}, {"'n'::name", ""}, {`'c'::"char"`, ""}, {"7::oid", `7`},
	{`'\x00ff10'::bytea`, `"AP8Q"`}, {`''::bytea`, `""`},
	{"'2024-02-29'::date", ""}, {"'0001-01-01'::date", ""}, {"'0044-03-15 BC'::date", ""}, {"'12024-01-01'::date", ""}, {"'infinity'::date", ""}, {"'-infinity'::date", ""},
	{"'12:34:56'::time", ""}, {"'00:00:00.000001'::time", ""}, {"'24:00:00'::time", ""}, {"'12:34:56.5+05:30'::timetz", ""}, {"'12:34:56-08'::timetz", ""},
	{"'2024-02-29 12:34:56.789'::timestamp", ""}, {"'1999-12-31 23:59:59.999999'::timestamp", ""}, {"'0044-03-15 01:02:03 BC'::timestamp", ""}, {"'infinity'::timestamp", ""}, {"'4714-11-24 00:00:00 BC'::timestamp", ""}, {"'294276-12-31 23:59:59'::timestamp", ""},
	{"'2024-02-29 12:34:56.5+02'::timestamptz", `"2024-02-29T10:34:56.5Z"`}, {"'-infinity'::timestamptz", ""},
	{"'1 year 2 months 3 days 04:05:06.789'::interval", ""}, {"'0'::interval", ""}, {"'-1 day'::interval", ""}, {"'-00:00:00.5'::interval", ""}, {"'25:00:00'::interval", ""}, {"'1 mon -1 day +00:00:01'::interval", ""}, {"'-14 months'::interval", ""}, {"'00:01'::interval", ""},
	{"'123e4567-e89b-12d3-a456-426614174000'::uuid", ""},
	{`'{"a" : [1, 2.50], "b":"\u00e9"}'::json`, `{"a" : [1, 2.50], "b":"\u00e9"}`}, {`'{"a":[1,2.50]}'::jsonb`, ""}, {`'null'::jsonb`, "null"},
	{"'{1,2,NULL,3}'::int4[]", ""}, {"'{}'::text[]", ""}, {"'{{a,b},{c,NULL}}'::text[]", ""}, {"'{{{1},{2}},{{3},{4}}}'::int8[]", ""}, {"array['2024-01-01'::timestamp, null]", ""}, {"array['{\"x\":1}'::jsonb]", ""}, {"'[5:6]={1,2}'::int4[]", ""}, {"array[1.50, 2]::numeric[]", ""}, {"array[row(1)]::text[]", ""},
	{"'192.168.0.1'::inet", ""}, {"'192.168.0.1/24'::inet", ""}, {"'10.0.0.0/8'::cidr", ""}, {"'::1'::inet", ""}, {"'2001:db8::/32'::cidr", ""}, {"'10.1.2.3/32'::cidr", ""},
	{"int4range(1,5)", ""}, {"numrange(1.5,null,'[]')", ""}, {"'empty'::int8range", ""}, {"int4multirange(int4range(1,2), int4range(5,7))", ""}, {"tsrange('2024-01-01','2024-02-01','[]')", ""}, {"numrange(-1.50,2)", ""}, {"int8multirange()", ""}, {"array[int4range(1,2)]", ""}, {"array['a,b','c\"d','e\\f','NULL','']::text[]", ""}, {"'12:00'::timetz", ""},
	{"row(1,'a \"b\", (c)',null)::address", `{"id":1,"street":"a \"b\", (c)","zip":null}`}, {"daterange('2024-01-01','2024-02-01')", ""},
	{"'happy'::mood", ""}, {"array['happy','sad']::mood[]", ""}, {"5::positive", ""}, {"'08:00:2b:01:02:03'::macaddr", ""}, {"'(1,2)'::point", ""}, {"B'101'::bit(3)", ""}, {"'1 2'::tsvector", ""}, {"null::int4", "null"}, {"null::mood", "null"},
	{"row(1,'Main St',null)::address", `{"id":1,"street":"Main St","zip":null}`}, {"array[row(1,'x','9')::address]", `[{"id":1,"street":"x","zip":"9"}]`},
}

func setUpTypes(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), `
		drop schema if exists types cascade; create schema types; set search_path = types, public; set intervalstyle = iso_8601; set timezone = 'UTC';
		create type mood as enum ('sad', 'happy'); create domain positive as int4 check (value > 0);
		create type address as (id int4, street text, zip text)`); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mood", "_mood", "address", "_address"} {
		typ, err := conn.LoadType(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		conn.TypeMap().RegisterType(typ)
	}
}

func TestValues(t *testing.T) {
	conn := connect(t)
	setUpTypes(t, conn)
	for _, c := range valueCases {
		want := c.want
		if want == "" {
			if err := conn.QueryRow(t.Context(), "select row_to_json(x)->'v' from (select "+c.sql+" as v) x").Scan((*raw)(&want)); err != nil {
				t.Fatalf("%s: %v", c.sql, err)
			}
		}
		want = `[{"v":` + want + `}]`
		for name, mode := range map[string]pgx.QueryExecMode{"binary": pgx.QueryExecModeCacheStatement, "text": pgx.QueryExecModeSimpleProtocol} {
			got, n, err := query(t, conn, Options{}, "select "+c.sql+" as v", mode)
			if err != nil {
				t.Errorf("%s, %s: %v", c.sql, name, err)
				continue
			}
			if n != 1 || !sameJSON(t, got, want) {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", c.sql, name, got, want)
			}
		}
	}
}

// raw scans JSON as its text.
type raw string

func (r *raw) UnmarshalJSON(b []byte) error { *r = raw(b); return nil }

// sameJSON compares values, numbers by their text but for exponents.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	decode := func(s string) (v any) {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		return v
	}
	var same func(a, b any) bool
	same = func(a, b any) bool {
		switch a := a.(type) {
		case json.Number:
			b, ok := b.(json.Number)
			if !ok || a == b {
				return ok
			}
			x, _ := a.Float64()
			y, _ := b.Float64()
			return x == y && strings.ContainsAny(string(a)+string(b), "eE")
		case []any:
			b, ok := b.([]any)
			if !ok || len(a) != len(b) {
				return false
			}
			for i := range a {
				if !same(a[i], b[i]) {
					return false
				}
			}
			return true
		case map[string]any:
			b, ok := b.(map[string]any)
			if !ok || len(a) != len(b) {
				return false
			}
			for k := range a {
				if !same(a[k], b[k]) {
					return false
				}
			}
			return true
		}
		return reflect.DeepEqual(a, b)
	}
	return same(decode(a), decode(b))
}

// Random rows, whole, against row_to_json.
func TestRandomRows(t *testing.T) {
	conn := connect(t)
	setUpTypes(t, conn)
	random := rand.New(rand.NewPCG(1, 2))
	seed := random.Float64()
	const columns = `i, (random()*1e9)::int4 as int4, ((random()-0.5)*1e18)::int8 as int8, random() as f8, (random()*1e6)::float4 as f4,
		((random()-0.5)*10^(random()*30-15))::numeric(40,12) as num, ((random()-0.5)*10^(random()*20))::numeric as num2, md5(random()::text) as txt, random() > 0.5 as b,
		'2000-01-01'::timestamp + (random()-0.5) * interval '4000 years' as ts, '2000-01-01'::date + ((random()-0.5)*1e6)::int4 as d,
		(random()-0.5) * interval '100 years 10 days' as iv, gen_random_uuid() as u, case when random() > 0.5 then md5(random()::text) end as maybe,
		array[(random()*100)::int4, null, 5] as a, time '00:00' + random() * interval '1 day' as t, jsonb_build_object('k', random()::text) as j`
	if _, err := conn.Exec(t.Context(), fmt.Sprintf("select setseed(%f)", seed)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create temp table r as select "+columns+" from generate_series(1, 2000) i"); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), "select row_to_json(r)::text from r order by i")
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]pgx.QueryExecMode{"binary": pgx.QueryExecModeCacheStatement, "text": pgx.QueryExecModeSimpleProtocol} {
		got, n, err := query(t, conn, Options{}, "select * from r order by i", mode)
		if err != nil || n != 2000 {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		if !sameJSON(t, got, "["+strings.Join(want, ",")+"]") {
			t.Errorf("%s: the rows differ from row_to_json's", name)
		}
	}
}

func TestShapes(t *testing.T) {
	conn := connect(t)
	for name, c := range map[string]struct {
		sql  string
		o    Options
		want string
	}{
		"none":     {"select 1 as a where false", Options{}, `[]`},
		"renamed":  {"select 1 as first_name, 2 as a_b_c, 3 as x_", Options{Rename: CamelCase}, `[{"firstName":1,"aBC":2,"x_":3}]`},
		"strings":  {"select 1::int8 as a, 1.50 as b", Options{Int8AsString: true, NumericAsString: true}, `[{"a":"1","b":"1.50"}]`},
		"typename": {"select 1 as a, 2 as b__c", Options{Typenames: map[string]string{"": "A", "b": "B"}}, `[{"__typename":"A","a":1,"b":{"__typename":"B","c":2}}]`},
		"its own":  {"select 'X' as __typename, 1 as a", Options{}, `[{"__typename":"X","a":1}]`},
		"nested":   {"select 1 as id, 2 as author__id, 3 as author__address__zip, null as editor__id", Options{}, `[{"id":1,"author":{"id":2,"address":{"zip":3}},"editor":null}]`},
		"json":     {`select '{"a_b": {"c_d": "e_f"}, "g\u0068_i": ["x_y"]}'::json as a_b, '{"k_l":1}'::jsonb as j`, Options{Rename: CamelCase, RenameJSON: true}, `[{"aB":{"aB": {"cD": "e_f"}, "ghI": ["x_y"]},"j":{"kL": 1}}]`},
		"lists": {`select * from (values (1, 'p1', 10, 'c10'), (1, 'p1', 11, 'c11'), (2, 'p2', null, null), (3, 'p3', 12, 'c12')) v(id, title, "comments[]__id", "comments[]__body")`, Options{Typenames: map[string]string{"comments[]": "Comment"}},
			`[{"id":1,"title":"p1","comments":[{"__typename":"Comment","id":10,"body":"c10"},{"__typename":"Comment","id":11,"body":"c11"}]},{"id":2,"title":"p2","comments":[]},{"id":3,"title":"p3","comments":[{"__typename":"Comment","id":12,"body":"c12"}]}]`},
		"lists of lists": {`select * from (values (1, 10, 100, 5), (1, 10, 101, null), (1, 11, null, null), (2, 10, 102, 6)) v(id, "as[]__id", "as[]__bs[]__id", "as[]__bs[]__by__id")`, Options{},
			`[{"id":1,"as":[{"id":10,"bs":[{"id":100,"by":{"id":5}},{"id":101,"by":null}]},{"id":11,"bs":[]}]},{"id":2,"as":[{"id":10,"bs":[{"id":102,"by":{"id":6}}]}]}]`},
	} {
		got, n, err := query(t, conn, c.o, c.sql)
		if err != nil || got != c.want {
			t.Errorf("%s: got  %s, %v\nwant %s", name, got, err, c.want)
		}
		var objects []any
		if json.Unmarshal([]byte(c.want), &objects); n != int64(len(objects)) {
			t.Errorf("%s: %d objects, want %d", name, n, len(objects))
		}
	}
	for sql, want := range map[string]string{
		`select 1 as id, 2 as "a[]__id", 3 as "b[]__id"`: "has a list already",
		`select 1 as id, 2 as "a[]"`:                     "has members",
		`select 2 as "a[]__id"`:                          "needs a key",
		`select 1 as id, 2 as "x__a[]__id"`:              "a list inside of an object",
		`select 1 as id, 2 as "a[]__b__c"`:               "an element needs a key",
	} {
		if got, _, err := query(t, conn, Options{}, sql); err == nil || !strings.Contains(err.Error(), want) || json.Valid([]byte(got)) {
			t.Errorf("%s: got %s, %v", sql, got, err)
		}
	}
}

// An encoder writes the same the second time, also for another query with the same
// columns, and without planning again.
func TestEncoder(t *testing.T) {
	conn := connect(t)
	e := NewEncoder(Options{Rename: CamelCase})
	run := func(sql string) string {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := stream.NewWriter(&b, stream.Options{})
		if _, err := e.Write(w, rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for range 2 {
		for sql, want := range map[string]string{
			`select 1 as a_id, 2 as "l[]__id"`:         `[{"aId":1,"l":[{"id":2}]}]`,
			`select 3 as a_id, 4 as "l[]__id"`:         `[{"aId":3,"l":[{"id":4}]}]`,
			`select 'x' as a_id, 4 as "l[]__id"`:       `[{"aId":"x","l":[{"id":4}]}]`,
			`select 1 as a_id, null::int as "l[]__id"`: `[{"aId":1,"l":[]}]`,
			`select 1 as a_i, 5 as d`:                  `[{"aI":1,"d":5}]`,
		} {
			if got := run(sql); got != want {
				t.Errorf("%s: got %s, want %s", sql, got, want)
			}
		}
	}
	if n := len(e.plans); n != 3 {
		t.Errorf("%d plans, want 3", n)
	}
	for i := range 2 * maxPlans {
		run(fmt.Sprintf("select 1 as c%d", i))
	}
	if n := len(e.plans); n > maxPlans {
		t.Errorf("%d plans", n)
	}
}

func TestErrorsOfTheQuery(t *testing.T) {
	conn := connect(t)
	got, n, err := query(t, conn, Options{}, "select 1/(10-i) as x from generate_series(1, 20) i")
	if err == nil || !strings.Contains(err.Error(), "division by zero") || n > 9 || json.Valid([]byte(got)) {
		t.Errorf("got %s, %d, %v", got, n, err)
	}
}

// Truncated and made up bytes give errors, and no panic.
func FuzzValues(f *testing.F) {
	f.Add(uint8(0), []byte{0, 0, 0, 1})
	f.Add(uint8(3), []byte{0, 1, 0, 0, 0, 0, 0, 2, 0, 5})
	var list []encoder
	var oids []uint32
	for oid := range builtins() {
		// What Postgres sends as JSON, it has checked.
		switch oid {
		case pgtype.JSONOID, pgtype.JSONBOID, pgtype.JSONArrayOID, pgtype.JSONBArrayOID:
		default:
			oids = append(oids, oid)
		}
	}
	slices.Sort(oids)
	for _, oid := range oids {
		t := builtins()[oid]
		list = append(list, t.writeBinary, func(o *output, src []byte) error { return o.quoteText(t.appendText, src) })
	}
	for _, oid := range []uint32{pgtype.TimestamptzOID, pgtype.DateOID, pgtype.IntervalOID, pgtype.ByteaOID, pgtype.TextArrayOID, pgtype.BoxArrayOID, pgtype.IntervalArrayOID} {
		list = append(list, builtins()[oid].writeText)
	}
	types := newTypes(pgtype.NewMap(), Options{})
	f.Fuzz(func(t *testing.T, which uint8, src []byte) {
		var b bytes.Buffer
		w := stream.NewWriter(&b, stream.Options{})
		err := list[int(which)%len(list)](&output{w: w, types: types, options: &types.options}, src)
		if closed := w.Close(); err == nil && closed == nil && !json.Valid(b.Bytes()) {
			t.Errorf("%x: wrote %s", src, b.String())
		}
	})
}

func TestCamelCase(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "first_name": "firstName", "a_b_c": "aBC", "_id": "_id", "x_": "x_", "a__b": "aB", "a_1": "a1", "ID": "ID", "grün_blau": "grünBlau"} {
		if got := CamelCase(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A backend is killed, or a client goes away, at random points: what the client
// has is never a whole document, and nothing leaks.
func TestNothingPretendsToBeWhole(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	ignore := goleak.IgnoreCurrent()
	config, err := pgxpool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	killer, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	const total = 60_000
	var handlers sync.WaitGroup
	var failed atomic.Int64
	pids := make(chan uint32, 1)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		err := stream.Respond(rw, r, func(w *stream.Writer) error {
			rows, err := pool.Query(r.Context(), "select i as id, md5(i::text) as text from generate_series(1, $1::int) i", total)
			if err != nil {
				return err
			}
			pids <- rows.Conn().PgConn().PID()
			w.BeginObject()
			w.Name("data")
			_, err = Write(w, rows, Options{})
			return err
		})
		if err != nil {
			failed.Add(1)
		}
	}))
	random := rand.New(rand.NewPCG(1, 2))
	whole := 0
	for _, kill := range []bool{true, false} {
		for range rounds {
			response, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			pid := <-pids
			var got bytes.Buffer
			_, _ = io.CopyN(&got, response.Body, random.Int64N(3<<20))
			if !kill {
				response.Body.Close()
				continue
			}
			if _, err := killer.Exec(t.Context(), "select pg_terminate_backend($1)", pid); err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(&got, response.Body)
			response.Body.Close()
			if rest := got.Bytes(); err == nil && response.StatusCode == http.StatusOK {
				whole++
				if !bytes.HasSuffix(rest, []byte("}]}")) || !bytes.Contains(rest, fmt.Appendf(nil, `{"id":%d,`, total)) {
					t.Fatalf("a response of which rows are missing ended well: ...%s", rest[max(0, len(rest)-100):])
				}
			}
		}
	}
	handlers.Wait()
	if failed.Load() == 0 || whole == rounds {
		t.Errorf("%d requests failed, %d were whole: nothing was tested", failed.Load(), whole)
	}
	// The pool destroys broken connections in the background.
	for deadline := time.Now().Add(10 * time.Second); pool.Stat().AcquiredConns() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are still taken", pool.Stat().AcquiredConns())
		}
	}
	s.Close()
	pool.Close()
	_ = killer.Close(context.Background())
	s.Client().CloseIdleConnections()
	goleak.VerifyNone(t, ignore)
}

func TestRowsAreNotReadForNobody(t *testing.T) {
	conn := connect(t)
	shape := NewShape([]Field{{Name: "x"}}, Options{})
	for name, write := range map[string]func(rows pgx.Rows) error{
		"failing":   func(rows pgx.Rows) error { return writeTo(failing{}, rows, Options{}) },
		"panicking": func(rows pgx.Rows) error { return writeTo(panicking{}, rows, Options{}) },
		"renaming": func(rows pgx.Rows) error {
			return writeTo(io.Discard, rows, Options{Rename: func(string) string { panic("rename") }})
		},
		"shape": func(rows pgx.Rows) error {
			w := stream.NewWriter(panicking{}, stream.Options{})
			defer w.Close()
			_, err := shape.Write(w, rows)
			return err
		},
		"first": func(rows pgx.Rows) error {
			w := stream.NewWriter(panicking{}, stream.Options{MinChunk: 10, MaxChunk: 10})
			defer w.Close()
			return shape.WriteFirst(w, rows)
		},
	} {
		rows, err := conn.Query(t.Context(), "select repeat('x', 100 + 0 * generate_series(1, 50000000)) as x")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		func() {
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("it panicked: %v", v)
				}
			}()
			err = write(rows)
		}()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		var one int
		if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
			t.Errorf("%s: the connection is not usable: %v", name, err)
		}
	}
}

func writeTo(dst io.Writer, rows pgx.Rows, o Options) error {
	w := stream.NewWriter(dst, stream.Options{})
	_, err := Write(w, rows, o)
	_ = w.Close()
	return err
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("boom") }

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// watched are rows whose connection must not be asked for when they have ended.
type watched struct {
	pgx.Rows
	ended, asked bool
}

func (w *watched) Next() bool {
	next := w.Rows.Next()
	w.ended = w.ended || !next
	return next
}

func (w *watched) Conn() *pgx.Conn {
	w.asked = w.asked || w.ended
	return w.Rows.Conn()
}

type panickingAt string

func (p panickingAt) Write(b []byte) (int, error) {
	if string(b) == string(p) {
		panic("boom")
	}
	return len(b), nil
}

// Rows of a pool that have ended have given their connection back. What somebody else runs on it is not
// cancelled.
func TestEndedRowsAreNotCancelled(t *testing.T) {
	rows, err := connect(t).Query(t.Context(), `select 1 as id, 2 as "l[]__id"`)
	if err != nil {
		t.Fatal(err)
	}
	watching := &watched{Rows: rows}
	w := stream.NewWriter(panickingAt("]"), stream.Options{MinChunk: 1, MaxChunk: 1})
	defer w.Close()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the destination has not panicked: nothing was tested")
			}
		}()
		_, _ = Write(w, watching, Options{})
	}()
	if !watching.ended || watching.asked {
		t.Errorf("ended %v, the connection was asked for %v", watching.ended, watching.asked)
	}
}
