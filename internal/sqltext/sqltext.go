// Package sqltext is what is known of a statement's text without parsing it.
package sqltext

import (
	"iter"
	"strings"
)

// FirstWord returns the first word of a statement in small letters, behind white space,
// comments and parentheses; "" if it begins with something else.
func FirstWord(sql string) string {
	for t := range tokens(sql) {
		switch {
		case t.kind == symbol && t.text == "(":
		case t.kind == word:
			return t.text
		default:
			return ""
		}
	}
	return ""
}

// Begins returns the first two words of each statement of a text in small letters, behind parentheses; ""
// for what is no word.
func Begins(sql string) iter.Seq2[string, string] {
	return func(yield func(first, second string) bool) {
		var words [2]string
		n := 0
		for t := range tokens(sql) {
			switch {
			case t.kind == symbol && t.text == ";":
				if n > 0 && !yield(words[0], words[1]) {
					return
				}
				words, n = [2]string{}, 0
			case n == len(words), n == 0 && t.kind == symbol && t.text == "(":
			case t.kind == word:
				words[n] = t.text
				n++
			default:
				n++
			}
		}
		if n > 0 {
			yield(words[0], words[1])
		}
	}
}

// Calls returns the names before parentheses, without their schemas: functions, and some
// keywords.
func Calls(sql string) iter.Seq[string] {
	return func(yield func(string) bool) {
		name := ""
		for t := range tokens(sql) {
			if t.kind == symbol && t.text == "(" && name != "" && !yield(name) {
				return
			}
			name = ""
			if t.kind == word || t.kind == quoted {
				name = t.text
			}
		}
	}
}

// HasEscapedNames reports whether a text has identifiers with Unicode escapes, whose names
// are not read.
func HasEscapedNames(sql string) bool {
	var before, last token
	for t := range tokens(sql) {
		if t.kind == quoted && last.kind == symbol && last.text == "&" && before.kind == word && before.text == "u" {
			return true
		}
		before, last = last, t
	}
	return false
}

// OneWord reports whether a text has nothing but bytes that names of prepared statements usually have:
// it is a word, and no statement but for a few.
func OneWord(text string) bool {
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// Single reports whether a text has one statement at most.
func Single(sql string) bool {
	ended := false
	for t := range tokens(sql) {
		if t.kind == symbol && t.text == ";" {
			ended = true
		} else if ended {
			return false
		}
	}
	return true
}

// Parameters returns where the parameters of a statement, such as $1, begin and end.
func Parameters(sql string) iter.Seq2[int, int] {
	return func(yield func(begin, end int) bool) {
		for t := range tokens(sql) {
			if end := len(sql) - t.behind; t.kind == parameter && !yield(end-len(t.text), end) {
				return
			}
		}
	}
}

type kind uint8

const (
	word      kind = iota // without quotes, in small letters
	quoted                // an identifier in quotes, without them
	literal               // a string or a number
	parameter             // with its $
	symbol                // one byte of anything else
)

type token struct {
	kind   kind
	text   string // empty for literals
	behind int    // how many bytes follow it
}

const space = " \t\r\n\f\v"

// tokens returns the tokens of a statement as Postgres reads them with
// standard_conforming_strings. Comments nest. What is not closed reaches to the end.
func tokens(sql string) iter.Seq[token] {
	return func(yield func(token) bool) {
		for sql != "" {
			var t token
			c := sql[0]
			switch {
			case strings.IndexByte(space, c) >= 0:
				sql = sql[1:]
				continue
			case strings.HasPrefix(sql, "--"):
				sql = afterLine(sql)
				continue
			case strings.HasPrefix(sql, "/*"):
				sql = afterComment(sql)
				continue
			case c == '\'':
				t.kind, sql = literal, afterString(sql[1:], false)
			case (c == 'e' || c == 'E') && len(sql) > 1 && sql[1] == '\'':
				t.kind, sql = literal, afterString(sql[2:], true)
			case c == '"':
				t.kind = quoted
				t.text, sql = identifier(sql[1:])
			case starts(c):
				n := 1
				for n < len(sql) && (starts(sql[n]) || '0' <= sql[n] && sql[n] <= '9' || sql[n] == '$') {
					n++
				}
				t.kind, t.text, sql = word, strings.ToLower(sql[:n]), sql[n:]
			case c == '$':
				if rest, ok := afterDollar(sql); ok {
					t.kind, sql = literal, rest
					break
				}
				n := 1
				for n < len(sql) && '0' <= sql[n] && sql[n] <= '9' {
					n++
				}
				t.kind, t.text, sql = parameter, sql[:n], sql[n:]
				if n == 1 {
					t.kind = symbol
				}
			case '0' <= c && c <= '9':
				n := 1
				for n < len(sql) && (starts(sql[n]) || '0' <= sql[n] && sql[n] <= '9' || sql[n] == '.') {
					n++
				}
				t.kind, sql = literal, sql[n:]
			default:
				t.kind, t.text, sql = symbol, sql[:1], sql[1:]
			}
			t.behind = len(sql)
			if !yield(t) {
				return
			}
		}
	}
}

// starts reports whether an identifier may begin with a byte.
func starts(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

// afterComment returns what follows a comment, in which others may be.
func afterComment(sql string) string {
	depth := 0
	for i := 0; i+1 < len(sql); i++ {
		switch sql[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return sql[i+1:]
			}
		}
	}
	return ""
}

// afterString returns what follows a string, whose quote has been read.
func afterString(sql string, escapes bool) string {
	for i := 0; i < len(sql); i++ {
		switch {
		case escapes && sql[i] == '\\':
			i++
		case sql[i] == '\'':
			if i+1 < len(sql) && sql[i+1] == '\'' {
				i++
				continue
			}
			more, goesOn := continued(sql[i+1:])
			if !goesOn {
				return sql[i+1:]
			}
			sql, i = more, -1
		}
	}
	return ""
}

// continued reports whether a string goes on behind its quote, and returns what follows the next one. It does
// behind white space with a line end, and may have escapes there if it had them before. Comments of one
// line are white space, too.
func continued(sql string) (rest string, ok bool) {
	for sql != "" {
		switch c := sql[0]; {
		case c == '\n' || c == '\r':
			ok = true
			sql = sql[1:]
		case strings.IndexByte(space, c) >= 0:
			sql = sql[1:]
		case strings.HasPrefix(sql, "--"):
			sql = afterLine(sql)
		default:
			return sql[1:], ok && c == '\''
		}
	}
	return "", false
}

// afterLine returns the rest from the end of a line on.
func afterLine(sql string) string {
	if end := strings.IndexAny(sql, "\r\n"); end >= 0 {
		return sql[end:]
	}
	return ""
}

// identifier returns an identifier, whose quote has been read, and what follows.
func identifier(sql string) (name, rest string) {
	for i := 0; i < len(sql); i++ {
		if sql[i] != '"' {
			continue
		}
		if i+1 < len(sql) && sql[i+1] == '"' {
			i++
			continue
		}
		return strings.ReplaceAll(sql[:i], `""`, `"`), sql[i+1:]
	}
	return sql, ""
}

// afterDollar returns what follows a string in dollar quotes, if one begins here.
func afterDollar(sql string) (rest string, ok bool) {
	end := strings.IndexByte(sql[1:], '$')
	if end < 0 {
		return "", false
	}
	tag := sql[:end+2]
	for i := 1; i < len(tag)-1; i++ {
		if !starts(tag[i]) && (i == 1 || tag[i] < '0' || tag[i] > '9') {
			return "", false
		}
	}
	_, rest, _ = strings.Cut(sql[len(tag):], tag)
	return rest, true
}
