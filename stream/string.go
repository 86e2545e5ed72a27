package stream

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
	"unicode/utf8"
	"unsafe"

	"github.com/gqlboost/gqlboost/internal/swar"
)

// replacement is what encoding/json writes for a byte that is not UTF-8: an escape of
// U+FFFD up to Go 1.26, the character itself since. Parts of a document that it writes,
// see [Writer.Any], and others must not differ.
var replacement = func() string {
	quoted, err := json.Marshal("\xff")
	if err != nil || len(quoted) < 3 {
		return `\ufffd`
	}
	return string(quoted[1 : len(quoted)-1])
}()

// ErrUTF8 is the error for invalid UTF-8 with RejectInvalidUTF8.
var ErrUTF8 = errors.New("stream: invalid UTF-8 in a string")

// String writes a string: the bytes that encoding/json writes in the Go version that
// builds the program.
func (w *Writer) String(s string) {
	if !w.value("a string") {
		return
	}
	// Most strings are short and have little to escape.
	n, free := len(w.buf), cap(w.buf)-len(w.buf)
	if w.options.EscapeHTML || len(s)+2 > free || len(s) > w.limit {
		w.quoted(s)
		w.filled()
		return
	}
	plain := plainPrefix(s)
	w.buf = w.buf[:n+plain+1]
	w.buf[n] = '"'
	copy(w.buf[n+1:], s[:plain])
	if plain < len(s) {
		w.escaped(s[plain:])
	}
	w.buf = append(w.buf, '"')
	w.filled()
}

// StringBytes is [Writer.String] for bytes.
func (w *Writer) StringBytes(b []byte) {
	w.String(unsafe.String(unsafe.SliceData(b), len(b)))
}

// quoted appends a string with its quotes. One that is larger than a chunk goes
// in pieces.
func (w *Writer) quoted(s string) {
	w.buf = append(w.buf, '"')
	if len(s) > w.limit {
		large(w, s, wholeRunes, (*Writer).escaped)
	} else {
		w.escaped(s)
	}
	w.buf = append(w.buf, '"')
}

// wholeRunes returns a length of n bytes or a little less at which no character is cut,
// or the length of the first if that alone is longer. What is not UTF-8 may be cut
// anywhere, for each of its bytes is replaced.
func wholeRunes(s string, n int) int {
	for start := n - 1; start >= 0 && start > n-utf8.UTFMax; start-- {
		if !utf8.RuneStart(s[start]) {
			continue
		}
		_, size := utf8.DecodeRuneInString(s[start:])
		switch {
		case start+size <= n:
			return n
		case start > 0:
			return start
		}
		return size
	}
	return n
}

func (w *Writer) escaped(s string) {
	var ok bool
	if w.buf, ok = appendEscaped(w.buf, s, w.options.EscapeHTML); !ok && w.options.RejectInvalidUTF8 {
		w.fail(ErrUTF8)
	}
}

func appendQuoted(b []byte, s string, html bool) ([]byte, bool) {
	b, ok := appendEscaped(append(b, '"'), s, html)
	return append(b, '"'), ok
}

// plainPrefix returns how many bytes of s can be copied as they are: it stops at
// the first one that must be looked at.
func plainPrefix(s string) int {
	i := plainBlocks(s)
	at := func(i int) uint64 {
		return binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s), len(s))[i:])
	}
	for ; i+16 <= len(s); i += 16 {
		if swar.Special(at(i))|swar.Special(at(i+8)) != 0 {
			break
		}
	}
	for ; i+8 <= len(s); i += 8 {
		if m := swar.Special(at(i)); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(s) && plain[s[i]] {
		i++
	}
	return i
}

// plain reports of each ASCII byte whether it needs no escape.
var plain = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// appendEscaped appends the inside of a string as encoding/json writes it, and
// reports whether it was valid UTF-8.
func appendEscaped(b []byte, s string, html bool) (_ []byte, ok bool) {
	ok = true
	for {
		n := 0
		if len(s) > 0 && plain[s[0]] {
			n = plainPrefix(s)
		}
		if html {
			for i := range n {
				if c := s[i]; c == '<' || c == '>' || c == '&' {
					n = i
					break
				}
			}
		}
		b = append(b, s[:n]...)
		if n == len(s) {
			return b, ok
		}
		s = s[n:]
		if c := s[0]; c < utf8.RuneSelf {
			b = appendEscape(b, c)
			s = s[1:]
			continue
		}
		// A run of characters that are not ASCII.
		n = 0
		for n < len(s) && s[n] >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[n:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[:n]...), replacement...)
				s, n, ok = s[1+n:], 0, false
				continue
			}
			// JavaScript takes these for line ends.
			if r == '\u2028' || r == '\u2029' {
				b = append(append(b, s[:n]...), `\u202`...)
				b = append(b, hex[r&0xF])
				s, n = s[size+n:], 0
				continue
			}
			n += size
		}
		b = append(b, s[:n]...)
		s = s[n:]
	}
}

const hex = "0123456789abcdef"

// appendEscape appends the escape of an ASCII character.
func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
}
