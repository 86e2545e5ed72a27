package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// heldRows is a result that is in memory. It implements pgx.Rows.
type heldRows struct {
	reader *Reader
	fields []pgconn.FieldDescription
	data   []byte // of each row its values: length, -1 for null, and bytes
	tag    pgconn.CommandTag
	err    error
	types  *pgtype.Map // while it is open
	values [][]byte
	plans  []pgtype.ScanPlan
	dests  []reflect.Type
	closed bool
}

var _ pgx.Rows = (*heldRows)(nil)

func (r *heldRows) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.Close()
}

// Close ends the rows.
func (r *heldRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	if r.types != nil {
		r.reader.types.Put(r.types)
		r.types = nil
	}
}

// Err returns the error of the query or of Scan.
func (r *heldRows) Err() error { return r.err }

// CommandTag returns the tag of the command.
func (r *heldRows) CommandTag() pgconn.CommandTag { return r.tag }

// FieldDescriptions returns the columns. They must not be changed.
func (r *heldRows) FieldDescriptions() []pgconn.FieldDescription { return r.fields }

// Conn returns nil: the rows have no connection any more.
func (r *heldRows) Conn() *pgx.Conn { return nil }

// TypeMap returns the types that Scan uses.
func (r *heldRows) TypeMap() *pgtype.Map { return r.typeMap() }

func (r *heldRows) typeMap() *pgtype.Map {
	if r.types == nil {
		r.types = r.reader.types.Get().(*pgtype.Map)
	}
	return r.types
}

// Next goes to the next row.
func (r *heldRows) Next() bool {
	if r.closed {
		return false
	}
	if len(r.data) == 0 {
		r.Close()
		return false
	}
	if r.values == nil {
		r.values = make([][]byte, len(r.fields))
	}
	for i := range r.values {
		n := int32(binary.LittleEndian.Uint32(r.data))
		r.data = r.data[4:]
		if n < 0 {
			r.values[i] = nil
			continue
		}
		r.values[i], r.data = r.data[:n:n], r.data[n:]
	}
	return true
}

// appendRow appends a row to data.
func appendRow(data []byte, values [][]byte) []byte {
	for _, v := range values {
		if v == nil {
			data = binary.LittleEndian.AppendUint32(data, ^uint32(0))
			continue
		}
		data = append(binary.LittleEndian.AppendUint32(data, uint32(len(v))), v...)
	}
	return data
}

// RawValues returns the values of the row in Postgres's format.
func (r *heldRows) RawValues() [][]byte { return r.values }

// Scan stores the values of the row.
func (r *heldRows) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			err := s.ScanRow(r)
			if err != nil {
				r.fail(err)
			}
			return err
		}
	}
	if len(dest) != len(r.fields) {
		err := fmt.Errorf("number of field descriptions must equal number of destinations, got %d and %d", len(r.fields), len(dest))
		r.fail(err)
		return err
	}
	types := r.typeMap()
	if r.plans == nil {
		r.plans, r.dests = make([]pgtype.ScanPlan, len(dest)), make([]reflect.Type, len(dest))
	}
	for i, d := range dest {
		if d == nil {
			continue
		}
		f := &r.fields[i]
		if t := reflect.TypeOf(d); r.plans[i] == nil || r.dests[i] != t {
			r.plans[i], r.dests[i] = types.PlanScan(f.DataTypeOID, f.Format, d), t
		}
		if err := r.plans[i].Scan(r.values[i], d); err != nil {
			err = pgx.ScanArgError{ColumnIndex: i, FieldName: f.Name, Err: err}
			r.fail(err)
			return err
		}
	}
	return nil
}

// Values returns the values of the row as pgx decodes them.
func (r *heldRows) Values() ([]any, error) {
	if r.closed {
		return nil, errors.New("rows is closed")
	}
	values := make([]any, len(r.fields))
	types := r.typeMap()
	for i := range r.fields {
		f, src := &r.fields[i], r.values[i]
		if src == nil {
			continue
		}
		t, ok := types.TypeForOID(f.DataTypeOID)
		switch {
		case ok:
			v, err := t.Codec.DecodeValue(types, f.DataTypeOID, f.Format, src)
			if err != nil {
				r.fail(err)
				return nil, err
			}
			values[i] = v
		case f.Format == pgx.TextFormatCode:
			values[i] = string(src)
		default:
			values[i] = append([]byte(nil), src...)
		}
	}
	return values, nil
}

// row is the first of some rows. It implements pgx.Row.
type row struct {
	rows pgx.Rows
	err  error
}

// Scan stores the values of the first row; without one the error is pgx.ErrNoRows.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	_ = r.rows.Scan(dest...)
	r.rows.Close()
	return r.rows.Err()
}

// failedRows are the rows of a query that was not run.
type failedRows struct{ err error }

func (failedRows) Close()                                       {}
func (r failedRows) Err() error                                 { return r.err }
func (failedRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (failedRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (failedRows) Next() bool                                   { return false }
func (r failedRows) Scan(...any) error                          { return r.err }
func (r failedRows) Values() ([]any, error)                     { return nil, r.err }
func (failedRows) RawValues() [][]byte                          { return nil }
func (failedRows) Conn() *pgx.Conn                              { return nil }
func (failedRows) TypeMap() *pgtype.Map                         { return nil }
