package advisor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Record is what a [Recorder] has seen. It can be written as JSON, and read again.
type Record struct {
	Since      time.Time  `json:"since"`
	Until      time.Time  `json:"until"`
	Statements []Recorded `json:"statements"`
	Repeats    []Repeat   `json:"repeats"`
}

// Recorded is what was seen of a statement.
type Recorded struct {
	SQL string `json:"sql"`
	ClientStats
	// Samples are parameters of some runs, in Postgres's text format.
	Samples [][]*string `json:"samples,omitempty"`
}

// ClientStats are of a statement as its callers have seen it.
type ClientStats struct {
	Calls  int64         `json:"calls"` // about as many, if there are more than a thousand
	Errors int64         `json:"errors"`
	Rows   int64         `json:"rows"`
	Total  time.Duration `json:"total"`
	P50    time.Duration `json:"p50"` // upper bounds: they are powers of two
	P95    time.Duration `json:"p95"`
	P99    time.Duration `json:"p99"`
	// Histogram has how many runs took how long, without the durations of which there were
	// none.
	Histogram []Bucket `json:"histogram,omitempty"`
	// Callers are those of some runs, and how many these were.
	Callers map[string]int64 `json:"callers,omitempty"`
}

// Bucket is a cell of a histogram: runs that took at most so long, and longer than the
// power of two below.
type Bucket struct {
	AtMost time.Duration `json:"atMost"`
	Count  int64         `json:"count"`
}

// Record returns what was seen so far.
func (r *Recorder) Record() *Record {
	record := &Record{Since: r.since, Until: time.Now()}
	record.Repeats = r.repeated()
	for _, each := range r.statements.values.Range {
		s := each.(*seen)
		s.mu.Lock()
		each := Recorded{SQL: s.sql, Samples: slices.Clone(s.samples)}
		each.Callers = maps.Clone(s.callers)
		s.mu.Unlock()
		if s.sum(&each.ClientStats); each.Calls > 0 { // Else it was prepared only.
			record.Statements = append(record.Statements, each)
		}
	}
	slices.SortFunc(record.Statements, func(a, b Recorded) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.SQL, b.SQL))
	})
	return record
}

// sum reads the counters.
func (s *seen) sum(to *ClientStats) {
	to.Errors, to.Rows, to.Total = s.counts.errors.Load(), s.counts.rows.Load(), time.Duration(s.counts.nanos.Load())
	for i := range s.counts.buckets {
		if n := s.counts.buckets[i].Load(); n > 0 {
			to.Calls += n
			to.Histogram = append(to.Histogram, Bucket{time.Duration(1) << i, n})
		}
	}
	for q, d := range map[float64]*time.Duration{0.5: &to.P50, 0.95: &to.P95, 0.99: &to.P99} {
		left := int64(q * float64(to.Calls))
		for _, b := range to.Histogram {
			if left -= b.Count; left < 0 {
				*d = b.AtMost
				break
			}
		}
	}
}

// ReadRecord reads what [Record.Write] has written.
func ReadRecord(r io.Reader) (*Record, error) {
	record := new(Record)
	if err := json.NewDecoder(r).Decode(record); err != nil {
		return nil, fmt.Errorf("advisor: record: %w", err)
	}
	return record, nil
}

// Write writes the record as JSON. It has parameters in it, unless the recorder keeps
// none.
func (r *Record) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(r)
}

// texts returns parameters as Postgres's text format has them, or false if there are some
// that it does not know, or that are large. Values may be of the program's types, whose
// methods may panic.
func texts(args []any) (list []*string, ok bool) {
	defer func() {
		if recover() != nil {
			list, ok = nil, false
		}
	}()
	types := pgtype.NewMap()
	list = make([]*string, 0, len(args))
	left := maxSampleBytes
	for _, a := range args {
		if a == nil || reflect.ValueOf(a).Kind() == reflect.Pointer && reflect.ValueOf(a).IsNil() {
			list = append(list, nil)
			continue
		}
		if s, ok := a.(string); ok {
			list = append(list, new(strings.Clone(s)))
			left -= len(s)
			continue
		}
		oid := uint32(pgtype.TextOID)
		if t, ok := types.TypeForValue(a); ok {
			oid = t.OID
		} else if known, ok := kinds[reflect.Indirect(reflect.ValueOf(a)).Kind()]; ok {
			oid = known
		}
		text, err := types.Encode(oid, pgtype.TextFormatCode, a, nil)
		if err != nil {
			return nil, false
		}
		if text == nil {
			list = append(list, nil)
			continue
		}
		list = append(list, new(string(text)))
		left -= len(text)
	}
	return list, left >= 0
}

// kinds are the types of values whose own type pgx does not know.
var kinds = map[reflect.Kind]uint32{
	reflect.Int:     pgtype.Int8OID,
	reflect.Int8:    pgtype.Int8OID,
	reflect.Int16:   pgtype.Int8OID,
	reflect.Int32:   pgtype.Int8OID,
	reflect.Int64:   pgtype.Int8OID,
	reflect.Uint:    pgtype.Int8OID,
	reflect.Uint8:   pgtype.Int8OID,
	reflect.Uint16:  pgtype.Int8OID,
	reflect.Uint32:  pgtype.Int8OID,
	reflect.Uint64:  pgtype.Int8OID,
	reflect.Float32: pgtype.Float8OID,
	reflect.Float64: pgtype.Float8OID,
	reflect.Bool:    pgtype.BoolOID,
	reflect.Map:     pgtype.JSONBOID,
	reflect.Struct:  pgtype.JSONBOID,
}
