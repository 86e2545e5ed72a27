package plancache

import (
	"strings"
	"unicode/utf8"
)

// Relocate returns where in a text something is whose place is known in another text
// that is the same by [Normalize]. A plan may have been built from the text of another
// client: what it says of lines and columns is of that text, and Relocate makes it fit the
// text that this client has sent. Lines and columns count from 1, columns in characters.
//
// It reports false, and returns the place as it is, if the texts are not the same or the
// first one has no such place. The end of a line is a place, where parsers may report that a
// text ends.
func Relocate(from, to string, line, column int) (int, int, bool) {
	at := offset(from, line, column)
	if at < 0 {
		return line, column, false
	}
	if from == to {
		return line, column, true
	}
	if Normalize(from) != Normalize(to) {
		return line, column, false
	}
	// The token that it is in, or the last one before.
	var token string
	number, into := -1, 0
	for rest, n := from, 0; ; n++ {
		t, k, after := next(rest)
		start := len(from) - len(after) - len(t)
		if k == end || start > at {
			break
		}
		token, number, into, rest = t, n, at-start, after
	}
	if number < 0 {
		return line, column, false
	}
	rest := to
	for range number + 1 {
		_, _, rest = next(rest)
	}
	line, column = place(to, len(to)-len(rest)-len(token)+min(into, len(token)))
	return line, column, true
}

// offset returns the offset in bytes of a place, or -1 if there is none.
func offset(s string, line, column int) int {
	if line < 1 || column < 1 {
		return -1
	}
	at := 0
	for ; line > 1; line-- {
		n := lineEnd(s[at:])
		if n < 0 {
			return -1
		}
		at += n
	}
	for ; column > 1; column-- {
		if at == len(s) || s[at] == '\r' || s[at] == '\n' {
			return -1
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		at += n
	}
	return at
}

// place returns the line and the column of an offset.
func place(s string, at int) (line, column int) {
	line = 1
	for begin := 0; ; line++ {
		n := lineEnd(s[begin:])
		if n < 0 || begin+n > at {
			return line, utf8.RuneCountInString(s[begin:at]) + 1
		}
		begin += n
	}
}

// lineEnd returns the length of the first line with its end, or -1 if nothing ends it.
func lineEnd(s string) int {
	n := strings.IndexAny(s, "\r\n")
	switch {
	case n < 0:
		return -1
	case strings.HasPrefix(s[n:], "\r\n"):
		return n + 2
	}
	return n + 1
}
