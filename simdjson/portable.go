package simdjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/gqlboost/gqlboost/internal/swar"
)

// failure says why a text was refused. What is wrong with its grammar is found
// out afterwards, see errors.go.
type failure uint8

const (
	accepted failure = iota
	badSyntax
	badUTF8
	tooDeep
)

// readPortable reads a text in one pass, eight bytes at a time where it is inside
// strings and white space, and appends to the tape. It returns its two stacks
// whatever happens, as they may have grown, and the offset at which it gave up if
// it did.
//
// It is one function because the parts would be calls, around which registers are saved. Of
// three ways to split it, the cheapest, literals in a function of their own, cost 6 % on a
// small request and 3 % on citm_catalog; names and numbers in functions cost 3 to 14 %.
//
//nolint:funlen // see above
func readPortable(tape []word, open []frame, data []byte, maxDepth int) ([]word, []frame, failure, int) {
	i := 0
	var count int // of elements in the container that is being read

value:
	i = skipSpace(data, i)
	if i >= len(data) {
		return tape, open, badSyntax, i
	}
	switch c := data[i]; c {
	case '{', '[':
		if len(open) >= maxDepth {
			return tape, open, tooDeep, i
		}
		open = append(open, frame{start: len(tape), count: count})
		count = 0
		kind, closing := tagObject, byte('}')
		if c == '[' {
			kind, closing = tagArray, ']'
		}
		tape = append(tape, makeWord(kind, i, 0))
		i = skipSpace(data, i+1)
		if i < len(data) && data[i] == closing {
			goto end
		}
		if c == '[' {
			goto value
		}
		goto name
	case '"':
		w, end, why := scanString(data, i+1)
		if why != accepted {
			return tape, open, why, end
		}
		tape = append(tape, w)
		i = end
	case 't', 'n':
		if i+4 > len(data) {
			return tape, open, badSyntax, i
		}
		switch string(data[i : i+4]) {
		case "true":
			tape = append(tape, makeWord(tagTrue, i, 4))
		case "null":
			tape = append(tape, makeWord(tagNull, i, 4))
		default:
			return tape, open, badSyntax, i
		}
		i += 4
	case 'f':
		if i+5 > len(data) || string(data[i:i+5]) != "false" {
			return tape, open, badSyntax, i
		}
		tape = append(tape, makeWord(tagFalse, i, 5))
		i += 5
	default:
		kind, end, ok := scanNumber(data, i)
		if !ok {
			return tape, open, badSyntax, end
		}
		tape = append(tape, makeWord(kind, i, end-i))
		i = end
	}

after: // a value
	if len(open) == 0 {
		if i = skipSpace(data, i); i < len(data) {
			return tape, open, badSyntax, i
		}
		return tape, open, accepted, i
	}
	count++
	if i >= len(data) {
		return tape, open, badSyntax, i
	}
	if data[i] != ',' {
		if i = skipSpace(data, i); i >= len(data) {
			return tape, open, badSyntax, i
		}
	}
	if tape[open[len(open)-1].start].tag() == tagArray {
		switch data[i] {
		case ',':
			i++
			goto value
		case ']':
			goto end
		}
		return tape, open, badSyntax, i
	}
	switch data[i] {
	case ',':
		i = skipSpace(data, i+1)
		goto name
	case '}':
		goto end
	}
	return tape, open, badSyntax, i

name:
	{
		if i >= len(data) || data[i] != '"' {
			return tape, open, badSyntax, i
		}
		w, end, why := scanString(data, i+1)
		if why != accepted {
			return tape, open, why, end
		}
		tape = append(tape, w)
		i = end
		if i < len(data) && data[i] != ':' {
			i = skipSpace(data, i)
		}
		if i >= len(data) || data[i] != ':' {
			return tape, open, badSyntax, i
		}
		i++
		goto value
	}

end: // of an object or array, at its closing bracket
	{
		top := open[len(open)-1]
		open = open[:len(open)-1]
		tape[top.start] |= word(len(tape))
		tape = append(tape, makeWord(tagEnd, i, count))
		count = top.count
		i++
		goto after
	}
}

// frame is an object or array that has not been closed yet.
type frame struct {
	start int     // its word
	count int     // elements that its parent has before it
	where context // its parent
}

// context is what a value is in.
type context uint8

const (
	inRoot context = iota
	inArray
	inObject
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipSpace returns the offset of the first byte that is not white space.
func skipSpace(data []byte, i int) int {
	for i < len(data) {
		switch data[i] {
		case ' ':
			// Indentation: eight at a time.
			for i+8 <= len(data) {
				x := binary.LittleEndian.Uint64(data[i:]) ^ ' '*ones
				if x != 0 {
					i += bits.TrailingZeros64(x) / 8
					break
				}
				i += 8
			}
			if i < len(data) && data[i] == ' ' {
				i++
			}
		case '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

// scanString reads a string whose text starts at i, behind the quote. It returns
// its word and the offset behind its closing quote.
func scanString(data []byte, start int) (w word, end int, why failure) {
	i := start
	kind, multibyte := tagString, -1 // where the first byte is that is not ASCII
	for {
		for i+8 <= len(data) {
			m := swar.Special(binary.LittleEndian.Uint64(data[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return 0, i, badSyntax
		}
		switch c := data[i]; {
		case c == '"':
			if multibyte >= 0 && !utf8.Valid(data[multibyte:i]) {
				return 0, start, badUTF8
			}
			return makeWord(kind, start, i-start), i + 1, accepted
		case c == '\\':
			kind = tagEscaped
			n := escapeLength(data[i:])
			if n == 0 {
				return 0, i, badSyntax
			}
			i += n
		case c < ' ':
			return 0, i, badSyntax
		case c >= utf8.RuneSelf:
			// From here on, bytes that are not ASCII are taken for ordinary ones.
			if multibyte < 0 {
				multibyte = i
			}
			for i+8 <= len(data) {
				m := swar.Escaped(binary.LittleEndian.Uint64(data[i:]))
				if m != 0 {
					i += bits.TrailingZeros64(m) / 8
					break
				}
				i += 8
			}
			if i < len(data) && data[i] >= utf8.RuneSelf {
				i++ // Near the end of the data.
			}
		default:
			i++ // Near the end of the data.
		}
	}
}

// escapeLength returns the length of the escape at the start of b, 0 if it is
// none.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if hexDigit[c] > 15 {
				return 0
			}
		}
		return 6
	}
	return 0
}

var hexDigit = func() (table [256]uint8) {
	for i := range table {
		table[i] = 0xFF
	}
	for i := range uint8(10) {
		table['0'+i] = i
	}
	for i := range uint8(6) {
		table['a'+i], table['A'+i] = 10+i, 10+i
	}
	return table
}()

// scanNumber checks the grammar of a number, whose first byte is at i, and returns the offset behind it.
func scanNumber(data []byte, i int) (kind tag, end int, ok bool) {
	kind = tagInteger
	if data[i] == '-' {
		i++
	}
	first := i
	i = skipDigits(data, i)
	if i == first || data[first] == '0' && i > first+1 {
		return 0, i, false
	}
	if i < len(data) && data[i] == '.' {
		kind = tagFloat
		first = i + 1
		if i = skipDigits(data, first); i == first {
			return 0, i, false
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		kind = tagFloat
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		first = i
		if i = skipDigits(data, first); i == first {
			return 0, i, false
		}
	}
	return kind, i, true
}

// skipDigits returns the offset of the first byte that is not a digit.
func skipDigits(data []byte, i int) int {
	for i+8 <= len(data) {
		// A digit is 0x30 to 0x39: its high half is 3, also after adding 6.
		x := binary.LittleEndian.Uint64(data[i:])
		m := (x&(0xF0*ones) ^ 0x30*ones) | ((x&(0x7F*ones)+0x06*ones)&(0xF0*ones) ^ 0x30*ones)
		if m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
	}
	for i < len(data) && data[i]-'0' < 10 {
		i++
	}
	return i
}
