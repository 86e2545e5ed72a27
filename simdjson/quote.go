package simdjson

import (
	"errors"
	"unicode/utf8"
)

var errUTF8 = errors.New("simdjson: invalid UTF-8")

// appendQuoted appends text as a JSON string.
func appendQuoted(to []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return to, errUTF8
	}
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			to = append(to, '\\', c)
		case c < ' ':
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			to = append(to, c)
		}
	}
	return append(to, '"'), nil
}
