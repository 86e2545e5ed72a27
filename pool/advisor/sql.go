package advisor

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/gqlboost/gqlboost/internal/sqltext"
)

// What is known of a statement's text without parsing it: Postgres does that.

// verb returns the first word of a statement whose plan can be asked for, or "".
func verb(sql string) string {
	switch word := sqltext.FirstWord(sql); word {
	case "select", "with", "values", "table", "insert", "update", "delete", "merge":
		return word
	}
	return ""
}

// wrapping are what a query may be in: a cursor, COPY, a table or a materialized view.
var wrapping = regexp.MustCompile(`(?is)^\s*(?:declare\s+\S+\s.*?\bcursor\b.*?\bfor\s+(.*)|copy\s*\((.*)\)\s*to\b.*|` +
	`create\s+(?:(?:global|local|temp|temporary|unlogged)\s+)*table\s.*?\bas\s+(.*)|explain\s+(?:\([^)]*\)\s*|analyze\s+|verbose\s+)*(.*))$`)

// planned returns the first word of a statement that queries, and the part of it of which a
// plan can be asked for: "" of commands that query without showing it. verb is "" for what
// does not query.
func planned(sql string) (of, body string) {
	if v := verb(sql); v != "" {
		return v, sql
	}
	if m := wrapping.FindStringSubmatch(sql); m != nil {
		for _, body := range m[1:] {
			if v := verb(body); v != "" {
				return v, body
			}
		}
	}
	switch word := sqltext.FirstWord(sql); word {
	case "call", "do", "execute", "copy", "refresh", "fetch":
		return word, ""
	}
	return "", ""
}

// maxParameters is the largest number of a parameter that the protocol can send.
const maxParameters = 65535

// parameters calls f with each parameter ($1) of a statement, and what stands before it,
// and puts what f returns in its place, if that is not empty. Texts in quotes and comments are left
// as they are, and so are numbers that are too large: their statements cannot be run.
func parameters(sql string, f func(n int, before string) string) string {
	var b strings.Builder
	copied := 0
	for begin, end := range sqltext.Parameters(sql) {
		n, err := strconv.Atoi(sql[begin+1 : end])
		if err != nil || n < 1 || n > maxParameters {
			continue
		}
		b.WriteString(sql[copied:begin])
		copied = end
		b.WriteString(cmp.Or(f(n, b.String()), sql[begin:end]))
	}
	b.WriteString(sql[copied:])
	return b.String()
}

// withLimit puts a number of rows in place of LIMIT's parameter, and 0 in that of
// OFFSET's: for any parameter the optimizer takes a tenth of the rows.
func withLimit(sql string, rows int) string {
	found := false
	replaced := parameters(sql, func(_ int, before string) string {
		switch lastWord(before) {
		case "limit":
			found = true
			return strconv.Itoa(rows)
		case "offset":
			found = true
			return "0"
		}
		return ""
	})
	if !found {
		return sql
	}
	return replaced
}

// lastWord returns the last word of a text, in small letters.
func lastWord(s string) string {
	words := strings.Fields(s[max(0, len(s)-40):])
	if len(words) == 0 {
		return ""
	}
	return strings.ToLower(words[len(words)-1])
}
