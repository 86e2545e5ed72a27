// Package result has results of statements that are no connection's.
package result

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Row is the first of some rows. It implements [pgx.Row].
type Row struct {
	Rows pgx.Rows
	Err  error // if there are no rows
}

// Scan stores the values of the first row; without one the error is pgx.ErrNoRows.
func (r Row) Scan(dest ...any) error {
	if r.Err != nil {
		return r.Err
	}
	defer r.Rows.Close()
	if err := Refuse(dest); err != nil {
		return err
	}
	if !r.Rows.Next() {
		if err := r.Rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	_ = r.Rows.Scan(dest...)
	r.Rows.Close()
	return r.Rows.Err()
}

// Refuse returns why a row that is closed after it was scanned cannot be stored there.
func Refuse(dest []any) error {
	for _, d := range dest {
		if _, ok := d.(*pgtype.DriverBytes); ok {
			return errors.New("cannot scan into *pgtype.DriverBytes from QueryRow")
		}
	}
	return nil
}

// Failed are the rows of a statement that was not run. It implements [pgx.Rows].
type Failed struct{ Error error }

// Close does nothing.
func (Failed) Close() {}

// Err returns the error.
func (f Failed) Err() error { return f.Error }

// CommandTag returns none.
func (Failed) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }

// FieldDescriptions returns none.
func (Failed) FieldDescriptions() []pgconn.FieldDescription { return nil }

// Next returns false.
func (Failed) Next() bool { return false }

// Scan returns the error.
func (f Failed) Scan(...any) error { return f.Error }

// Values returns the error.
func (f Failed) Values() ([]any, error) { return nil, f.Error }

// RawValues returns none.
func (Failed) RawValues() [][]byte { return nil }

// Conn returns nil.
func (Failed) Conn() *pgx.Conn { return nil }

// TypeMap returns nil.
func (Failed) TypeMap() *pgtype.Map { return nil }
