package advisor

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain writes a text so that a terminal or a page shows it as it is: control characters,
// which names and statements may have, and those that change the direction, are escaped.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteByte('\n')
		case r == '\t':
			b.WriteByte(' ')
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// wrap breaks a text into lines of at most so many characters where it can, at spaces that
// are in no quotes, so that SQL stays what it is.
func wrap(s string, width int) (lines []string) {
	for line := range strings.SplitSeq(s, "\n") {
		var b strings.Builder
		length := 0
		for _, word := range words(line) {
			n := utf8.RuneCountInString(word)
			if length > 0 && length+1+n > width {
				lines = append(lines, b.String())
				b.Reset()
				length = 0
			}
			if length > 0 {
				b.WriteByte(' ')
				length++
			}
			b.WriteString(word)
			length += n
		}
		lines = append(lines, b.String())
	}
	return lines
}

// words splits at spaces that are in no quotes. Quotes that do not end are none.
func words(line string) (list []string) {
	start := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			if i > start {
				list = append(list, line[start:i])
			}
			start = i + 1
		case '\'', '"':
			if end := strings.IndexByte(line[i+1:], line[i]); end >= 0 {
				i += 1 + end
			}
		}
	}
	if start < len(line) {
		list = append(list, line[start:])
	}
	return list
}
