package reader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// heldRows is a result that is in memory. It implements pgx.Rows.
type heldRows struct {
	*memory
	memories *memories
	types    *types // of the connection
	session  *session
	settings *guard.Settings
	fields   []pgconn.FieldDescription // of all who run the statement, until the caller asks
	rest     []byte                    // of the memory's data: the rows that have not been read
	left     int                       // how many they are: rows without columns have no bytes
	tag      pgconn.CommandTag
	late     error // that ended the result, behind its rows
	err      error
	own      *pgtype.Map // while it is open
	trace    *trace      // that ends with it; nil if there is none
	begun    bool
	given    bool // the columns were given to the caller, who has a copy
	closed   bool
}

func newHeldRows(m *memories, s *statement, on *session, settings *guard.Settings) *heldRows {
	return &heldRows{memories: m, types: on.types, session: on, settings: settings, memory: m.get(int(s.size.Load()))}
}

// release gives the memory back. Like those of a connection, values are good until then.
func (r *heldRows) release() {
	m := r.memory
	r.memory = noMemory
	r.memories.put(m)
}

var _ pgx.Rows = (*heldRows)(nil)

var errRowsClosed = errors.New("rows is closed")

// fail ends the rows because of an error, which it returns.
func (r *heldRows) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	r.Close()
	return err
}

// Close ends the rows.
func (r *heldRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	if r.err == nil {
		r.err = r.late
	}
	if r.trace != nil {
		_ = r.trace.end(r.tag, r.err)
	}
	if r.own != nil {
		r.types.put(r.own)
		r.own = nil
	}
	r.release()
}

// Err returns the error of the query or of Scan.
func (r *heldRows) Err() error { return r.err }

// CommandTag returns the tag of the command.
func (r *heldRows) CommandTag() pgconn.CommandTag { return r.tag }

// FieldDescriptions returns the columns, which the caller may change, as with pgx.
func (r *heldRows) FieldDescriptions() []pgconn.FieldDescription {
	if !r.given {
		r.given, r.fields = true, slices.Clone(r.fields)
	}
	return r.fields
}

// Conn returns nil: the rows have no connection any more.
func (r *heldRows) Conn() *pgx.Conn { return nil }

// TypeMap returns the types that Scan uses, until the rows are closed.
func (r *heldRows) TypeMap() *pgtype.Map {
	if r.own == nil {
		m := r.types.get()
		if r.closed {
			return m // It is the caller's: nobody would give it back.
		}
		r.own = m
	}
	return r.own
}

// Next goes to the next row.
func (r *heldRows) Next() bool {
	if r.closed {
		return false
	}
	if !r.begun {
		r.begun, r.rest = true, r.data
		r.values = slices.Grow(r.values, len(r.fields))[:len(r.fields)]
	}
	if r.left == 0 {
		r.Close()
		return false
	}
	r.left--
	for i := range r.values {
		n := int32(binary.LittleEndian.Uint32(r.rest))
		r.rest = r.rest[4:]
		if n < 0 {
			r.values[i] = nil
			continue
		}
		r.values[i], r.rest = r.rest[:n:n], r.rest[n:]
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

// RawValues returns the values of the row in Postgres's format, which are good until Next
// or Close.
func (r *heldRows) RawValues() [][]byte { return r.values }

// Scan stores the values of the row.
func (r *heldRows) Scan(dest ...any) error {
	if r.closed {
		return errors.Join(r.err, errRowsClosed)
	}
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			if err := s.ScanRow(r); err != nil {
				return r.fail(err)
			}
			return nil
		}
	}
	if len(r.values) != len(r.fields) { // before Next
		return r.fail(fmt.Errorf("number of field descriptions must equal number of values, got %d and %d",
			len(r.fields), len(r.values)))
	}
	if len(dest) != len(r.fields) {
		return r.fail(fmt.Errorf("number of field descriptions must equal number of destinations, got %d and %d",
			len(r.fields), len(dest)))
	}
	r.plan(dest)
	texts := r.shortTexts()
	for i, d := range dest {
		if d == nil {
			continue
		}
		if n := len(r.values[i]); n <= len(texts) && isShortText(r.plans[i], r.values[i]) {
			*d.(*string), texts = texts[:n], texts[n:]
			continue
		}
		if err := r.plans[i].Scan(r.values[i], d); err != nil {
			return r.fail(pgx.ScanArgError{ColumnIndex: i, FieldName: r.fields[i].Name, Err: err})
		}
	}
	return nil
}

// plan sets the plans of the columns.
func (r *heldRows) plan(dest []any) {
	m := r.TypeMap()
	if len(r.plans) == 0 {
		r.plans, r.dests = slices.Grow(r.plans, len(dest))[:len(dest)], slices.Grow(r.dests, len(dest))[:len(dest)]
	}
	for i, d := range dest {
		if d == nil {
			r.plans[i] = nil
			continue
		}
		f := &r.fields[i]
		if t := reflect.TypeOf(d); r.plans[i] == nil || r.dests[i] != t {
			r.plans[i], r.dests[i] = m.PlanScan(f.DataTypeOID, f.Format, d), t
		}
	}
}

const (
	// maxShortText is the size in bytes up to which the texts of a row are strings of one
	// allocation.
	maxShortText = 128
	// maxShortTexts is the size in bytes of the largest such allocation, which any of its strings
	// keeps.
	maxShortTexts = 1 << 10
)

// textPlan is how pgx scans what comes as text into a string.
var textPlan = pgtype.NewMap().PlanScan(pgtype.TextOID, pgtype.TextFormatCode, new(string))

func isShortText(plan pgtype.ScanPlan, value []byte) bool {
	return 0 < len(value) && len(value) <= maxShortText && plan == textPlan
}

// shortTexts returns the first short texts of the row, one after the other; "" if there are
// fewer than two.
func (r *heldRows) shortTexts() string {
	n := 0
	r.text = r.text[:0]
	for i, plan := range r.plans {
		if isShortText(plan, r.values[i]) {
			if len(r.text)+len(r.values[i]) > maxShortTexts {
				break
			}
			r.text = append(r.text, r.values[i]...)
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return string(r.text)
}

// Values returns the values of the row as pgx decodes them.
func (r *heldRows) Values() ([]any, error) {
	if r.closed || len(r.values) != len(r.fields) {
		return nil, errRowsClosed
	}
	values := make([]any, len(r.fields))
	m := r.TypeMap()
	for i := range r.fields {
		f, src := &r.fields[i], r.values[i]
		if src == nil {
			continue
		}
		t, ok := m.TypeForOID(f.DataTypeOID)
		switch {
		case ok:
			v, err := t.Codec.DecodeValue(m, f.DataTypeOID, f.Format, src)
			if err != nil {
				return nil, r.fail(err)
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
