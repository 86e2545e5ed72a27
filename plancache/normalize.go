package plancache

import "strings"

// Normalize returns a text that is the same for queries that differ only in what GraphQL
// ignores: white space, line ends, commas, comments and a byte order mark between tokens.
// Strings and block strings stay as they are. What is no GraphQL comes out so that two
// texts that differ elsewhere stay different.
func Normalize(query string) string {
	var w writer
	w.Grow(len(query))
	for rest := query; ; {
		token, kind, after := next(rest)
		if kind == end {
			return w.String()
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
	words := (k == name || k == number || k == odd) && (w.last == name || w.last == number)
	// Quotes next to each other could become those of a block string.
	quotes := token[0] == '"' && strings.HasSuffix(w.String(), `"`)
	// What is no GraphQL, such as "0." and dots, must not become something that is.
	dots := token[0] == '.' && w.last == number
	if words || quotes || dots || w.last == odd {
		w.WriteByte(' ')
	}
	w.last = k
	w.WriteString(token)
}

// Signature is a query without what differs from call to call: strings and numbers are
// put to "" and 0, and it is normalized. It tells queries apart in metrics; it must not
// be used as a key of plans.
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
	odd   // what GraphQL does not know
)

// next returns the first token behind what is ignored (GraphQL specification, October
// 2021, section 2.1). A string that does not end is odd up to the end.
func next(s string) (token string, k kind, rest string) {
	s = skip(s)
	if s == "" {
		return "", end, ""
	}
	n, k := 1, odd
	switch c := s[0]; {
	case letter(c):
		for n < len(s) && (letter(s[n]) || digit(s[n])) {
			n++
		}
		k = name
	case digit(c) || c == '-':
		for n < len(s) && (letter(s[n]) || digit(s[n]) || s[n] == '.' && !strings.HasPrefix(s[n:], "...") || (s[n] == '+' || s[n] == '-') && (s[n-1] == 'e' || s[n-1] == 'E')) {
			n++
		}
		k = number
	case strings.HasPrefix(s, "..."):
		n, k = 3, punct
	case strings.IndexByte("!$&():=@[]{|}", c) >= 0:
		k = punct
	case c == '"':
		n, k = quoted(s)
	default:
		for n < len(s) && s[n] >= 0x80 && !strings.HasPrefix(s[n:], bom) {
			n++ // the rest of a character
		}
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
				return ""
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

// quoted measures a string.
func quoted(s string) (int, kind) {
	if strings.HasPrefix(s, `"""`) {
		for i := 3; i < len(s); i++ {
			if strings.HasPrefix(s[i:], `\"""`) {
				i += 3
			} else if strings.HasPrefix(s[i:], `"""`) {
				return i + 3, text
			}
		}
		return len(s), odd
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, text
		case '\\':
			i++
		case '\n', '\r':
			return len(s), odd
		}
	}
	return len(s), odd
}

func letter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }
