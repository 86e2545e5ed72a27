package plancache

import (
	"strings"
	"unicode/utf8"
)

// Normalize returns a text that is the same for queries that differ only in what GraphQL
// ignores: white space, line ends, commas, comments and a byte order mark between tokens.
// Strings and block strings stay as they are. Two queries of different meaning never have
// the same text. So what parsers may read in different ways, or refuse, stays as it is as a
// whole: numbers and names without a space between them, characters and escapes that
// GraphQL does not know, block strings that end in more than three quotes.
func Normalize(query string) string {
	var w writer
	w.Grow(len(query))
	for rest := query; ; {
		token, kind, after := next(rest)
		switch kind {
		case end:
			return w.String()
		case odd:
			return query
		}
		w.add(token, kind)
		rest = after
	}
}

// writer writes tokens with a space between them where they would become others without.
type writer struct {
	strings.Builder
	last kind
}

func (w *writer) add(token string, k kind) {
	words := (k == name || k == number) && (w.last == name || w.last == number)
	// Quotes next to each other could become those of a block string.
	quotes := k == text && w.last == text
	// Parsers refuse dots behind a number.
	dots := token[0] == '.' && w.last == number
	if words || quotes || dots || k == odd {
		w.WriteByte(' ')
	}
	w.last = k
	w.WriteString(token)
}

// Signature returns a normalized query without what differs from call to call: strings
// are "" and numbers 0. It distinguishes queries in metrics; it must not be used as a
// key of plans.
func Signature(query string) string {
	var w writer
	w.Grow(len(query))
	for rest := query; ; {
		token, kind, after := next(rest)
		switch kind {
		case end:
			return w.String()
		case text:
			token = `""`
		case number:
			token = "0"
		}
		w.add(token, kind)
		rest = after
	}
}

type kind uint8

const (
	end kind = iota
	name
	number
	text  // a string or a block string
	punct // a punctuator
	odd   // what parsers may read in different ways, or refuse
)

// next returns the first token behind what is ignored (GraphQL specification, October
// 2021, section 2.1). Where parsers may differ, all of the rest is an odd token.
func next(s string) (token string, k kind, rest string) {
	s = skip(s)
	if s == "" {
		return "", end, ""
	}
	n := 0
	switch c := s[0]; {
	case letter(c):
		for n < len(s) && (letter(s[n]) || digit(s[n])) {
			n++
		}
		k = name
	case digit(c) || c == '-':
		n, k = measure(s), number
	case strings.HasPrefix(s, "..."):
		n, k = 3, punct
	case strings.IndexByte("!$&():=@[]{|}", c) >= 0:
		n, k = 1, punct
	case strings.HasPrefix(s, `"""`):
		n, k = block(s), text
	case c == '"':
		n, k = quoted(s), text
	}
	if n == 0 {
		return s, odd, ""
	}
	return s[:n], k, s[n:]
}

const bom = "\ufeff"

// skip skips what is ignored.
func skip(s string) string {
	for s != "" {
		switch c := s[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			s = s[1:]
		case c == '#':
			n := strings.IndexAny(s, "\n\r")
			if n < 0 {
				n = len(s)
			}
			if !plain(s[:n]) {
				return s // For some parsers the comment ends earlier.
			}
			s = s[n:]
		case strings.HasPrefix(s, bom):
			s = s[len(bom):]
		default:
			return s
		}
	}
	return s
}

// plain reports whether a text is ASCII without control characters, but for tabs. Some
// parsers lose their place behind comments with other characters.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// measure returns the length of a number, or 0 if it is none or another token follows at
// once.
func measure(s string) int {
	n := 0
	if s[0] == '-' {
		n++
	}
	whole := digits(s[n:])
	if whole == 0 || whole > 1 && s[n] == '0' {
		return 0
	}
	n += whole
	if n < len(s) && s[n] == '.' {
		part := digits(s[n+1:])
		if part == 0 {
			return 0
		}
		n += 1 + part
	}
	if n < len(s) && s[n]|0x20 == 'e' {
		n++
		if n < len(s) && (s[n] == '+' || s[n] == '-') {
			n++
		}
		part := digits(s[n:])
		if part == 0 {
			return 0
		}
		n += part
	}
	if n < len(s) && (letter(s[n]) || digit(s[n]) || s[n] == '.' || s[n] == '-') {
		return 0
	}
	return n
}

func digits(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

// block returns the length of a block string, or 0 if its end is in doubt: of four quotes
// the first three end it by the specification, and the last three for some parsers. Others
// lose their place behind characters that are not ASCII.
func block(s string) int {
	for i := 3; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r' || c >= utf8.RuneSelf:
			return 0
		case strings.HasPrefix(s[i:], `\"""`):
			i += 3
		case strings.HasPrefix(s[i:], `""""`):
			return 0
		case strings.HasPrefix(s[i:], `"""`):
			return i + 3
		}
	}
	return 0
}

// quoted returns the length of a string, or 0 if it does not end in its line, or has an
// escape or a character that GraphQL does not know.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && utf8.ValidString(s[:i]):
			return i + 1
		case c == '"':
			return 0
		case c < ' ' && c != '\t':
			return 0
		case c == '\\':
			n := escape(s[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
		}
	}
	return 0
}

// escape returns the length of an escape in a string, or 0 if it is none. \u{...} is left
// out: older parsers do not know it.
func escape(s string) int {
	switch {
	case len(s) < 2:
		return 0
	case strings.IndexByte(`"\/bfnrt`, s[1]) >= 0:
		return 2
	case s[1] != 'u' || len(s) < 6:
		return 0
	}
	for _, c := range []byte(s[2:6]) {
		if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return 0
		}
	}
	return 6
}

func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }
