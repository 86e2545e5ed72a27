package stream

import (
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

type tree struct {
	Root  node
	Title string
}

// node has its methods on the pointer, which encoding/json calls where there is an address.
type node struct {
	Tree *tree
	Text string
}

func (n *node) MarshalJSON() ([]byte, error) { return json.Marshal(n.Text) }

// hexed is text of bytes that are not.
type hexed struct{ Bytes string }

func (h *hexed) MarshalText() ([]byte, error) { return []byte(strings.ToValidUTF8(h.Bytes, "?")), nil }

// ring is skipped, and has no end.
type ring struct{ Next *ring }

func (ring) IsZero() bool { return true }

// named is a name with methods that encoding/json does not ask.
type named string

func (named) MarshalText() ([]byte, error) { return []byte("named"), nil }
func (named) MarshalJSON() ([]byte, error) { return []byte(`"named"`), nil }

type key struct{ text string }

func (k key) MarshalText() ([]byte, error) { return []byte(k.text), nil }

// The check of values looks at the strings that encoding/json has written, and ends.
func TestRejectInvalidUTF8InValues(t *testing.T) {
	back := &tree{Title: "\xff"}
	back.Root = node{back, "fine"}
	round := &ring{}
	round.Next = round
	deep := &node{Text: "\xff"}
	for name, c := range map[string]struct {
		value any
		valid bool
	}{
		"back pointer":            {back, false},
		"back pointer, valid":     {&tree{node{back, "\ufffd"}, "fine"}, true},
		"no address":              {tree{node{nil, "fine\xff"}, "fine"}, false},
		"text":                    {&struct{ H hexed }{hexed{"\xff\ufffd"}}, true},
		"text without an address": {struct{ H hexed }{hexed{"\xff\ufffd"}}, false},
		"elements":                {[]hexed{{"\ufffd\xff"}}, true},
		"replaced by a method":    {[]*node{deep}, true},
		"a field left out": {struct {
			R ring `json:",omitzero"`
			S string
		}{*round, "\ufffd"}, true},
		"a name with methods":        {map[named]string{"\xff": ""}, false},
		"a valid name with methods":  {map[named]string{"\ufffd": ""}, true},
		"a name by a method":         {map[key]string{{"\xff"}: ""}, false},
		"a valid name by a method":   {map[key]string{{"\ufffd"}: ""}, true},
		"a name by an interface":     {map[encoding.TextMarshaler]string{key{"\xff"}: ""}, false},
		"a name of a nil pointer":    {map[*key]string{nil: "\ufffd"}, true},
		"a name that is a number":    {map[int]string{1: "\xff"}, false},
		"a string in an interface":   {[]any{any("\xff")}, false},
		"an interface with methods":  {[]json.Marshaler{json.RawMessage(`"\ufffd"`)}, true},
		"the same slice, and longer": {shared("\ufffd", "\xff"), false},
		"half a pair, escaped":       {[]any{"\ufffd", json.RawMessage(`"\ud800"`)}, true},
	} {
		w := NewWriter(io.Discard, Options{RejectInvalidUTF8: true})
		err := w.Any(struct {
			V    any
			Look json.RawMessage // A replacement of its own, so that strings are looked at.
		}{c.value, json.RawMessage(`"\ufffd"`)})
		if errors.Is(err, ErrUTF8) == c.valid || c.valid && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = w.Close()
	}
}

// shared has a slice before one that begins with its elements.
func shared(texts ...string) any { return struct{ A, B []string }{texts[:1], texts} }
