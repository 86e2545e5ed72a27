package pgrows

import (
	"bytes"
	"encoding/json"
)

// appendRenamed appends JSON, which Postgres has checked, with other names for members.
func appendRenamed(to, text []byte, rename func(string) string) []byte {
	for {
		start := bytes.IndexByte(text, '"')
		if start < 0 {
			return append(to, text...)
		}
		to, text = append(to, text[:start]...), text[start:]
		end := stringEnd(text)
		if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) == 0 || rest[0] != ':' {
			to, text = append(to, text[:end]...), text[end:]
			continue
		}
		var name string
		if bytes.IndexByte(text[:end], '\\') < 0 {
			name = string(text[1 : end-1])
		} else if json.Unmarshal(text[:end], &name) != nil {
			return append(to, text...)
		}
		quoted, err := json.Marshal(rename(name))
		if err != nil {
			return append(to, text...)
		}
		to, text = append(to, quoted...), text[end:]
	}
}

// stringEnd returns the length of the string at the start of text, with quotes.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
