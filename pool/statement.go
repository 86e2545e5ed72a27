package pool

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// fast tells whether the statement may share a connection: its cost is below slow.
func (s *statement) fast(slow time.Duration) bool {
	cost := s.cost.Load()
	return cost > 0 && cost < int64(slow) && !s.large.Load() && s.failing.Load() < oftenFailing && s.known() != nil
}

// observe takes in how long the statement ran. A slow run counts at once, fast ones
// win the statement's way back slowly: a slow neighbour hurts more than a fast
// statement on a connection of its own.
func (s *statement) observe(took time.Duration) {
	now := max(int64(took), 1)
	old := s.cost.Load()
	if old > 0 && now < old {
		now = old + (now-old)/8
	}
	s.cost.Store(max(now, 1))
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

// kindOf looks at the first word, behind white space, comments and parentheses.
func kindOf(sql string) kind {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f(")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
			continue
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql, "*/")
			continue
		}
		break
	}
	end := strings.IndexFunc(sql, func(r rune) bool { return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') })
	if end < 0 {
		end = len(sql)
	}
	switch strings.ToLower(sql[:end]) {
	case "select", "with", "values", "table", "show", "explain":
		return reads
	case "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "copy":
		return writes
	}
	return other
}
