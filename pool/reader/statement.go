package reader

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

// statement is what the Reader knows of an SQL text.
type statement struct {
	sql      string
	refusal  string // why it is not taken; "" if it is
	single   bool   // the text has no second statement
	named    bool   // it may be the name of a statement that a hook has prepared
	learned  atomic.Pointer[description]
	doubted  atomic.Bool  // the schema has changed since
	learning atomic.Bool  // somebody has asked to learn it
	cost     atomic.Int64 // nanoseconds, a moving average; 0 if it has not run
	wait     atomic.Int32 // runs until a slow one may try a shared connection
	pause    atomic.Int32 // what wait begins with next time
	failing  atomic.Int64 // thousandths of its runs, a moving average
	size     atomic.Int64 // of its results that were held in bytes, the largest lately
	large    atomic.Bool  // it had a result that is too large to be held
}

// description is what Postgres has said of a statement once. It is good until the
// schema changes.
type description struct {
	*pgconn.StatementDescription
	volatile bool  // it may have effects, or see those of others in its transaction
	harmless bool  // nothing that it calls can write
	private  bool  // it must not run where others do
	lists    []int // parameters that are lists
	stale    atomic.Bool
	columns  atomic.Pointer[[]pgconn.FieldDescription]
}

// equal reports whether Postgres has said the same.
func (d *description) equal(other *description) bool {
	return d.volatile == other.volatile && d.harmless == other.harmless && d.private == other.private &&
		slices.Equal(d.ParamOIDs, other.ParamOIDs) && slices.Equal(d.Fields, other.Fields)
}

// formatted returns the columns with the formats in which they come.
func (d *description) formatted(formats []int16) []pgconn.FieldDescription {
	if known := d.columns.Load(); known != nil && slices.EqualFunc(*known, formats,
		func(f pgconn.FieldDescription, format int16) bool { return f.Format == format }) {
		return *known
	}
	columns := slices.Clone(d.Fields)
	for i := range columns {
		columns[i].Format = formats[i]
	}
	d.columns.Store(&columns)
	return columns
}

// matches reports whether Postgres still says the same of the columns.
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

// known returns the description if there is a good one.
func (s *statement) known() *description {
	if d := s.learned.Load(); d != nil && !d.stale.Load() && !s.doubted.Load() {
		return d
	}
	return nil
}

// due reports whether a slow statement is to try a shared connection: after 4 runs, after
// 8 more, 16 more and so on.
func (s *statement) due() bool {
	if s.wait.Add(-1) > 0 {
		return false
	}
	s.wait.Store(max(s.pause.Load(), firstPause))
	return true
}

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
		s.slowed(took)
	}
}

// slowed takes in that the statement has kept others waiting.
func (s *statement) slowed(took time.Duration) {
	s.cost.Store(int64(took))
	s.pause.Store(min(2*max(s.pause.Load(), firstPause), maxPause))
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

// held takes in the size of a result.
func (s *statement) held(n int) {
	old := s.size.Load()
	s.size.Store(max(int64(n), old-old/16))
}

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

// statementKey is a text, and settings under which its names mean the same.
type statementKey struct{ sql, scope string }

// statements finds what is known of a text.
type statements struct {
	mu    sync.RWMutex
	byKey map[statementKey]*statement
}

func (t *statements) get(sql, scope string) *statement {
	t.mu.RLock()
	s := t.byKey[statementKey{sql, scope}]
	t.mu.RUnlock()
	if s != nil {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s = t.byKey[statementKey{sql, scope}]; s != nil {
		return s
	}
	if t.byKey == nil {
		t.byKey = map[statementKey]*statement{}
	}
	if len(t.byKey) >= maxStatements {
		evicted := 0
		for key := range t.byKey { // in no order
			delete(t.byKey, key)
			if evicted++; evicted == maxStatements/8 {
				break
			}
		}
	}
	s = &statement{sql: strings.Clone(sql), single: sqltext.Single(sql)}
	if s.named = mayBeName(sql); !s.named {
		s.refusal = refusal(sql)
	}
	t.byKey[statementKey{s.sql, scope}] = s
	return s
}

// doubt has all statements learned again.
func (t *statements) doubt() {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.byKey {
		s.doubted.Store(true)
	}
}

// mayBeName reports whether a text can only be the name under which a statement was
// prepared, as pgx takes one: no statement is a single word, but for a few.
func mayBeName(sql string) bool {
	if !sqltext.OneWord(sql) {
		return false
	}
	switch strings.ToLower(sql) {
	case "", "abort", "analyze", "begin", "checkpoint", "cluster", "commit", "end", "reindex", "reset", "rollback",
		"vacuum":
		return false
	}
	return true
}

// refusal returns why the Reader does not take a statement, or "".
func refusal(sql string) string {
	switch sqltext.FirstWord(sql) {
	case "select", "with", "values", "table", "show", "explain":
	case "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop":
		return "" // Postgres refuses it, with an error that people know.
	default:
		return "use the pool, or a transaction of it"
	}
	if sqltext.HasEscapedNames(sql) {
		return "names with Unicode escapes may hide functions: write them without"
	}
	for name := range sqltext.Calls(sql) {
		if use, ok := effects(name); ok {
			return use
		}
	}
	return ""
}

// effects reports whether a function changes its session or transaction, and says what to
// use instead.
func effects(function string) (use string, ok bool) {
	switch {
	case function == "set_config":
		return "set_config changes a session that others share: use reader.WithSettings, or a transaction of the pool", true
	case function == "setseed", function == "pg_notify":
		return function + " has effects beyond its statement: use the pool", true
	case strings.HasPrefix(function, "pg_advisory_"), strings.HasPrefix(function, "pg_try_advisory_"):
		return function + " would lock a session or transaction that others share: use the pool", true
	}
	return "", false
}
