package pgrows

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// shapeOf returns the JSON of a query's rows, of all or of the first.
func shapeOf(t testing.TB, conn *pgx.Conn, s *Shape, first bool, sql string, args ...any) (string, error) {
	t.Helper()
	return written(t, conn, sql, args, func(w *stream.Writer, rows pgx.Rows) error {
		if first {
			return s.WriteFirst(w, rows)
		}
		_, err := s.Write(w, rows)
		return err
	})
}

var posts = []Field{
	{Name: "__typename", Constant: "Post"},
	{Name: "id", Quoted: true},
	{Name: "title"},
	{Name: "author", Fields: []Field{{Name: "name"}, {Name: "id", Quoted: true}, {Name: "__typename", Constant: "User"}}},
	{Name: "comments", Fields: []Field{{Name: "body"}, {Name: "by", Fields: []Field{{Name: "name"}}}, {Name: "likes", Fields: []Field{}}}},
	{Name: "tags"},
}

func TestShape(t *testing.T) {
	conn := connect(t)
	const sql = `select i::int8, 'title ' || i, case when i <> 2 then row('Ada "A."', i::int4) end,
		array(select row('c' || c, case when c = 1 then row('Bob'::text) end, array(select row() from generate_series(1, c))) from generate_series(1, i - 1) c), array['x', null]
		from generate_series(1, $1::int) i`
	s := NewShape(posts, Options{})
	for range 2 { // The second time types are known.
		got, err := shapeOf(t, conn, s, false, sql, 3)
		want := `[{"__typename":"Post","id":"1","title":"title 1","author":{"name":"Ada \"A.\"","id":"1","__typename":"User"},"comments":[],"tags":["x",null]},` +
			`{"__typename":"Post","id":"2","title":"title 2","author":null,"comments":[{"body":"c1","by":{"name":"Bob"},"likes":[{}]}],"tags":["x",null]},` +
			`{"__typename":"Post","id":"3","title":"title 3","author":{"name":"Ada \"A.\"","id":"3","__typename":"User"},"comments":[{"body":"c1","by":{"name":"Bob"},"likes":[{}]},{"body":"c2","by":null,"likes":[{},{}]}],"tags":["x",null]}]`
		if got != want || err != nil {
			t.Errorf("got\n%s, %v, want\n%s", got, err, want)
		}
	}
	if got, err := shapeOf(t, conn, s, true, sql, 2); !strings.HasPrefix(got, `{"__typename":"Post","id":"1"`) || strings.Contains(got, `"id":"2"`) || err != nil {
		t.Errorf("the first: %s, %v", got, err)
	}
	if got, err := shapeOf(t, conn, s, true, sql, 0); got != "null" || err != nil {
		t.Errorf("none: %s, %v", got, err)
	}
	if got, err := shapeOf(t, conn, s, false, sql, 0); got != "[]" || err != nil {
		t.Errorf("none: %s, %v", got, err)
	}
}

// A value within records is written as one in a column.
func TestValuesInRecords(t *testing.T) {
	conn := connect(t)
	s := NewShape([]Field{{Name: "v"}, {Name: "r", Fields: []Field{{Name: "v"}}}, {Name: "l", Fields: []Field{{Name: "v"}}}}, Options{})
	for _, c := range valueCases {
		if strings.Contains(c.sql, "address") || strings.Contains(c.sql, "mood") || strings.Contains(c.sql, "positive") { // types that another test makes
			continue
		}
		got, err := shapeOf(t, conn, s, true, "select "+c.sql+", row("+c.sql+"), array(select row("+c.sql+"))")
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		var o struct {
			V any
			R struct{ V any }
			L []struct{ V any }
		}
		if err := json.Unmarshal([]byte(got), &o); err != nil {
			t.Errorf("%s: %v: %s", c.sql, err, got)
		} else if !reflect.DeepEqual(o.V, o.R.V) || len(o.L) != 1 || !reflect.DeepEqual(o.V, o.L[0].V) {
			t.Errorf("%s: %s", c.sql, got)
		}
	}
}

func TestShapesThatDoNotFit(t *testing.T) {
	conn := connect(t)
	for _, sql := range []string{"select 1", "select 1, 2, 3", "select 1, row(1)", "select 1, row(1, 2, 3)", "select 1, 2", "select 1, array(select row(1))", "select 1, row(1, 'x'::text), 3"} {
		s := NewShape([]Field{{Name: "a"}, {Name: "b", Fields: []Field{{Name: "c"}, {Name: "d"}}}}, Options{})
		if got, err := shapeOf(t, conn, s, true, sql); err == nil {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if _, err := shapeOf(t, conn, NewShape([]Field{{Name: "a"}}, Options{}), true, "select 1/0"); err == nil {
		t.Error("an error of the query is lost")
	}
	s := NewShape([]Field{{Name: "a", Quoted: true}}, Options{})
	rows, err := conn.Query(t.Context(), "select 1::int8", pgx.QueryResultFormats{pgtype.TextFormatCode})
	if err != nil {
		t.Fatal(err)
	}
	w := stream.NewWriter(new(bytes.Buffer), stream.Options{})
	defer w.Close()
	if err := s.WriteFirst(w, rows); err == nil {
		t.Error("a text format was taken for a binary one")
	}
}

// Whatever bytes a server sends, they are written or refused.
func FuzzRecords(f *testing.F) {
	conn := connect(f)
	for _, sql := range []string{"select row(1, 'x'::text)", "select array(select row(1, 'x'::text))", "select array(select row(1, null) from generate_series(1, 3))"} {
		rows, err := conn.Query(f.Context(), sql)
		if err != nil {
			f.Fatal(err)
		}
		for rows.Next() {
			f.Add(bytes.Clone(rows.RawValues()[0]))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s := NewShape([]Field{{Name: "r", Fields: []Field{{Name: "a"}, {Name: "b", Fields: []Field{{Name: "c"}}}}}}, Options{})
		for _, oid := range []uint32{pgtype.RecordOID, pgtype.RecordArrayOID} {
			var b bytes.Buffer
			w := stream.NewWriter(&b, stream.Options{})
			types := newTypes(pgtype.NewMap(), Options{})
			err := s.fields[0].write(&output{w: w, types: types, options: &types.options}, oid, pgtype.BinaryFormatCode, src)
			if closed := w.Close(); err == nil && closed == nil && !json.Valid(b.Bytes()) {
				t.Errorf("%x: %s", src, b.Bytes())
			}
		}
	})
}
