package pgrows

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// unknownTypes are types that neither pgx nor pgrows knows, with a value of each: those of
// extensions with a binary format of their own and without any, and a catalog table's. What
// is refused is the type of that name.
var unknownTypes = []struct{ typ, value, refused string }{
	{"cube", "(1, 2),(3, 4)", "cube"}, {"seg", "1.5 .. 2", "seg"}, {"ean13", "978-0-393-04002-9", "ean13"}, {"upc", "725272730706", "upc"}, {"query_int", "1&(2|3)", "query_int"},
	{"lquery", "a.*{1,2}.b|c", ""}, {"ltxtquery", "a & b", ""}, {"pg_am", `(1,"a ""b""",3,i)`, "regproc"},
}

// A type that nobody knows is written as Postgres's text, or refused by its name:
// also inside of whatever types can be inside of.
func TestUnknownTypes(t *testing.T) {
	conn := connect(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("drop schema if exists unknown cascade; create schema unknown; set search_path = unknown, public")
	for _, extension := range []string{"cube", "seg", "isn", "intarray", "ltree"} {
		exec("drop extension if exists " + extension + " cascade; create extension " + extension + " schema public")
	}
	written, refused := 0, 0
	for _, u := range unknownTypes {
		v := "'" + u.value + "'::" + u.typ
		exec("create domain d_" + u.typ + " as " + u.typ + "; create type c_" + u.typ + " as (v " + u.typ + ", n int)")
		cases := []struct{ sql, want string }{
			{v, textAsJSON(v)},
			{v + "::d_" + u.typ, textAsJSON(v)},
			{"array[" + v + "]", "to_json(array[(" + v + ")::text])"},
			{"array[" + v + "::d_" + u.typ + "]", "to_json(array[(" + v + ")::text])"},
			{"row(" + v + ")", ""}, {"row(1, row(" + v + ", array[" + v + "]))", ""}, {"row(" + v + "::d_" + u.typ + ")", ""},
			{"row(" + v + ", 1)::c_" + u.typ, ""}, {"row(array[row(" + v + ", 1)::c_" + u.typ + "])", ""},
			{"array[row(" + v + ", 1)::c_" + u.typ + "]", "to_json(array[(row(" + v + ", 1)::c_" + u.typ + ")::text])"},
		}
		if _, err := conn.Exec(t.Context(), "create type r_"+u.typ+" as range (subtype = "+u.typ+")"); err == nil { // It has an order.
			r := "r_" + u.typ + "(" + v + ", " + v + ", '[]')"
			cases = append(cases, []struct{ sql, want string }{{r, textAsJSON(r)}, {"row(" + r + ")", ""}, {"array[" + r + "]", "to_json(array[(" + r + ")::text])"}}...)
		}
		for _, c := range cases {
			if c.want == "" {
				c.want = textAsJSON(c.sql)
			}
			var want string
			if err := conn.QueryRow(t.Context(), "select "+c.want+"::text", pgx.QueryExecModeSimpleProtocol).Scan(&want); err != nil {
				t.Fatalf("%s: %v", c.want, err)
			}
			want = `[{"v":` + want + `}]`
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheDescribe} {
				got, _, err := query(t, conn, Options{}, "select "+c.sql+" as v", mode)
				switch {
				case err == nil && sameJSON(t, got, want):
					written++
				case err != nil && mode != pgx.QueryExecModeSimpleProtocol && u.refused != "" && strings.Contains(err.Error(), u.refused):
					refused++ // by pgrows, or by Postgres, which has no binary format for some.
				default:
					t.Errorf("%s, %v: got %s, %v, want %s", c.sql, mode, got, err, want)
				}
			}
		}
	}
	if t.Logf("%d written, %d refused", written, refused); refused == 0 || written < 100 {
		t.Errorf("%d written, %d refused", written, refused)
	}
}

// alterations are what can happen to types that were read before, and what is read then: by a
// program that has told pgx of them before and not since, by one that tells pgx again, and by
// one that never did.
var alterations = []struct {
	sql             []string
	value           string // of type c
	stale           string // "": as reloaded; "error: " and a part of the error
	reloaded, plain string
}{
	{nil, "(1,a,)", "", `{"n":1,"e":"a","d":null}`, "(1,a,)"},
	{[]string{"alter type e add value 'b c' before 'a'"}, `(1,"b c",2)`, "", `{"n":1,"e":"b c","d":2}`, `(1,"b c",2)`},
	{[]string{"alter type e rename value 'a' to 'z'"}, "(1,z,)", "", `{"n":1,"e":"z","d":null}`, "(1,z,)"},
	{[]string{"alter domain d drop constraint d_check", "alter domain d rename to dd"}, "(1,z,-2)", "", `{"n":1,"e":"z","d":-2}`, "(1,z,-2)"},
	{[]string{"alter type c add attribute more e[]"}, "(1,z,2,{z})", "error: type altered.c has changed", `{"n":1,"e":"z","d":2,"more":["z"]}`, "(1,z,2,{z})"},
	{[]string{"alter type c drop attribute d"}, "(1,z,{z})", "error: type altered.c has changed", `{"n":1,"e":"z","more":["z"]}`, "(1,z,{z})"},
	// Postgres sends neither the names of fields nor, in text, their types: nobody can know.
	{[]string{"alter type c rename attribute more to less"}, "(1,z,{z})", `{"n":1,"e":"z","more":["z"]}`, `{"n":1,"e":"z","less":["z"]}`, "(1,z,{z})"},
	{[]string{"alter type c rename to cc", "alter type e rename to ee", "alter type cc rename to c"}, "(1,z,{z})", "", `{"n":1,"e":"z","less":["z"]}`, "(1,z,{z})"},
	{[]string{"drop type c", "create type c as (other int8)"}, "(5)", `"(5)"`, `{"other":5}`, "(5)"},
}

// Types change while they are in use. What has become wrong is an error, not another value.
func TestAlteredTypes(t *testing.T) {
	told, untold := connect(t), connect(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := untold.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("drop schema if exists altered cascade; create schema altered; set search_path = altered")
	exec("create type e as enum ('a'); create domain d as int check (value > 0); create type c as (n int, e e, d d)")
	load := func() {
		t.Helper()
		for _, name := range []string{"altered.d", "altered.dd", "altered.e", "altered.ee", "altered._e", "altered._ee", "altered.c", "altered._c"} {
			typ, err := told.LoadType(t.Context(), name)
			if err != nil {
				continue // It has another name by now.
			}
			told.TypeMap().RegisterType(typ)
		}
		if _, ok := told.TypeMap().TypeForName("altered.c"); !ok {
			t.Fatal("pgx does not know the type")
		}
	}
	load()
	encoders := map[*pgx.Conn]*Encoder{told: NewEncoder(Options{}), untold: NewEncoder(Options{})}
	for i, a := range alterations {
		for _, sql := range a.sql {
			exec(sql)
		}
		check := func(conn *pgx.Conn, who, want string) {
			t.Helper()
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeSimpleProtocol} {
				sql := "select '" + a.value + "'::altered.c as v, array['" + a.value + "'::altered.c] as l, row('" + a.value + "'::altered.c) as r"
				got, err := encoded(t, conn, encoders[conn], sql, mode)
				if part, isError := strings.CutPrefix(want, "error: "); isError {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("step %d, %s, %v: got %s, %v, want an error", i, who, mode, got, err)
					}
					continue
				}
				text := strings.ReplaceAll(a.plain, `"`, `""`)
				if strings.ContainsAny(text, `(,"`) {
					text = `"` + text + `"`
				}
				whole, _ := json.Marshal("(" + text + ")")
				if all := `[{"v":` + want + `,"l":[` + want + `],"r":` + string(whole) + `}]`; err != nil || got != all {
					t.Errorf("step %d, %s, %v:\ngot  %s, %v\nwant %s", i, who, mode, got, err, all)
				}
			}
		}
		plain, _ := json.Marshal(a.plain)
		check(untold, "untold", string(plain))
		if a.stale != "" {
			check(told, "told before", a.stale)
		}
		load()
		check(told, "told", a.reloaded)
	}
}

// encoded returns the JSON of a query's rows by an encoder that was used before.
func encoded(t *testing.T, conn *pgx.Conn, e *Encoder, sql string, args ...any) (string, error) {
	t.Helper()
	return written(t, conn, sql, args, func(w *stream.Writer, rows pgx.Rows) error {
		_, err := e.Write(w, rows)
		return err
	})
}

// A Lookup that asks something else is an error.
func TestLookupOfSomethingElse(t *testing.T) {
	conn, other := connect(t), connect(t)
	if _, err := conn.Exec(t.Context(), "drop type if exists looked_up; create type looked_up as enum ('a')"); err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"select 1", "select where false", "select null, null, null, null, null, null"} {
		rows, err := conn.Query(t.Context(), "select row('a'::looked_up) as r")
		if err != nil {
			t.Fatal(err)
		}
		err = writeTo(io.Discard, rows, Options{Lookup: func(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
			return other.Query(ctx, answer)
		}})
		if err == nil || !strings.Contains(err.Error(), "catalog") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// A type that is registered with pgx after its first query is written as registered from then
// on, as it is with a new Encoder.
func TestRegisteredLater(t *testing.T) {
	encoder, shape := writer(NewEncoder(Options{}).Write), writer(NewShape([]Field{{Name: "v"}}, Options{}).Write)
	for _, c := range []struct {
		name   string
		write  func(w *stream.Writer, rows pgx.Rows) error
		arrays bool // are written before, for which Postgres's catalogs are asked
	}{{"Encoder", encoder, false}, {"Encoder", encoder, true}, {"Shape", shape, false}, {"Shape", shape, true}} {
		conn := connect(t)
		if _, err := conn.Exec(t.Context(), "drop type if exists later_c; create type later_c as (a int)"); err != nil {
			t.Fatal(err)
		}
		check := func(value, want string) {
			t.Helper()
			sql := "select " + value + " as v"
			got, err := written(t, conn, sql, []any{pgx.QueryExecModeSimpleProtocol}, c.write)
			if got != `[{"v":`+want+`}]` || err != nil {
				t.Errorf("%s, arrays=%v, %s: got %s, %v, want %s", c.name, c.arrays, value, got, err, want)
			}
		}
		check("row(1)::later_c", `"(1)"`)
		if c.arrays {
			check("array[row(1)::later_c]", `["(1)"]`)
		}
		typ, err := conn.LoadType(t.Context(), "later_c")
		if err != nil {
			t.Fatal(err)
		}
		conn.TypeMap().RegisterType(typ)
		check("row(1)::later_c", `{"a":1}`)
		check("array[row(1)::later_c]", `[{"a":1}]`)
	}
}

func writer(write func(*stream.Writer, pgx.Rows) (int64, error)) func(*stream.Writer, pgx.Rows) error {
	return func(w *stream.Writer, rows pgx.Rows) error {
		_, err := write(w, rows)
		return err
	}
}

// A connection that meets new types all the time does not keep them all.
func TestTypesAreForgotten(t *testing.T) {
	var sets typeSets
	m := pgtype.NewMap()
	for oid := range uint32(10 * maxTypes) {
		sets.of(m).met(1_000_000 + oid)
	}
	if n := len(sets.of(m).known); n > maxTypes {
		t.Errorf("%d types are known", n)
	}
	f := &facts{}
	for oid := range uint32(10 * maxTypes) {
		if _, err := f.of(&output{options: &Options{}, session: madeType(oid)}, oid); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.known); n > maxTypes+1 {
		t.Errorf("%d facts are known", n)
	}
}

// madeType is a session whose catalog has an enum of that OID.
type madeType uint32

func (m madeType) CatalogRows(context.Context, string) ([][][]byte, error) {
	return [][][]byte{{fmt.Append(nil, uint32(m)), []byte("e"), []byte("0"), []byte(","), []byte("made"), nil}}, nil
}

func (madeType) ParameterStatus(string) (string, error) { return "", nil }

// ownNumeric takes the place of pgx's codec for numeric, as that of pgx-shopspring-decimal does.
type ownNumeric struct{ pgtype.NumericCodec }

// A domain is written as its base, also if pgx was given another codec for that.
func TestDomainOfAReplacedCodec(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "drop domain if exists price; create domain price as numeric(12,2)"); err != nil {
		t.Fatal(err)
	}
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "numeric", OID: pgtype.NumericOID, Codec: ownNumeric{}})
	price, err := conn.LoadType(t.Context(), "price")
	if err != nil {
		t.Fatal(err)
	}
	conn.TypeMap().RegisterType(price)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		got, _, err := query(t, conn, Options{}, "select 12.50::numeric(12,2) as n, 12.50::price as p", mode)
		if want := `[{"n":12.50,"p":12.50}]`; got != want || err != nil {
			t.Errorf("%v: got %s, %v, want %s", mode, got, err, want)
		}
	}
}

// taggedCodec is a codec of one Go type that somebody has for several types of Postgres.
type taggedCodec struct {
	pgtype.TextCodec
	of string
}

// A type that shares no more than the Go type of its codec with numeric is not written as a number.
func TestCodecsOfOneGoType(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "drop type if exists version; create type version as enum ('v1')"); err != nil {
		t.Fatal(err)
	}
	version, err := conn.LoadType(t.Context(), "version")
	if err != nil {
		t.Fatal(err)
	}
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "numeric", OID: pgtype.NumericOID, Codec: taggedCodec{of: "numeric"}})
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "version", OID: version.OID, Codec: taggedCodec{of: "version"}})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		got, _, err := query(t, conn, Options{}, "select 'v1'::version as v", mode)
		if want := `[{"v":"v1"}]`; got != want || err != nil {
			t.Errorf("%v: got %s, %v, want %s", mode, got, err, want)
		}
	}
}
