// Package guard runs statements in transactions that begin with session settings: a
// role, parameters, or that they only read. All of them are local to the transaction,
// so nothing of them is left on a connection, also behind PgBouncer.
package guard

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// Settings are the session settings of a context. A nil *Settings has none.
type Settings struct {
	// Err says why they cannot be used. Every statement of the context fails with it.
	Err error
	// ID is equal for equal settings, and for no others.
	ID string
	// Scope is equal for settings under which a statement means the same once it is parsed, and
	// may stay prepared: those with the same role and the same parameters of Postgres itself.
	// TimeZone decides what a literal means, search_path what a name does, and what each of
	// Postgres's parameters decides a later version may change. Parameters of a program
	// (app.tenant) and those of atRunTime are read when a statement runs.
	Scope string

	role   string
	names  []string // of parameters, sorted
	values []string
}

// refused are parameters that are not settings of a request, with what to use instead.
var refused = map[string]string{
	"role":                           "use Settings.Role",
	"session_authorization":          "use Settings.Role",
	"transaction_read_only":          "use pgx.TxOptions with Pool.BeginTx",
	"default_transaction_read_only":  "use pgx.TxOptions with Pool.BeginTx",
	"transaction_isolation":          "use pgx.TxOptions with Pool.BeginTx",
	"default_transaction_isolation":  "use pgx.TxOptions with Pool.BeginTx",
	"transaction_deferrable":         "use pgx.TxOptions with Pool.BeginTx",
	"default_transaction_deferrable": "use pgx.TxOptions with Pool.BeginTx",
}

// atRunTime are parameters of Postgres that requests may have values of their own for, and that
// do not change what a statement means.
var atRunTime = map[string]bool{
	"statement_timeout": true, "lock_timeout": true, "transaction_timeout": true,
	"idle_in_transaction_session_timeout": true,
	"application_name":                    true, "client_min_messages": true, "log_min_duration_statement": true,
	"log_statement": true, "work_mem": true, "temp_file_limit": true,
}

// New returns settings. The map is copied.
func New(role string, parameters map[string]string) *Settings {
	s := &Settings{role: role}
	if role == "none" {
		s.fail("role %q would be that of the login: leave Role empty", role)
	}
	if strings.ContainsRune(role, 0) {
		s.fail("role %q has a zero byte", role)
	}
	for name, value := range parameters {
		lower := strings.ToLower(name)
		switch use, ok := refused[lower]; {
		case name == "":
			s.fail("a parameter has no name")
		case ok:
			s.fail("parameter %q cannot be set: %s", name, use)
		case strings.ContainsRune(name, 0), strings.ContainsRune(value, 0):
			s.fail("parameter %q has a zero byte", name)
		}
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	id := strconv.Quote(role)
	given := map[string]bool{}
	for _, name := range s.names {
		lower := strings.ToLower(name)
		if given[lower] {
			s.fail("parameter %q is given twice", name)
		}
		given[lower] = true
		value := parameters[name]
		s.values = append(s.values, value)
		id += strconv.Quote(name) + strconv.Quote(value)
		if !strings.Contains(name, ".") && !atRunTime[lower] {
			s.Scope += strconv.Quote(name) + strconv.Quote(value)
		}
	}
	s.ID = id
	if role != "" {
		// "$user" is in the search path by default. Besides, what one role may know, such as a
		// table in its schema, Postgres does not check again for what another has prepared.
		s.Scope = "role " + strconv.Quote(role) + s.Scope
	}
	return s
}

func (s *Settings) fail(format string, args ...any) {
	s.Err = errors.Join(s.Err, fmt.Errorf("pool: settings: "+format, args...))
}

// Parse returns the settings of an ID. For other text they have an Err.
func Parse(id string) *Settings {
	var texts []string
	for rest := id; rest != ""; {
		quoted, _ := strconv.QuotedPrefix(rest)
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return &Settings{Err: fmt.Errorf("pool: settings: %w", err)}
		}
		texts, rest = append(texts, text), rest[len(quoted):]
	}
	if len(texts)%2 != 1 {
		return &Settings{Err: fmt.Errorf("pool: settings: %w", strconv.ErrSyntax)}
	}
	parameters := make(map[string]string, len(texts)/2)
	for i := 1; i < len(texts); i += 2 {
		parameters[texts[i]] = texts[i+1]
	}
	return New(texts[0], parameters)
}

type contextKey struct{}

// With returns a context with settings.
func With(ctx context.Context, s *Settings) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// From returns the settings of a context, or nil.
func From(ctx context.Context) *Settings {
	if ctx == nil {
		return &Settings{Err: ErrNoContext}
	}
	s, _ := ctx.Value(contextKey{}).(*Settings)
	return s
}

// ErrNoContext is the error of everything for a nil context.
var ErrNoContext = errors.New("pool: the context is nil")

// Check returns the reason why the settings of a context cannot be used, if there is one.
func Check(ctx context.Context) error {
	if s := From(ctx); s != nil {
		return s.Err
	}
	return nil
}

// Value returns the value of a parameter, if it is set.
func (s *Settings) Value(name string) (value string, ok bool) {
	if s == nil {
		return "", false
	}
	for i := range s.names {
		if strings.EqualFold(s.names[i], name) {
			return s.values[i], true
		}
	}
	return "", false
}

// Guard is what a transaction begins with.
type Guard struct {
	Settings *Settings
	ReadOnly bool
	Timeout  time.Duration     // of its statements; 0: the session's
	Mode     pgx.QueryExecMode // of the connection
	Accepted *Accepted         // may be nil
	// Transaction has a transaction begun for what cannot be described by its text.
	Transaction bool
	// Overtaken says that the schema has changed between the description of a statement and its
	// execution. Both are in one transaction then: a description locks the tables that it reads.
	Overtaken bool
	// Prepared is how many statements are kept prepared on the connection; 0: none.
	Prepared int
	// Replayed is a position in the log that the server must have replayed, else nothing is run
	// and the error is [ErrBehind]. 0: none.
	Replayed uint64
}

// Empty reports whether a transaction needs nothing at its beginning.
func (g Guard) Empty() bool {
	return g.Settings == nil && !g.ReadOnly && g.Timeout == 0 && g.Replayed == 0
}

// Shape is what the text of a guard's statement depends on.
type Shape struct {
	parameters     int
	role, readOnly bool
	timeout        time.Duration
	replayed       bool
}

// Shape returns the guard's.
func (g Guard) Shape() Shape {
	shape := Shape{readOnly: g.ReadOnly, timeout: g.Timeout, replayed: g.Replayed > 0}
	if g.Settings != nil {
		shape.parameters, shape.role = len(g.Settings.names), g.Settings.role != ""
	}
	return shape
}

// Statement returns the statement that makes it hold for the transaction in which it runs.
// Its arguments are those of [Guard.Args].
func (s Shape) Statement() string {
	var calls []string
	if s.replayed { // Before the role, which may not be allowed to ask. Its argument is the last.
		last := 2*s.parameters + 1
		if s.role {
			last++
		}
		calls = append(calls, hasReplayed("$"+strconv.Itoa(last)))
	}
	if s.readOnly {
		calls = append(calls, "pg_catalog.set_config('transaction_read_only', 'on', true)")
	}
	if s.timeout > 0 {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config('statement_timeout', '%d', true)",
			max(s.timeout.Milliseconds(), 1)))
	}
	for i := range s.parameters {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config($%d, $%d, true)", 2*i+1, 2*i+2))
	}
	if s.role { // Last: what it may not do, the others do not need.
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config('role', $%d, true)", 2*s.parameters+1))
	}
	if len(calls) == 0 { // settings of nothing
		return "select"
	}
	return "select " + strings.Join(calls, ", ")
}

// Args returns the arguments of the guard's statement.
func (g Guard) Args() (args []string) {
	if s := g.Settings; s != nil {
		for i, name := range s.names {
			args = append(args, name, s.values[i])
		}
		if s.role != "" {
			args = append(args, s.role)
		}
	}
	if g.Replayed > 0 {
		args = append(args, formatLSN(g.Replayed))
	}
	return args
}

// statement returns the statement of the simple protocol that sets them for the transaction, ""
// if there are none.
func (s *Settings) statement() string {
	var calls []string
	for i, name := range s.names {
		calls = append(calls, "pg_catalog.set_config("+Literal(name)+", "+Literal(s.values[i])+", true)")
	}
	if s.role != "" {
		calls = append(calls, "pg_catalog.set_config('role', "+Literal(s.role)+", true)")
	}
	if len(calls) == 0 {
		return ""
	}
	return "select " + strings.Join(calls, ", ")
}

// Literal quotes a string so that it is the same whatever standard_conforming_strings and
// client_encoding are. In some encodings (SJIS, BIG5, GBK ...) a backslash may be the second byte of a
// character.
func Literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return "pg_catalog.convert_from(pg_catalog.decode('" + hex.EncodeToString([]byte(s)) +
				"', 'hex'), pg_catalog.pg_client_encoding())"
		}
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
