package simdjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError is returned for a text that is not JSON. Offset, Line and Column
// are where reading it stopped.
type SyntaxError struct {
	Offset int64 // bytes that were read, with the one that is wrong, as in encoding/json
	Line   int   // from 1
	Column int   // of that byte from the start of the line, from 1
	Msg    string
}

// Error returns the text that encoding/json has for the same error, without the
// position.
func (e *SyntaxError) Error() string { return e.Msg }

// ErrTooLarge is returned, wrapped, for a text above MaxBytes, which can never
// be more than 1 GiB.
var ErrTooLarge = errors.New("simdjson: document too large")

func sizeError(size, limit int) error {
	return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, size, limit)
}

// ErrKind is returned, wrapped, by an accessor of another kind of value.
var ErrKind = errors.New("simdjson: wrong kind of value")

// ErrClosed is returned by a value whose document was closed. It is an [ErrKind] as well, since
// such a value is of no kind.
var ErrClosed error = closedError{}

type closedError struct{}

// Error implements error.
func (closedError) Error() string { return "simdjson: the document was closed" }

// Is implements the method that errors.Is looks for.
func (closedError) Is(target error) bool { return target == ErrKind }

// ErrTooDeep is returned, wrapped, for a value that nests deeper than Go values are
// made of: see [Value.Any].
var ErrTooDeep = fmt.Errorf("simdjson: objects and arrays nest deeper than %d", defaultMaxDepth)

// syntaxError describes a refused text. encoding/json is asked for its words:
// they are what people know, and there is no hurry any more.
func syntaxError(data []byte, why failure, offset, maxDepth int) error {
	if why == badUTF8 {
		offset = invalidUTF8(data, offset)
	}
	read := int64(min(offset+1, len(data))) // with the byte that is wrong
	switch {
	case why == badUTF8:
		return newSyntaxError(data, read, "invalid UTF-8 in string")
	case why == tooDeep && maxDepth != defaultMaxDepth:
		return newSyntaxError(data, read, fmt.Sprintf("exceeded max depth of %d", maxDepth))
	}
	var raw json.RawMessage
	var theirs *json.SyntaxError
	if err := json.Unmarshal(data, &raw); errors.As(err, &theirs) {
		// It gives up at its own depth, even where the options allow more.
		if maxDepth <= defaultMaxDepth || !strings.Contains(theirs.Error(), "exceeded max depth") {
			return newSyntaxError(data, theirs.Offset, theirs.Error())
		}
	}
	return newSyntaxError(data, read, "invalid JSON")
}

// invalidUTF8 returns the offset of the first byte from i on that is not UTF-8.
func invalidUTF8(data []byte, i int) int {
	for i < len(data) {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}

func newSyntaxError(data []byte, offset int64, msg string) *SyntaxError {
	before := data[:min(max(int(offset)-1, 0), len(data))]
	return &SyntaxError{
		Offset: offset, Msg: msg,
		Line: bytes.Count(before, []byte("\n")) + 1, Column: len(before) - bytes.LastIndexByte(before, '\n'),
	}
}
