package pool

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// statement is what the Reader knows of an SQL text. It decides which way it goes:
// only what is known to be fast shares a connection with others.
type statement struct {
	sql       string
	kind      kind
	described atomic.Pointer[description]
	cost      atomic.Int64 // nanoseconds, a moving average; 0 if it has not run
	wait      atomic.Int32 // runs until a slow one may try a shared connection
	pause     atomic.Int32 // what wait begins with next time
	failing   atomic.Int64 // thousandths of its runs, a moving average
	large     atomic.Bool  // it had a result that is too large to be held
}

// description is what Postgres has said of a statement once. It is good until the
// schema changes.
type description struct {
	*pgconn.StatementDescription
	stale atomic.Bool

	once    sync.Once
	columns []pgconn.FieldDescription
}

// formatted returns the columns with the formats in which they come, which are the
// same each time.
func (d *description) formatted(formats []int16) []pgconn.FieldDescription {
	d.once.Do(func() {
		d.columns = slices.Clone(d.Fields)
		for i := range d.columns {
			d.columns[i].Format = formats[i]
		}
	})
	return d.columns
}

// matches tells whether Postgres still says the same of the columns.
func (d *description) matches(fields []pgproto3.FieldDescription) bool {
	if len(fields) != len(d.Fields) {
		return false
	}
	for i := range fields {
		if fields[i].DataTypeOID != d.Fields[i].DataTypeOID || string(fields[i].Name) != d.Fields[i].Name {
			return false
		}
	}
	return true
}

// way is how a statement is run.
type way uint8

const (
	itself way = iota // on a connection of its own
	shared
	trial // on a shared one, and nobody joins it until it is known how it went
)

// way tells how to run the statement, where a cost of slow is too much to be shared.
func (s *statement) way(slow time.Duration) way {
	cost := s.cost.Load()
	switch {
	case cost == 0 || s.large.Load() || s.failing.Load() >= oftenFailing || s.known() == nil:
		return itself
	case cost < int64(slow):
		return shared
	case s.wait.Add(-1) > 0:
		return itself
	}
	s.wait.Store(max(s.pause.Load(), firstPause))
	return trial
}

// Trials come after 4 runs, after 8 more, 16 more and so on.
const (
	firstPause = 4
	maxPause   = 4096
)

// observeShared takes in how long the statement has kept a shared connection. That is
// what it costs others.
func (s *statement) observeShared(took, slow time.Duration) {
	now, old := max(int64(took), 1), s.cost.Load()
	switch {
	case old < int64(slow): // The mean counts: one late answer of many fast ones is not its fault.
		s.cost.Store(max(old+(now-old)/8, 1))
	case now < int64(slow):
		s.cost.Store(now)
		s.pause.Store(firstPause)
	default:
		s.cost.Store(now)
		s.pause.Store(min(2*max(s.pause.Load(), firstPause), maxPause))
	}
}

// observeAlone takes in how long the statement ran on a connection of its own. That has
// in it how long its caller has waited for a CPU: on a busy machine everything looks
// slow, so it does not make a statement slow that is known to be fast.
func (s *statement) observeAlone(took time.Duration) {
	now, old := max(int64(took), 1), s.cost.Load()
	switch {
	case old == 0:
		s.cost.Store(now)
	case now < old:
		s.cost.Store(max(old+(now-old)/8, 1))
	}
}

// known returns the description if there is a good one.
func (s *statement) known() *description {
	if d := s.described.Load(); d != nil && !d.stale.Load() {
		return d
	}
	return nil
}

// oftenFailing is from which share of failures, in thousandths, a statement shares no
// connection: what comes behind a failure in a flight must be run again.
const oftenFailing = 100

// ended takes in whether a run has failed.
func (s *statement) ended(failed bool) {
	old := s.failing.Load()
	if failed {
		s.failing.Store(old + (1000-old)/8)
	} else if old > 0 {
		s.failing.Store(old - (old+63)/64)
	}
}

// maxStatements bounds what is known: texts that are made up must not fill the
// memory.
const maxStatements = 4096

// statements finds what is known of a text.
type statements struct {
	mu    sync.RWMutex
	bySQL map[string]*statement
}

func (t *statements) get(sql string) *statement {
	t.mu.RLock()
	s := t.bySQL[sql]
	t.mu.RUnlock()
	if s != nil {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s = t.bySQL[sql]; s == nil {
		if t.bySQL == nil || len(t.bySQL) >= maxStatements {
			t.bySQL = map[string]*statement{}
		}
		s = &statement{sql: strings.Clone(sql), kind: kindOf(sql)}
		t.bySQL[s.sql] = s
	}
	return s
}

// kind is what the first word of a statement says.
type kind uint8

const (
	reads  kind = iota
	writes      // Postgres refuses it, with an error that people know
	other       // it could change the session
)

// kindOf looks at the first word.
func kindOf(sql string) kind {
	switch sqltext.FirstWord(sql) {
	case "select", "with", "values", "table", "show", "explain":
		return reads
	case "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "copy":
		return writes
	}
	return other
}
