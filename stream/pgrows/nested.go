package pgrows

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5/pgtype"
)

// maxDimensions is Postgres's limit for arrays.
const maxDimensions = 6

// dimensions are those of an array: the number of elements of each, and where its
// subscripts begin.
type dimensions struct {
	n              int
	lengths, lower [maxDimensions]int
}

// readDimensions reads their number, whether there are nulls, the type of the elements,
// and each dimension. The elements follow in row-major order.
func readDimensions(src []byte) (d dimensions, rest []byte, err error) {
	if len(src) < 12 {
		return d, nil, errLength
	}
	d.n = int(be32(src))
	if d.n < 0 || d.n > maxDimensions || len(src) < 12+8*d.n {
		return d, nil, errLength
	}
	for i := range d.n {
		d.lengths[i], d.lower[i] = int(be32(src[12+8*i:])), int(be32(src[16+8*i:]))
		// An empty array has no dimensions, but for an int2vector's one.
		if d.lengths[i] < 0 || d.lengths[i] == 0 && d.n > 1 {
			return d, nil, errLength
		}
	}
	return d, src[12+8*d.n:], nil
}

// arrayOf is an array, whose JSON is a list.
func arrayOf(name string, element *typ, delimiter byte) *typ {
	if delimiter == 0 {
		delimiter = ','
	}
	return &typ{
		name: name,
		kind: kindArray,
		json: func(o *output, src []byte) error {
			d, src, err := readDimensions(src)
			if err != nil {
				return err
			}
			if d.n == 0 {
				o.w.BeginArray()
				o.w.EndArray()
			} else if src, err = writeArray(o, src, d.lengths[:d.n], element); err != nil {
				return err
			}
			return ended(src)
		},
		text: func(o *output, to, src []byte) ([]byte, error) {
			d, src, err := readDimensions(src)
			if err != nil {
				return nil, err
			}
			if d.n == 0 {
				return append(to, "{}"...), ended(src)
			}
			if to, src, err = appendArray(o, appendBounds(to, d), src, d.lengths[:d.n], element, delimiter); err != nil {
				return nil, err
			}
			return to, ended(src)
		},
		parse: parseArray(element, delimiter),
	}
}

func ended(src []byte) error {
	if len(src) != 0 {
		return errLength
	}
	return nil
}

func writeArray(o *output, src []byte, lengths []int, element *typ) (rest []byte, err error) {
	o.w.BeginArray()
	for range lengths[0] {
		if len(lengths) > 1 {
			if src, err = writeArray(o, src, lengths[1:], element); err != nil {
				return nil, err
			}
			continue
		}
		var value []byte
		if value, src, err = field(src); err != nil {
			return nil, err
		}
		if value == nil {
			o.w.Null()
		} else if err = element.writeBinary(o, value); err != nil {
			return nil, err
		}
	}
	o.w.EndArray()
	return src, nil
}

// appendBounds appends [0:1]= if a dimension does not begin at 1.
func appendBounds(to []byte, d dimensions) []byte {
	usual := true
	for _, lower := range d.lower[:d.n] {
		usual = usual && lower == 1
	}
	if usual {
		return to
	}
	for i := range d.n {
		to = strconv.AppendInt(append(to, '['), int64(d.lower[i]), 10)
		to = strconv.AppendInt(append(to, ':'), int64(d.lower[i]+d.lengths[i]-1), 10)
		to = append(to, ']')
	}
	return append(to, '=')
}

func appendArray(o *output, to, src []byte, lengths []int, element *typ, delimiter byte) (_, rest []byte, err error) {
	to = append(to, '{')
	for i := range lengths[0] {
		if i > 0 {
			to = append(to, delimiter)
		}
		if len(lengths) > 1 {
			if to, src, err = appendArray(o, to, src, lengths[1:], element, delimiter); err != nil {
				return nil, nil, err
			}
			continue
		}
		var value []byte
		if value, src, err = field(src); err != nil {
			return nil, nil, err
		}
		if value == nil {
			to = append(to, "NULL"...)
			continue
		}
		start := len(to)
		if to, err = element.appendText(o, to, value); err != nil {
			return nil, nil, err
		}
		text := to[start:]
		if len(text) == 0 || bytes.EqualFold(text, []byte("NULL")) || bytes.IndexByte(text, delimiter) >= 0 || bytes.ContainsAny(text, "\"\\{} \t\n\r\v\f") {
			to = quoteInside(to, start, '\\')
		}
	}
	return append(to, '}'), src, nil
}

// quoteInside puts quotes around the text from start on, and escapes quotes and
// backslashes in it: by escape, or by doubling them if it is 0.
func quoteInside(to []byte, start int, escape byte) []byte {
	special := 0
	for _, c := range to[start:] {
		if c == '"' || c == '\\' {
			special++
		}
	}
	end := len(to)
	for range special + 2 {
		to = append(to, '"')
	}
	at := len(to) - 2 // from behind, since it only grows
	for i := end - 1; i >= start; i-- {
		c := to[i]
		to[at] = c
		at--
		if c == '"' || c == '\\' {
			if to[at] = escape; escape == 0 {
				to[at] = c
			}
			at--
		}
	}
	to[start] = '"'
	return to
}

// recordType is a record of which no names are known: its JSON is Postgres's text.
func recordType(name string) *typ { return &typ{name: name, kind: kindRecord, text: appendRecord} }

// appendRecord reads the number of fields, and of each its type and value.
func appendRecord(o *output, to, src []byte) ([]byte, error) {
	if len(src) < 4 {
		return nil, errLength
	}
	n := int(be32(src))
	src = src[4:]
	to = append(to, '(')
	for i := range n {
		if i > 0 {
			to = append(to, ',')
		}
		if len(src) < 4 {
			return nil, errLength
		}
		oid := uint32(be32(src))
		value, rest, err := field(src[4:])
		if err != nil {
			return nil, err
		}
		src = rest
		if value == nil {
			continue
		}
		t, err := o.types.of(o, oid)
		if err != nil {
			return nil, fmt.Errorf("field %d of a record: %w", i+1, err)
		}
		start := len(to)
		if to, err = t.appendText(o, to, value); err != nil {
			return nil, fmt.Errorf("field %d of a record: %w", i+1, err)
		}
		if text := to[start:]; len(text) == 0 || bytes.ContainsAny(text, "\"\\(), \t\n\r\v\f") {
			to = quoteInside(to, start, 0)
		}
	}
	return append(to, ')'), ended(src)
}

// composite is a type of which pgx has been told the names: its JSON is an object.
func (s *types) composite(name string, c *pgtype.CompositeCodec) *typ {
	names, fields, oids := make([]stream.Name, len(c.Fields)), make([]*typ, len(c.Fields)), make([]uint32, len(c.Fields))
	for i, f := range c.Fields {
		member := f.Name
		if s.options.Rename != nil {
			member = s.options.Rename(member)
		}
		names[i], fields[i], oids[i] = stream.NewName(member), s.later(f.Type.OID), f.Type.OID
	}
	changed := fmt.Errorf("type %s has changed since it was registered with pgx: load and register it again", name)
	return &typ{
		name:  name,
		kind:  kindRecord,
		text:  appendRecord,
		parse: parseComposite(names, fields, changed),
		json: func(o *output, src []byte) error {
			if len(src) < 4 {
				return errLength
			}
			if int(be32(src)) != len(names) {
				return changed
			}
			src = src[4:]
			o.w.BeginObject()
			for i, name := range names {
				if len(src) < 4 {
					return errLength
				}
				if uint32(be32(src)) != oids[i] {
					return changed
				}
				value, rest, err := field(src[4:])
				if err != nil {
					return err
				}
				src = rest
				o.w.Member(name)
				if value == nil {
					o.w.Null()
				} else if err := fields[i].writeBinary(o, value); err != nil {
					return err
				}
			}
			o.w.EndObject()
			return ended(src)
		},
	}
}

// The flags of a range.
const (
	rangeEmpty       = 1 << 0
	rangeLowerInside = 1 << 1
	rangeUpperInside = 1 << 2
	rangeLowerOpen   = 1 << 3
	rangeUpperOpen   = 1 << 4
)

// rangeOf is a range, whose JSON is Postgres's text: [1,5).
func rangeOf(name string, element *typ) *typ {
	return &typ{name: name, text: func(o *output, to, src []byte) ([]byte, error) {
		return appendRange(o, to, src, element)
	}}
}

// multirangeOf is a multirange of ranges: {[1,2),[5,7)}.
func multirangeOf(name string, element *typ) *typ {
	return &typ{name: name, text: func(o *output, to, src []byte) ([]byte, error) {
		if len(src) < 4 {
			return nil, errLength
		}
		n := be32(src)
		src = src[4:]
		to = append(to, '{')
		for i := range n {
			one, rest, err := field(src)
			if err != nil {
				return nil, err
			}
			if src = rest; i > 0 {
				to = append(to, ',')
			}
			if to, err = element.appendText(o, to, one); err != nil {
				return nil, err
			}
		}
		return append(to, '}'), ended(src)
	}}
}

func appendRange(o *output, to, src []byte, element *typ) (_ []byte, err error) {
	if len(src) == 0 {
		return nil, errLength
	}
	flags := src[0]
	if src = src[1:]; flags&rangeEmpty != 0 {
		return append(to, "empty"...), ended(src)
	}
	open, end := byte('('), byte(')')
	if flags&rangeLowerInside != 0 {
		open = '['
	}
	if flags&rangeUpperInside != 0 {
		end = ']'
	}
	to = append(to, open)
	if flags&rangeLowerOpen == 0 {
		if to, src, err = appendBound(o, to, src, element); err != nil {
			return nil, err
		}
	}
	to = append(to, ',')
	if flags&rangeUpperOpen == 0 {
		if to, src, err = appendBound(o, to, src, element); err != nil {
			return nil, err
		}
	}
	return append(to, end), ended(src)
}

func appendBound(o *output, to, src []byte, element *typ) (_, rest []byte, err error) {
	value, rest, err := field(src)
	if err != nil {
		return nil, nil, err
	}
	if value == nil {
		return nil, nil, errLength
	}
	start := len(to)
	if to, err = element.appendText(o, to, value); err != nil {
		return nil, nil, err
	}
	if text := to[start:]; len(text) == 0 || bytes.ContainsAny(text, "\"\\()[], \t\n\r\v\f") {
		to = quoteInside(to, start, 0)
	}
	return to, rest, nil
}
