package pgrows

import (
	"context"
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Options say how rows become JSON. The zero value writes columns under their own
// names.
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
}

// cancelTimeout bounds the time to tell Postgres that nobody reads its rows.
const cancelTimeout = 5 * time.Second

// Write writes rows as an array of objects and closes them. It returns the number
// of objects. If it returns an error, the array has not been ended: return the
// error to [stream.Respond] or give the writer up, so that no client takes the rows
// for all.
//
// Rows are read as fast as the writer's destination takes them: Postgres waits for
// a slow client. If the writer fails, the query is cancelled.
//
// Write plans anew what becomes of the columns. An [Encoder] remembers that, which
// counts for queries of few rows.
func Write(w *stream.Writer, rows pgx.Rows, o Options) (n int64, err error) {
	return write(w, rows, func(types *pgtype.Map) (*object, error) { return plan(rows.FieldDescriptions(), types, o) })
}

func write(w *stream.Writer, rows pgx.Rows, plan func(*pgtype.Map) (*object, error)) (n int64, err error) {
	defer rows.Close()
	var root *object
	var few [4]state // enough for most, without an allocation
	states := few[:]
	w.BeginArray()
	for rows.Next() {
		if root == nil {
			if root, err = plan(rows.TypeMap()); err != nil {
				return 0, err
			}
			if depth := root.depth(); depth > len(states) {
				states = make([]state, depth)
			}
		}
		begins, err := root.row(w, rows.RawValues(), states)
		if err == nil {
			err = w.Err()
		}
		if err != nil {
			cancel(rows)
			return n, err
		}
		if begins {
			n++
		}
	}
	if err := rows.Err(); err != nil {
		return n, err
	}
	if root != nil {
		root.close(w, states)
	}
	w.EndArray()
	return n, w.Err()
}

// cancel stops the query: closing the rows would read them all.
func cancel(rows pgx.Rows) {
	conn := rows.Conn()
	if conn == nil {
		return
	}
	ctx, done := context.WithTimeout(context.Background(), cancelTimeout)
	defer done()
	_ = conn.PgConn().CancelRequest(ctx)
}

// CamelCase turns snake_case into camelCase.
func CamelCase(name string) string {
	b := make([]byte, 0, len(name))
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

// columnError tells which column could not be written.
func columnError(column string, err error) error {
	return fmt.Errorf("pgrows: column %q: %w", column, err)
}
