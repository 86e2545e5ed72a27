package pgrows

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5/pgtype"
)

var errText = errors.New("the value is not in the text format of its type")

// textEncoder reads the text format, which the simple protocol has, and types
// without a binary one. What JSON writes otherwise goes through the binary format.
func textEncoder(oid uint32, types *pgtype.Map, o Options) encoder {
	t, ok := types.TypeForOID(oid)
	if !ok {
		return writeText
	}
	switch c := t.Codec.(type) {
	case *pgtype.EnumCodec, pgtype.TextCodec, *pgtype.TextCodec, *pgtype.RangeCodec, *pgtype.MultirangeCodec:
		return writeText
	case *pgtype.ArrayCodec:
		return textArrayEncoder(textEncoder(c.ElementType.OID, types, o))
	case *pgtype.CompositeCodec:
		return textCompositeEncoder(c, types, o)
	}
	binary := binaryEncoder(oid, types, o)
	switch oid {
	case pgtype.JSONOID:
		return binary
	case pgtype.JSONBOID:
		return func(w *stream.Writer, src []byte) error { return binary(w, append([]byte{1}, src...)) }
	}
	return func(w *stream.Writer, src []byte) error {
		if sameText(oid, src) {
			return writeText(w, src)
		}
		v, err := t.Codec.DecodeValue(types, oid, pgtype.TextFormatCode, src)
		if err != nil {
			return fmt.Errorf("its text %.100q: %w", src, err)
		}
		b, err := types.Encode(oid, pgtype.BinaryFormatCode, v, nil)
		if err != nil {
			return fmt.Errorf("its text %.100q: %w", src, err)
		}
		return binary(w, b)
	}
}

// sameText tells of texts that are written as they are, and which pgx does not read
// or not encode: infinity, and an interval in the style iso_8601.
func sameText(oid uint32, src []byte) bool {
	switch oid {
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return bytes.HasSuffix(src, []byte("infinity"))
	case pgtype.IntervalOID:
		return bytes.HasPrefix(src, []byte("P")) || bytes.HasSuffix(src, []byte("infinity"))
	}
	return false
}

// textArrayEncoder reads {a,"b c",NULL,{...}}, which bounds may come before.
func textArrayEncoder(element encoder) encoder {
	var array func(w *stream.Writer, src []byte) (rest []byte, err error)
	array = func(w *stream.Writer, src []byte) (rest []byte, err error) {
		w.BeginArray()
		src = src[1:]
		for len(src) > 0 && src[0] != '}' {
			if src[0] == '{' {
				src, err = array(w, src)
			} else {
				var item []byte
				var quoted bool
				if item, quoted, src, err = textItem(src, ",}"); err == nil {
					if !quoted && string(item) == "NULL" {
						w.Null()
					} else {
						err = element(w, item)
					}
				}
			}
			if err != nil {
				return nil, err
			}
			if len(src) > 0 && src[0] == ',' {
				src = src[1:]
			}
		}
		if len(src) == 0 {
			return nil, errText
		}
		w.EndArray()
		return src[1:], nil
	}
	return func(w *stream.Writer, src []byte) error {
		if len(src) > 0 && src[0] == '[' {
			_, src, _ = bytes.Cut(src, []byte("="))
		}
		if len(src) == 0 || src[0] != '{' {
			return errText
		}
		rest, err := array(w, src)
		if err == nil && len(rest) > 0 {
			err = errText
		}
		return err
	}
}

// textCompositeEncoder reads (a,"b c",), where nothing is null.
func textCompositeEncoder(c *pgtype.CompositeCodec, types *pgtype.Map, o Options) encoder {
	names, encode := compositeFields(c, o, func(oid uint32) encoder { return textEncoder(oid, types, o) })
	return func(w *stream.Writer, src []byte) error {
		if len(src) < 2 || src[0] != '(' || src[len(src)-1] != ')' {
			return errText
		}
		w.BeginObject()
		for i, name := range names {
			if len(src) == 0 {
				return errText
			}
			item, quoted, rest, err := textItem(src[1:], ",)")
			if err != nil {
				return err
			}
			src = rest
			w.Member(name)
			if len(item) == 0 && !quoted {
				w.Null()
			} else if err := encode[i](w, item); err != nil {
				return err
			}
		}
		if string(src) != ")" {
			return errText
		}
		w.EndObject()
		return nil
	}
}

// textItem reads an item up to one of the characters in ends. In quotes, and behind
// a backslash, those count as others.
func textItem(src []byte, ends string) (item []byte, quoted bool, rest []byte, err error) {
	inside := false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\\' && i+1 < len(src):
			i++
			item = append(item, src[i])
		case c == '"' && inside && i+1 < len(src) && src[i+1] == '"':
			i++
			item = append(item, c)
		case c == '"':
			inside, quoted = !inside, true
		case !inside && bytes.IndexByte([]byte(ends), c) >= 0:
			return item, quoted, src[i:], nil
		default:
			item = append(item, c)
		}
	}
	return nil, false, nil, errText
}
