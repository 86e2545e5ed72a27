package simdjson

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Kind is the type of a [Value].
type Kind uint8

// The kinds of JSON values. Invalid is that of a value that does not exist.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Object
	Array
)

var kindNames = [...]string{"invalid", "null", "bool", "number", "string", "object", "array"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Value is a part of a [Document]. The zero Value is one that does not exist:
// its kind is Invalid, and so is what Get and Index return of it, so a chain of
// them needs no checks in between. So is every value of a closed document.
//
// A Value is printed by fmt, and written by encoding/json, as its JSON.
type Value struct {
	memory     *memory
	generation uint32 // of the handle
	i          uint32 // of its word
}

// at returns the value at another word of the same document.
func (v Value) at(i int) Value { return Value{v.memory, v.generation, uint32(i)} }

// closed reports whether the value had a document and that was closed.
func (v Value) closed() bool {
	return v.memory != nil && v.memory.generation.Load() != v.generation
}

// word returns the value's word if it exists and its document is open.
func (v Value) word() (word, bool) {
	m := v.memory
	if m == nil {
		return 0, false
	}
	if m.generation.Load() != v.generation {
		if debugging {
			reportUseAfterClose(m)
		}
		return 0, false
	}
	return m.tape[v.i], true
}

// Kind returns the value's kind.
func (v Value) Kind() Kind {
	w, ok := v.word()
	if !ok {
		return Invalid
	}
	return kinds[w.tag()]
}

// container returns the word of an object or array, and of its end.
func (v Value) container(t tag) (start, end word, ok bool) {
	w, ok := v.word()
	if !ok || w.tag() != t {
		return 0, 0, false
	}
	return w, v.memory.tape[w.n()], true
}

// Len returns the number of elements or members, 0 for other kinds.
func (v Value) Len() int {
	if _, end, ok := v.container(tagArray); ok {
		return end.n()
	}
	if _, end, ok := v.container(tagObject); ok {
		return end.n()
	}
	return 0
}

// Get returns the member with that name, the last one if there are several, as
// encoding/json does. It looks at every member: for many names of one large
// object use [Value.Members].
func (v Value) Get(name string) Value {
	start, _, ok := v.container(tagObject)
	if !ok {
		return Value{}
	}
	var found Value
	m := v.memory
	for i := int(v.i) + 1; i < start.n(); i = next(m.tape, i+1) {
		if m.nameIs(m.tape[i], name) {
			found = v.at(i + 1)
		}
	}
	return found
}

// Index returns the element at i, counted from 0.
func (v Value) Index(i int) Value {
	_, end, ok := v.container(tagArray)
	if !ok || i < 0 || i >= end.n() {
		return Value{}
	}
	at := int(v.i) + 1
	for range i {
		at = next(v.memory.tape, at)
	}
	return v.at(at)
}

// Elements ranges over an array's elements. For other kinds there are none, and
// none follow once the document is closed.
func (v Value) Elements() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		start, _, ok := v.container(tagArray)
		if !ok {
			return
		}
		n := 0
		for i := int(v.i) + 1; i < start.n(); i = next(v.memory.tape, i) {
			if !yield(n, v.at(i)) || v.closed() {
				return
			}
			n++
		}
	}
}

// Members ranges over an object's members in the order of the text, with all
// that share a name. For other kinds there are none, and none follow once the
// document is closed.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		start, _, ok := v.container(tagObject)
		if !ok {
			return
		}
		m := v.memory
		for i := int(v.i) + 1; i < start.n(); i = next(m.tape, i+1) {
			if !yield(m.text(m.tape[i]), v.at(i+1)) || v.closed() {
				return
			}
		}
	}
}

// Raw returns the value's text as it stands in the document, nil if it does not
// exist. It must not be changed, and is valid until Close.
func (v Value) Raw() []byte {
	w, ok := v.word()
	if !ok {
		return nil
	}
	from, to := w.offset(), w.offset()+w.n()
	switch w.tag() {
	case tagObject, tagArray:
		to = v.memory.tape[w.n()].offset() + 1
	case tagString, tagEscaped:
		from, to = from-1, to+1
	}
	return v.memory.data[from:to:to]
}

func (v Value) wrong(want string) error {
	if v.closed() {
		return ErrClosed
	}
	return fmt.Errorf("%w: %s, not %s", ErrKind, v.Kind(), want)
}

// String returns a string's text. Without escapes it is part of the document and
// valid until Close, after which its bytes may be those of another document;
// otherwise it is a new string. An escape of half a surrogate
// pair becomes U+FFFD, as in encoding/json.
func (v Value) String() (string, error) {
	w, ok := v.word()
	if !ok || kinds[w.tag()] != String {
		return "", v.wrong("a string")
	}
	return v.memory.text(w), nil
}

// Bool returns a boolean.
func (v Value) Bool() (bool, error) {
	if w, ok := v.word(); ok && kinds[w.tag()] == Bool {
		return w.tag() == tagTrue, nil
	}
	return false, v.wrong("a bool")
}

func (v Value) number(want tag) (string, error) {
	w, ok := v.word()
	switch {
	case !ok || kinds[w.tag()] != Number:
		return "", v.wrong("a number")
	case want == tagInteger && w.tag() != tagInteger:
		return "", fmt.Errorf("%w: %s is not an integer", ErrKind, v.Raw())
	}
	raw := v.memory.raw(w)
	return unsafe.String(unsafe.SliceData(raw), len(raw)), nil
}

// Int64 returns an integer. One that does not fit is a [*strconv.NumError], and
// a number with a fraction or an exponent is refused.
func (v Value) Int64() (int64, error) {
	text, err := v.number(tagInteger)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Uint64 is [Value.Int64] for unsigned integers.
func (v Value) Uint64() (uint64, error) {
	text, err := v.number(tagInteger)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, 10, 64)
}

// Float64 returns the float that is nearest to a number. One that is too large
// is a [*strconv.NumError].
func (v Value) Float64() (float64, error) {
	text, err := v.number(tagFloat)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}

// raw returns the text of a scalar, that of a string without its quotes.
func (m *memory) raw(w word) []byte { return m.data[w.offset() : w.offset()+w.n()] }

// nameIs compares a member's name.
func (m *memory) nameIs(w word, name string) bool {
	raw := m.raw(w)
	if w.tag() == tagString {
		return string(raw) == name
	}
	return string(unescape(nil, raw)) == name
}

func (m *memory) text(w word) string {
	raw := m.raw(w)
	if w.tag() == tagEscaped {
		raw = unescape(make([]byte, 0, len(raw)), raw)
	}
	return unsafe.String(unsafe.SliceData(raw), len(raw))
}

// unescape appends the meaning of a string's text, which has been checked.
func unescape(to, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return append(to, text...)
		}
		var n int
		to, n = appendEscape(append(to, text[:at]...), text[at:])
		text = text[at+n:]
	}
}

// unescapeIndexed is unescape for the text from start to end of the document,
// with the positions of the document's backslashes.
func (m *memory) unescapeIndexed(to []byte, start, end int, backslashes []uint32) []byte {
	if int(backslashes[0]) < start {
		first, _ := slices.BinarySearch(backslashes, uint32(start))
		backslashes = backslashes[first:]
	}
	data := m.data[:end]
	for _, position := range backslashes {
		at := int(position)
		if at >= end {
			break
		}
		if at < start {
			continue // It is escaped itself.
		}
		to = append(to, data[start:at]...)
		if c := simpleEscape[data[at+1]]; c != 0 { // Most are; this saves a call.
			to, start = append(to, c), at+2
			continue
		}
		var n int
		to, n = appendEscape(to, data[at:])
		start = at + n
	}
	return append(to, data[start:]...)
}

// appendEscape appends the meaning of the escape at the start of text, and
// returns how long it is.
func appendEscape(to, text []byte) ([]byte, int) {
	if text[1] != 'u' {
		return append(to, simpleEscape[text[1]]), 2
	}
	r, n := hexRune(text), 6
	if utf16.IsSurrogate(r) {
		second := utf8.RuneError
		if len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
			second = hexRune(text[6:])
		}
		if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
			n = 12
		}
	}
	return utf8.AppendRune(to, r), n
}

// hexRune reads the escape \uXXXX at the start of text.
func hexRune(text []byte) (r rune) {
	for _, c := range text[2:6] {
		r = r<<4 | rune(hexDigit[c])
	}
	return r
}

var simpleEscape = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
