package advisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// pg_stat_statements puts parameters in place of constants also where no parameter may
// be (interval $1), and where its type cannot be known (jsonb_build_object($1, ...), VALUES).
// Postgres says what is wrong and where, so each of its complaints is answered until there
// is none left.

// text is a statement that can be prepared, and the types of its parameters; 0 is one that
// Postgres infers.
type text struct {
	sql   string
	types []uint32
}

const maxRepairs = 100 // of one statement: each repair answers one complaint

// prepare returns the statement as it can be prepared, with the types of all parameters.
func (a *analysis) prepare(ctx context.Context, s *statement) (text, error) {
	t := text{sql: s.body}
	var problem error
	for range maxRepairs {
		types, err := a.infer(ctx, s, t)
		if err == nil {
			t.types = types
			return t, nil
		}
		problem = err
		var e *pgconn.PgError
		if !errors.As(err, &e) || !a.repair(ctx, s, &t, e) {
			break
		}
	}
	return t, problem
}

// infer prepares a statement and returns the types of its parameters.
func (a *analysis) infer(ctx context.Context, s *statement, t text) (types []uint32, err error) {
	conn := a.tx.Conn().PgConn()
	err = a.savepoint(ctx, func() error {
		if err := a.asApplication(ctx, s); err != nil {
			return err
		}
		said, err := conn.Prepare(ctx, preparedName, t.sql, t.types)
		if err == nil {
			types = said.ParamOIDs
		}
		return err
	})
	if err == nil {
		err = conn.Deallocate(ctx, preparedName)
	}
	return types, err
}

// repair changes the statement so that Postgres has one complaint less.
func (a *analysis) repair(ctx context.Context, s *statement, t *text, e *pgconn.PgError) bool {
	switch e.Code {
	case "42601": // syntax error
		sql := typedLiteral(t.sql, byteOffset(t.sql, int(e.Position)))
		changed := sql != t.sql
		t.sql = sql
		return changed
	case "42P18": // indeterminate data type
		n := 0
		if m := mentioned.FindStringSubmatch(e.Message); m != nil {
			n = atoi(m[1]) // There is no position if the statement has no such parameter any more.
		}
		return n > 0 && n <= maxParameters && t.set([]int{n}, pgtype.TextOID)
	case "42883", "42725", "42804", "42846": // no or several such operators, another type, no such cast
		return a.retype(ctx, s, t, e)
	}
	return false
}

// set gives parameters a type, and reports whether one of them had none.
func (t *text) set(numbers []int, oid uint32) (changed bool) {
	t.types = slices.Clone(t.types)
	for _, n := range numbers {
		if grow := n - len(t.types); grow > 0 {
			t.types = append(t.types, make([]uint32, grow)...)
		}
		changed = changed || t.types[n-1] == 0
		t.types[n-1] = oid
	}
	return changed
}

// retype looks for parameters that are to have another type than the text for which
// Postgres takes them: those of the same column of VALUES, of the same list, or one.
func (a *analysis) retype(ctx context.Context, s *statement, t *text, e *pgconn.PgError) bool {
	for _, oid := range a.wanted(ctx, e.Message) {
		for _, group := range groups(t.sql) {
			tried := *t
			if !tried.set(group, oid) {
				continue
			}
			_, err := a.infer(ctx, s, tried)
			var now *pgconn.PgError
			if err == nil ||
				errors.As(err, &now) && (now.Code != e.Code || now.Position > e.Position || now.Message != e.Message) {
				*t = tried
				return true
			}
			if ctx.Err() != nil {
				return false
			}
		}
	}
	return false
}

// typeName finds what may be types in a message ("operator does not exist: integer = text",
// "column "id" is of type bigint but expression is of type text").
var typeName = regexp.MustCompile(
	`double precision|character varying|(?:timestamp|time) with(?:out)? time zone|[a-z_][a-z0-9_.]*(?:\[\])?`,
)

// wanted returns types that a parameter may have to have: those of the message, and those
// that constants mostly have.
func (a *analysis) wanted(ctx context.Context, message string) (oids []uint32) {
	for _, name := range typeName.FindAllString(message, -1) {
		var oid *uint32
		_ = a.savepoint(ctx, func() error {
			return a.tx.QueryRow(ctx, "select "+ourOwn+" to_regtype($1)::oid", name).Scan(&oid)
		})
		if oid != nil && !slices.Contains(oids, *oid) && *oid != pgtype.TextOID && *oid != pgtype.UnknownOID {
			oids = append(oids, *oid)
		}
	}
	for _, oid := range []uint32{
		pgtype.Int4OID, pgtype.TimestamptzOID, pgtype.TextOID, pgtype.NumericOID, pgtype.DateOID, pgtype.IntervalOID,
	} {
		if !slices.Contains(oids, oid) {
			oids = append(oids, oid)
		}
	}
	return oids
}

// groups returns parameters that have one type: of the same column of VALUES, between the
// same parentheses, and each on its own.
func groups(sql string) (list [][]int) {
	numbers := parameterNumbers(sql)
	known := map[string]int{} // without those in comments, which may have any number
	for _, n := range numbers {
		known[fmt.Sprint("$", n)] = n
	}
	type place struct{ open, column int }
	columns := map[int][]int{}  // by the column of a row of VALUES
	brackets := map[int][]int{} // by where the parenthesis is
	var order []int
	var stack []place
	values := false
	for _, tok := range tokenize(sql) {
		switch word := strings.ToLower(tok); {
		case word == "values":
			values = true
		case word == "(" || word == "[":
			stack = append(stack, place{open: len(order)})
			order = append(order, 0)
		case word == ")" || word == "]":
			stack = stack[:max(len(stack)-1, 0)]
		case word == "," && len(stack) > 0:
			stack[len(stack)-1].column++
		case known[word] > 0 && len(stack) > 0:
			top, n := stack[len(stack)-1], known[word]
			brackets[top.open] = append(brackets[top.open], n)
			if values {
				columns[top.column] = append(columns[top.column], n)
			}
		}
	}
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		list = append(list, columns[column])
	}
	for open := range order {
		if len(brackets[open]) > 1 {
			list = append(list, brackets[open])
		}
	}
	for _, n := range numbers {
		list = append(list, []int{n})
	}
	return list
}

// parameterNumbers returns the numbers of a statement's parameters.
func parameterNumbers(sql string) (numbers []int) {
	known := map[int]bool{}
	parameters(sql, func(n int, _ string) string {
		if !known[n] {
			known[n] = true
			numbers = append(numbers, n)
		}
		return ""
	})
	return numbers
}

var (
	atParameter = regexp.MustCompile(`^\$\d+`)
	mentioned   = regexp.MustCompile(`\$(\d+)`)
	// typed is a type at the end of a text, as it stands before a constant.
	typed = regexp.MustCompile(
		`(?i)((?:"(?:[^"]|"")+"|[a-z_][\w$]*)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[a-z_][\w$]*))?(?:\s+(?:precision|varying))?` +
			`(?:\s*\(\s*\d+(?:\s*,\s*\d+)?\s*\))?(?:\s+with(?:out)?\s+time\s+zone)?)\s*$`,
	)
	fields = regexp.MustCompile(
		`(?i)^\s+(?:year|month|day|hour|minute|second)(?:\s+to\s+(?:month|hour|minute|second))?(?:\s*\(\s*\d+\s*\))?\b`,
	)
	extract = regexp.MustCompile(`(?i)\bextract\s*\(\s*$`)
)

// unknownField stands for a field of EXTRACT that pg_stat_statements has replaced. Postgres
// writes it back in conditions as it is here: EXTRACT(epoch FROM x).
const unknownField = "epoch"

// hasUnknown reports whether an expression has constants that are not known: an index of it
// cannot be made.
func (o operand) hasUnknown() bool {
	return len(parameterNumbers(o.text)) > 0 || strings.HasPrefix(o.text, "EXTRACT (epoch ") ||
		strings.HasPrefix(o.text, "date_part('epoch'")
}

// typedLiteral makes a cast of a type that stands before a parameter, where only a constant
// may be, and writes a field of EXTRACT.
func typedLiteral(sql string, at int) string {
	parameter := atParameter.FindString(sql[min(at, len(sql)):])
	if parameter == "" {
		return sql
	}
	before, after := sql[:at], sql[at+len(parameter):]
	if extract.MatchString(before) {
		return before + unknownField + after // All types have it. Its plans are those of other fields.
	}
	m := typed.FindStringSubmatchIndex(before)
	if m == nil {
		return sql
	}
	name, field := before[m[2]:m[3]], ""
	if strings.HasPrefix(strings.ToLower(name), "interval") {
		field = fields.FindString(after)
	}
	return before[:m[2]] + "cast(" + parameter + " as " + name + field + ")" + after[len(field):]
}

// byteOffset returns where the nth character of a text is, the first being 1.
func byteOffset(sql string, n int) int {
	for i := range sql {
		if n--; n <= 0 {
			return i
		}
	}
	return len(sql)
}
