package simdjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// converter makes Go values of a document's. Nothing of them refers to the
// document.
type converter struct {
	number func(Value) (any, error)
	depth  int // objects and arrays that are open
}

// Any returns the value as encoding/json decodes it into an any: a map, slice,
// string, float64, bool or nil. Nothing of it refers to the document. A value in
// which objects and arrays nest deeper than 10 000 is an error that wraps
// [ErrTooDeep], whatever Options.MaxDepth allows: it would take that much stack.
func (v Value) Any() (any, error) {
	c := converter{number: func(v Value) (any, error) {
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("simdjson: cannot represent number %s as a float64: %w", v.Raw(), err)
		}
		return f, nil
	}}
	return c.any(v)
}

// Map returns an object as GraphQL hosts take variables: as Any does, but with
// numbers as json.Number, which loses no digit. It is nil for null and for a value
// that is missing, and an error for one of a closed document.
func (v Value) Map() (map[string]any, error) {
	switch v.Kind() {
	case Null:
		return nil, nil
	case Invalid:
		if v.closed() {
			return nil, v.wrong("an object")
		}
		return nil, nil
	case Object:
		c := converter{number: func(v Value) (any, error) { return json.Number(v.Raw()), nil }}
		return c.members(v)
	}
	return nil, v.wrong("an object")
}

func (c *converter) any(v Value) (any, error) {
	switch v.Kind() {
	case Null:
		return nil, nil
	case Bool:
		return v.Bool()
	case Number:
		return c.number(v)
	case String:
		s, err := v.String()
		return strings.Clone(s), err
	case Array:
		return c.elements(v)
	case Object:
		return c.members(v)
	}
	return nil, v.wrong("a value")
}

func (c *converter) elements(v Value) (any, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	list := make([]any, 0, v.Len())
	for _, e := range v.Elements() {
		each, err := c.any(e)
		if err != nil {
			return nil, err
		}
		list = append(list, each)
	}
	c.depth--
	return list, nil
}

func (c *converter) members(v Value) (map[string]any, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	members := make(map[string]any, v.Len())
	for name, m := range v.Members() {
		each, err := c.any(m)
		if err != nil {
			return nil, err
		}
		members[strings.Clone(name)] = each
	}
	c.depth--
	return members, nil
}

// enter counts an object or array.
func (c *converter) enter() error {
	if c.depth++; c.depth > defaultMaxDepth {
		return ErrTooDeep
	}
	return nil
}

// Decode stores the value in what target points to, as encoding/json does: see
// [Unmarshal]. Nesting deeper than 10 000 is an error, whatever Options.MaxDepth
// allows.
func (v Value) Decode(target any) error {
	raw := v.Raw()
	if raw == nil {
		return v.wrong("a value")
	}
	if unmarshaledFast(raw, target) {
		return nil
	}
	// Methods of the target's may close the document.
	return json.Unmarshal(bytes.Clone(raw), target)
}

// Format implements [fmt.Formatter]: a value prints as its JSON, one that does not
// exist as <invalid>. A width, and the verb q, treat the JSON as a string.
func (v Value) Format(f fmt.State, verb rune) {
	text := "<invalid>"
	if raw := v.Raw(); raw != nil {
		text = string(raw)
	}
	if verb == 'v' {
		verb = 's'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), text)
}

// MarshalJSON implements [json.Marshaler]: a value is written as its JSON, one that
// does not exist as null. One of a closed document is an error.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.closed() {
		return nil, v.wrong("a value")
	}
	raw := v.Raw()
	if raw == nil {
		return []byte("null"), nil
	}
	return append([]byte(nil), raw...), nil
}
