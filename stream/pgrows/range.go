package pgrows

import (
	"bytes"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5/pgtype"
)

// The flags of a range.
const (
	rangeEmpty        = 1 << 0
	rangeLowerInside  = 1 << 1
	rangeUpperInside  = 1 << 2
	rangeLowerOpen    = 1 << 3
	rangeUpperOpen    = 1 << 4
	rangeNeedsQuoting = "\"\\()[], \t\r\n\v\f"
)

// rangeEncoder writes Postgres's text of a range, [1,5), from its binary format.
func rangeEncoder(element *pgtype.Type, types *pgtype.Map) encoder {
	return func(w *stream.Writer, src []byte) error {
		text, err := appendRange(nil, src, element, types)
		if err == nil {
			w.StringBytes(text)
		}
		return err
	}
}

// multirangeEncoder writes {[1,2),[5,7)}.
func multirangeEncoder(element *pgtype.Type, types *pgtype.Map) encoder {
	return func(w *stream.Writer, src []byte) error {
		if len(src) < 4 {
			return errLength
		}
		n := be32(src)
		src = src[4:]
		text := []byte{'{'}
		for i := range n {
			one, rest, err := field(src)
			if err != nil {
				return err
			}
			if i > 0 {
				text = append(text, ',')
			}
			if text, err = appendRange(text, one, element, types); err != nil {
				return err
			}
			src = rest
		}
		w.StringBytes(append(text, '}'))
		return nil
	}
}

func appendRange(to, src []byte, element *pgtype.Type, types *pgtype.Map) (_ []byte, err error) {
	if len(src) == 0 {
		return nil, errLength
	}
	flags := src[0]
	if flags&rangeEmpty != 0 {
		return append(to, "empty"...), nil
	}
	src = src[1:]
	bound := func() error {
		value, rest, err := field(src)
		if err != nil {
			return err
		}
		src = rest
		v, err := element.Codec.DecodeValue(types, element.OID, pgtype.BinaryFormatCode, value)
		if err != nil {
			return err
		}
		text, err := types.Encode(element.OID, pgtype.TextFormatCode, v, nil)
		if err != nil {
			return err
		}
		if len(text) > 0 && !bytes.ContainsAny(text, rangeNeedsQuoting) {
			to = append(to, text...)
			return nil
		}
		to = append(to, '"')
		for _, c := range text {
			if c == '"' || c == '\\' {
				to = append(to, c)
			}
			to = append(to, c)
		}
		to = append(to, '"')
		return nil
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
		if err = bound(); err != nil {
			return nil, err
		}
	}
	to = append(to, ',')
	if flags&rangeUpperOpen == 0 {
		if err = bound(); err != nil {
			return nil, err
		}
	}
	return append(to, end), nil
}
