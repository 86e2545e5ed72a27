package pgrows

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
)

// Options configures how rows become JSON. The zero value writes columns under
// their own names.
type Options struct {
	// Rename returns the name of a member, from a part of a column's name:
	// CamelCase for instance.
	Rename func(string) string
	// Typenames adds __typename to objects. Their keys are paths in columns' names:
	// "" for rows, "author" and "comments[]" for those within.
	Typenames map[string]string
	// Int8AsString and NumericAsString write these as strings, for clients that
	// read numbers as float64.
	Int8AsString, NumericAsString bool
	// RenameJSON applies Rename to the names inside of json and jsonb values.
	RenameJSON bool
	// HstoreAsObject writes values of the extension hstore as objects. Without it they
	// are strings, as in Postgres's row_to_json.
	HstoreAsObject bool
	// Lookup runs a query on another connection than the rows', such as Query of a pool
	// does. It is called when a value within a record or a range, or an array, has a type
	// that is not registered with pgx: at most once for each such type and connection. By
	// default, a connection is opened for that with the configuration of the rows' own,
	// and closed again. Rows of a pool.Reader, which have left their connection, need no
	// Lookup either: they ask the pool.
	Lookup func(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// cancelTimeout bounds the time to tell Postgres that nobody reads its rows.
const cancelTimeout = 5 * time.Second

// Write writes rows as an array of objects and closes them. It returns the number
// of objects. If it returns an error, the array has not been ended: return the
// error to [stream.Respond] or abandon the writer, so that no client takes the rows
// for complete.
//
// Rows are read as fast as the writer's destination takes them: Postgres waits for
// a slow client. If the writer fails, the query is cancelled.
//
// Write plans the columns for each call. An [Encoder] keeps the plan, which matters
// for queries of few rows.
func Write(w *stream.Writer, rows pgx.Rows, o Options) (n int64, err error) {
	return write(w, rows, func() (*object, *types, error) {
		types := newTypes(rows.TypeMap(), o)
		root, err := plan(rows.FieldDescriptions(), types)
		return root, types, err
	})
}

func write(w *stream.Writer, rows pgx.Rows, plan func() (*object, *types, error)) (n int64, err error) {
	ended := false
	defer func() { finish(rows, ended) }()
	w.BeginArray()
	if rows.Next() {
		root, types, err := plan()
		if err != nil {
			return 0, err
		}
		o, err := newOutput(w, rows, types)
		if err != nil {
			return 0, err
		}
		n, err = root.rows(o, rows, &ended)
		o.release()
		if err != nil {
			return n, err
		}
	}
	ended = true
	if err := rows.Err(); err != nil {
		return n, err
	}
	w.EndArray()
	return n, w.Err()
}

// finish closes rows. If they have not ended, because of an error or a panic, it stops the
// query first: closing the rows would read them all.
func finish(rows pgx.Rows, ended bool) {
	if !ended {
		cancel(rows)
	}
	rows.Close()
}

// canceler asks Postgres to end a query. A connection does, and so do rows that hide their connection, such
// as those of a pool.Reader.
type canceler interface {
	CancelRequest(ctx context.Context) error
}

func cancel(rows pgx.Rows) {
	c, ok := rows.(canceler)
	if !ok {
		conn := rows.Conn()
		if conn == nil {
			return
		}
		c = conn.PgConn()
	}
	ctx, done := context.WithTimeout(context.Background(), cancelTimeout)
	defer done()
	_ = c.CancelRequest(ctx)
}

// CamelCase turns snake_case into camelCase.
func CamelCase(name string) string {
	if strings.IndexByte(name, '_') < 0 {
		return name
	}
	b := make([]byte, 0, 64)
	upper := false
	for i := range len(name) {
		c := name[i]
		if c == '_' && len(b) > 0 && i+1 < len(name) {
			upper = true
			continue
		}
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = false
		b = append(b, c)
	}
	return string(b)
}

// columnError says which column could not be written.
func columnError(column string, err error) error {
	return fmt.Errorf("pgrows: column %q: %w", column, err)
}
