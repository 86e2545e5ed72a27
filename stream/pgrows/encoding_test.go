package pgrows

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
)

// JSON is UTF-8: text in another encoding is refused, not taken for what it is not.
func TestClientEncoding(t *testing.T) {
	conn := connect(t)
	p, err := pool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	shape := NewShape([]Field{{Name: "v"}}, Options{})
	for encoding, fails := range map[string]bool{"latin1": true, "unicode": false, "UTF-8": false, "sql_ascii": false} {
		if _, err := conn.Exec(t.Context(), "set client_encoding = '"+encoding+"'"); err != nil {
			t.Fatal(err)
		}
		for name, ask := range map[string]func() (pgx.Rows, error){
			"connection": func() (pgx.Rows, error) { return conn.Query(t.Context(), "select chr(233) as v") },
			"reader": func() (pgx.Rows, error) {
				ctx := reader.WithSettings(t.Context(), reader.Settings{GUC: map[string]string{"client_encoding": encoding}})
				return p.Reader().Query(ctx, "select chr(233) as v")
			},
		} {
			for how, write := range map[string]func(w *stream.Writer, rows pgx.Rows) error{
				"rows":  func(w *stream.Writer, rows pgx.Rows) error { _, err := Write(w, rows, Options{}); return err },
				"shape": func(w *stream.Writer, rows pgx.Rows) error { _, err := shape.Write(w, rows); return err },
			} {
				rows, err := ask()
				if err != nil {
					if !fails {
						t.Errorf("%s, %s: %v", encoding, name, err)
					}
					continue // The reader may refuse the setting itself.
				}
				var b bytes.Buffer
				w := stream.NewWriter(&b, stream.Options{})
				err = errors.Join(write(w, rows), w.Close())
				if failed := err != nil && strings.Contains(err.Error(), "client_encoding"); failed != fails {
					t.Errorf("%s, %s, %s: %s, %v", encoding, name, how, b.String(), err)
				} else if !fails && b.String() != `[{"v":"é"}]` {
					t.Errorf("%s, %s, %s: %s, %v", encoding, name, how, b.String(), err)
				}
			}
		}
	}
}

// JSON inside of HTML has no <, > and & from any type or name.
func TestEscapeHTML(t *testing.T) {
	conn := connect(t)
	const sql = `select '<(1,2),3>'::circle as "<a>", '{"<":"&"}'::jsonb as b, '["</script>"]'::json as c, '<&>'::text as d, array['<'] as e,
		array['{"<":1}'::json] as f, row('<', '<(1,2),3>'::circle) as g, '<a>&amp;</a>'::xml as h, '<'::"char" as i, '<(1,2),3>'::circle as "j__<k>"`
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		rows, err := conn.Query(t.Context(), sql, mode)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := stream.NewWriter(&b, stream.Options{EscapeHTML: true})
		_, err = Write(w, rows, Options{Typenames: map[string]string{"": "<T>"}})
		if err = errors.Join(err, w.Close()); err != nil || strings.ContainsAny(b.String(), "<>&") {
			t.Errorf("%v: %s, %v", mode, b.String(), err)
		}
	}
}
