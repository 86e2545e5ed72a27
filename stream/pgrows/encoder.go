package pgrows

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5/pgtype"
)

// encoder writes a value that is not null from Postgres's format of it.
type encoder func(w *stream.Writer, src []byte) error

var errLength = errors.New("the value has not the length of its type")

// sized checks the length of a value before it is read.
func sized(n int, write func(w *stream.Writer, src []byte)) encoder {
	return func(w *stream.Writer, src []byte) error {
		if len(src) != n {
			return errLength
		}
		write(w, src)
		return nil
	}
}

func be16(b []byte) int16 { return int16(binary.BigEndian.Uint16(b)) }
func be32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }
func be64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// encoders are those of the binary format that need no options.
var encoders = map[uint32]encoder{
	pgtype.BoolOID:   sized(1, func(w *stream.Writer, b []byte) { w.Bool(b[0] != 0) }),
	pgtype.Int2OID:   sized(2, func(w *stream.Writer, b []byte) { w.Int(int64(be16(b))) }),
	pgtype.Int4OID:   sized(4, func(w *stream.Writer, b []byte) { w.Int(int64(be32(b))) }),
	pgtype.Int8OID:   sized(8, func(w *stream.Writer, b []byte) { w.Int(be64(b)) }),
	pgtype.OIDOID:    sized(4, func(w *stream.Writer, b []byte) { w.Uint(uint64(uint32(be32(b)))) }),
	pgtype.Float4OID: sized(4, func(w *stream.Writer, b []byte) { writeFloat(w, float64(math.Float32frombits(uint32(be32(b)))), 32) }),
	pgtype.Float8OID: sized(8, func(w *stream.Writer, b []byte) { writeFloat(w, math.Float64frombits(uint64(be64(b))), 64) }),
	pgtype.UUIDOID:   sized(16, func(w *stream.Writer, b []byte) { w.UUID([16]byte(b)) }),
	pgtype.DateOID:   sized(4, writeDate),
	pgtype.TimeOID: func(w *stream.Writer, b []byte) error {
		if len(b) != 8 {
			return errLength
		}
		return writeClock(w, be64(b), nil)
	},
	pgtype.TimetzOID: func(w *stream.Writer, b []byte) error {
		if len(b) != 12 {
			return errLength
		}
		west := be32(b[8:])
		return writeClock(w, be64(b), &west)
	},
	pgtype.TimestampOID:   sized(8, func(w *stream.Writer, b []byte) { writeTimestamp(w, be64(b), "") }),
	pgtype.TimestamptzOID: sized(8, func(w *stream.Writer, b []byte) { writeTimestamp(w, be64(b), "Z") }),
	pgtype.IntervalOID:    sized(16, func(w *stream.Writer, b []byte) { writeInterval(w, be64(b), be32(b[8:]), be32(b[12:])) }),
	pgtype.TextOID:        writeText,
	pgtype.VarcharOID:     writeText,
	pgtype.BPCharOID:      writeText,
	pgtype.NameOID:        writeText,
	pgtype.QCharOID:       writeText,
	pgtype.UnknownOID:     writeText,
	pgtype.XMLOID:         writeText,
	pgtype.ByteaOID:       writeBytes,
	pgtype.InetOID:        func(w *stream.Writer, b []byte) error { return writeNetwork(w, b, false) },
	pgtype.CIDROID:        func(w *stream.Writer, b []byte) error { return writeNetwork(w, b, true) },
	pgtype.NumericOID:     func(w *stream.Writer, b []byte) error { return writeNumeric(w, b, false) },
	pgtype.JSONOID:        writeJSON,
	pgtype.JSONBOID: func(w *stream.Writer, b []byte) error {
		if len(b) == 0 || b[0] != 1 {
			return errors.New("unknown version of jsonb")
		}
		return writeJSON(w, b[1:])
	},
}

// encoderOf returns the encoder of a column.
func encoderOf(oid uint32, format int16, types *pgtype.Map, o Options) encoder {
	if format == pgtype.BinaryFormatCode {
		return binaryEncoder(oid, types, o)
	}
	return textEncoder(oid, types, o)
}

func binaryEncoder(oid uint32, types *pgtype.Map, o Options) encoder {
	switch {
	case oid == pgtype.Int8OID && o.Int8AsString:
		return sized(8, func(w *stream.Writer, b []byte) { w.IntString(be64(b)) })
	case oid == pgtype.NumericOID && o.NumericAsString:
		return func(w *stream.Writer, b []byte) error { return writeNumeric(w, b, true) }
	case (oid == pgtype.JSONOID || oid == pgtype.JSONBOID) && o.RenameJSON && o.Rename != nil:
		return renamed(encoders[oid], o.Rename, oid == pgtype.JSONBOID)
	}
	if e := encoders[oid]; e != nil {
		return e
	}
	t, ok := types.TypeForOID(oid)
	if !ok {
		return writeText // Of an unknown type, pgx asks for the text.
	}
	switch c := t.Codec.(type) {
	case *pgtype.ArrayCodec:
		return arrayEncoder(binaryEncoder(c.ElementType.OID, types, o))
	case *pgtype.CompositeCodec:
		return compositeEncoder(c, types, o)
	case *pgtype.RangeCodec:
		return rangeEncoder(c.ElementType, types)
	case *pgtype.MultirangeCodec:
		if element, ok := c.ElementType.Codec.(*pgtype.RangeCodec); ok {
			return multirangeEncoder(element.ElementType, types)
		}
	case *pgtype.EnumCodec, pgtype.TextCodec, *pgtype.TextCodec:
		return writeText
	}
	return func(w *stream.Writer, src []byte) error {
		v, err := t.Codec.DecodeDatabaseSQLValue(types, oid, pgtype.BinaryFormatCode, src)
		if err != nil {
			return err
		}
		if b, ok := v.([]byte); ok && utf8.Valid(b) {
			v = string(b)
		}
		return w.Any(v)
	}
}

func writeText(w *stream.Writer, b []byte) error { w.StringBytes(b); return nil }

func writeJSON(w *stream.Writer, b []byte) error { w.Raw(b); return nil }

func writeBytes(w *stream.Writer, b []byte) error {
	w.Append(func(to []byte) []byte {
		return append(base64.StdEncoding.AppendEncode(append(to, '"'), b), '"')
	})
	return nil
}

func writeFloat(w *stream.Writer, v float64, size int) {
	switch {
	case math.IsNaN(v):
		w.String("NaN")
	case math.IsInf(v, 1):
		w.String("Infinity")
	case math.IsInf(v, -1):
		w.String("-Infinity")
	case size == 32:
		w.Float32(float32(v))
	default:
		w.Float(v)
	}
}

// writeNetwork reads family, bits, is_cidr, length and the address.
func writeNetwork(w *stream.Writer, b []byte, always bool) error {
	if len(b) < 4 || len(b) != 4+int(b[3]) {
		return errLength
	}
	address, ok := netip.AddrFromSlice(b[4:])
	if !ok {
		return errLength
	}
	if n := int(b[1]); always || n != address.BitLen() {
		w.String(netip.PrefixFrom(address, n).String())
	} else {
		w.String(address.String())
	}
	return nil
}

// arrayEncoder reads the dimensions and then the elements in row-major order.
func arrayEncoder(element encoder) encoder {
	return func(w *stream.Writer, src []byte) error {
		if len(src) < 12 {
			return errLength
		}
		dimensions := int(be32(src))
		if dimensions < 0 || dimensions > 6 || len(src) < 12+8*dimensions {
			return errLength
		}
		lengths := make([]int, dimensions)
		for i := range lengths {
			if lengths[i] = int(be32(src[12+8*i:])); lengths[i] <= 0 {
				return errLength // An empty array has no dimensions.
			}
		}
		if dimensions == 0 {
			w.BeginArray()
			w.EndArray()
			return nil
		}
		rest, err := writeArray(w, src[12+8*dimensions:], lengths, element)
		if err == nil && len(rest) != 0 {
			err = errLength
		}
		return err
	}
}

func writeArray(w *stream.Writer, src []byte, lengths []int, element encoder) (rest []byte, err error) {
	w.BeginArray()
	for range lengths[0] {
		if len(lengths) > 1 {
			if src, err = writeArray(w, src, lengths[1:], element); err != nil {
				return nil, err
			}
			continue
		}
		var value []byte
		if value, src, err = field(src); err != nil {
			return nil, err
		}
		if value == nil {
			w.Null()
		} else if err = element(w, value); err != nil {
			return nil, err
		}
	}
	w.EndArray()
	return src, nil
}

// field reads a length and as many bytes, nil for null.
func field(src []byte) (value, rest []byte, err error) {
	if len(src) < 4 {
		return nil, nil, errLength
	}
	n := int(be32(src))
	src = src[4:]
	if n < 0 {
		return nil, src, nil
	}
	if n > len(src) {
		return nil, nil, errLength
	}
	return src[:n:n], src[n:], nil
}

// compositeEncoder reads the number of fields, and of each its type and value.
func compositeEncoder(c *pgtype.CompositeCodec, types *pgtype.Map, o Options) encoder {
	names, encode := compositeFields(c, o, func(oid uint32) encoder { return binaryEncoder(oid, types, o) })
	return func(w *stream.Writer, src []byte) error {
		if len(src) < 4 || int(be32(src)) != len(names) {
			return errLength
		}
		src = src[4:]
		w.BeginObject()
		for i, name := range names {
			if len(src) < 4 {
				return errLength
			}
			value, rest, err := field(src[4:])
			if err != nil {
				return err
			}
			src = rest
			w.Member(name)
			if value == nil {
				w.Null()
			} else if err := encode[i](w, value); err != nil {
				return err
			}
		}
		w.EndObject()
		return nil
	}
}

// compositeFields returns the names and encoders of a composite type's fields.
func compositeFields(c *pgtype.CompositeCodec, o Options, encoderOf func(oid uint32) encoder) ([]stream.Name, []encoder) {
	names, encode := make([]stream.Name, len(c.Fields)), make([]encoder, len(c.Fields))
	for i, f := range c.Fields {
		name := f.Name
		if o.Rename != nil {
			name = o.Rename(name)
		}
		names[i], encode[i] = stream.NewName(name), encoderOf(f.Type.OID)
	}
	return names, encode
}

// epoch is Postgres's, from which days and microseconds count.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
