package reader

import (
	"github.com/gqlboost/gqlboost/pool/internal/result"
	"github.com/jackc/pgx/v5"
)

// This file has rows of QueryRow, and those that Exec drops. Nobody has seen anything of the
// result before Scan or Exec returns. So when the connection fails between a row and the result's
// end, the statement runs again and the result of that run counts: a server that stops at once
// sends what it has, which may be a row without an end.

// only is the row of a statement that runs alone.
type only struct{ rows *directRows }

// Scan stores the values of the row; without one the error is pgx.ErrNoRows.
func (r only) Scan(dest ...any) error {
	d := r.rows
	defer d.Close()
	if err := result.Refuse(dest); err != nil {
		return err
	}
	for d.Next() {
		if err := d.Scan(dest...); err != nil {
			return err
		}
		if err, again := d.finish(); !again {
			return err
		}
	}
	if err := d.Rows.Err(); err != nil {
		return err
	}
	return pgx.ErrNoRows
}

// finish reads to the result's end without showing it to anybody. If it has none, the query runs
// once more, if it may.
func (d *directRows) finish() (err error, again bool) {
	d.Rows.Close()
	if err = d.Rows.Err(); err == nil {
		return nil, false
	}
	d.begun, d.size = false, 0
	return err, d.retry(err)
}

// drop reads the result for nobody.
func (d *directRows) drop() {
	for again := true; again; {
		_, again = d.finish()
	}
}

// first is the row of a batch's first result.
type first struct {
	result.Row
	batch *batchResults
}

// Scan stores the values of the row; without one the error is pgx.ErrNoRows.
func (r first) Scan(dest ...any) error {
	for {
		err := r.Row.Scan(dest...)
		if err == nil || r.Err != nil || !r.batch.unseen(r.Rows.Err()) {
			return err
		}
		r.Rows, r.Err = r.batch.Query()
	}
}

// unseen runs the batch once more, if it may, as if nobody had asked for a result.
func (b *batchResults) unseen(err error) bool {
	b.begun = false
	again := err != nil && b.retry(err)
	b.begun = !again
	return again
}
