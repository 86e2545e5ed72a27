package pgrows

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"
)

var errVersion = errors.New("the value has a version that is not known")

func writeBool(o *output, b []byte) { o.w.Bool(b[0] != 0) }
func writeInt2(o *output, b []byte) { o.w.Int(int64(be16(b))) }
func writeInt4(o *output, b []byte) { o.w.Int(int64(be32(b))) }
func writeOID(o *output, b []byte)  { o.w.Uint(uint64(uint32(be32(b)))) }
func writeUUID(o *output, b []byte) { o.w.UUID([16]byte(b)) }

func writeInt8(o *output, b []byte) {
	if o.options.Int8AsString {
		o.w.IntString(be64(b))
	} else {
		o.w.Int(be64(b))
	}
}

func writeJSON(o *output, b []byte) error {
	if o.options.RenameJSON && o.options.Rename != nil {
		b = appendRenamed(make([]byte, 0, len(b)+len(b)/8), b, o.options.Rename)
	}
	o.w.Raw(b)
	return nil
}

func writeBytea(o *output, b []byte) error {
	o.w.Append(func(to []byte) []byte {
		return append(base64.StdEncoding.AppendEncode(append(to, '"'), b), '"')
	})
	return nil
}

// The rest are Postgres's texts.

func appendAsIs(_ *output, to, b []byte) ([]byte, error) { return append(to, b...), nil }

func appendBool(to, b []byte) []byte {
	if b[0] != 0 {
		return append(to, 't')
	}
	return append(to, 'f')
}

func appendInt2(to, b []byte) []byte  { return strconv.AppendInt(to, int64(be16(b)), 10) }
func appendInt4(to, b []byte) []byte  { return strconv.AppendInt(to, int64(be32(b)), 10) }
func appendInt8(to, b []byte) []byte  { return strconv.AppendInt(to, be64(b), 10) }
func appendUint4(to, b []byte) []byte { return strconv.AppendUint(to, uint64(uint32(be32(b))), 10) }
func appendUint8(to, b []byte) []byte { return strconv.AppendUint(to, uint64(be64(b)), 10) }

// appendQChar appends the byte, or its octal number if it is not ASCII, as Postgres does
// from version 16 on.
func appendQChar(to, b []byte) []byte {
	switch c := b[0]; {
	case c == 0:
		return to
	case c < 0x80:
		return append(to, c)
	default:
		return append(to, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	}
}

// appendBytea appends the bytes in hexadecimal, which bytea_output is by default.
func appendBytea(_ *output, to, b []byte) ([]byte, error) {
	return hex.AppendEncode(append(to, `\x`...), b), nil
}

func appendUUID(to, b []byte) []byte {
	from := 0
	for _, end := range [...]int{4, 6, 8, 10, 16} {
		if from > 0 {
			to = append(to, '-')
		}
		to = hex.AppendEncode(to, b[from:end])
		from = end
	}
	return to
}

func appendMAC(to, b []byte) []byte {
	for i := range b {
		if i > 0 {
			to = append(to, ':')
		}
		to = hex.AppendEncode(to, b[i:i+1])
	}
	return to
}

// appendBits reads a number of bits and as many, with the first one highest.
func appendBits(_ *output, to, b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errLength
	}
	n := int(be32(b))
	if b = b[4:]; n < 0 || (n+7)/8 != len(b) {
		return nil, errLength
	}
	for i := range n {
		to = append(to, '0'+b[i/8]>>(7-i%8)&1)
	}
	return to, nil
}

// appendTID reads a block and a place in it.
func appendTID(to, b []byte) []byte {
	to = appendUint4(append(to, '('), b)
	to = strconv.AppendUint(append(to, ','), uint64(uint16(be16(b[4:]))), 10)
	return append(to, ')')
}

func appendLSN(to, b []byte) []byte {
	start := len(to)
	to = strconv.AppendUint(to, uint64(uint32(be32(b))), 16)
	to = strconv.AppendUint(append(to, '/'), uint64(uint32(be32(b[4:]))), 16)
	for i, c := range to[start:] {
		if 'a' <= c && c <= 'f' {
			to[start+i] -= 'a' - 'A'
		}
	}
	return to
}

// appendSnapshot reads the number of transactions, the bounds, and the transactions.
func appendSnapshot(_ *output, to, b []byte) ([]byte, error) {
	if len(b) < 20 || be32(b) < 0 || len(b) != 20+8*int(be32(b)) {
		return nil, errLength
	}
	to = appendUint8(to, b[4:])
	to = append(appendUint8(append(to, ':'), b[12:]), ':')
	for i := 20; i < len(b); i += 8 {
		if i > 20 {
			to = append(to, ',')
		}
		to = appendUint8(to, b[i:])
	}
	return to, nil
}

// The families of addresses.
const (
	familyIPv4 = 2
	familyIPv6 = 3
)

// appendNetwork reads family, bits, whether it is a cidr, the length and the address.
func appendNetwork(_ *output, to, b []byte) ([]byte, error) {
	if len(b) < 4 || len(b) != 4+int(b[3]) {
		return nil, errLength
	}
	family, bits, cidr, address := b[0], b[1], b[2] != 0, b[4:]
	switch {
	case family == familyIPv4 && len(address) == 4:
		to = appendIPv4(to, address)
	case family == familyIPv6 && len(address) == 16:
		to = appendIPv6(to, address)
	default:
		return nil, errLength
	}
	if cidr || int(bits) != 8*len(address) {
		to = strconv.AppendUint(append(to, '/'), uint64(bits), 10)
	}
	return to, nil
}

func appendIPv4(to, b []byte) []byte {
	for i, c := range b {
		if i > 0 {
			to = append(to, '.')
		}
		to = strconv.AppendUint(to, uint64(c), 10)
	}
	return to
}

// appendIPv6 leaves the first of the longest runs of zeros out, and writes an IPv4
// address within as one, which net/netip does for fewer addresses than Postgres.
func appendIPv6(to, b []byte) []byte {
	word := func(i int) uint16 { return uint16(be16(b[2*i:])) }
	start, length := 0, 0
	for i := 0; i < 8; {
		n := 0
		for i+n < 8 && word(i+n) == 0 {
			n++
		}
		if n >= 2 && n > length {
			start, length = i, n
		}
		i += max(n, 1)
	}
	for i := 0; i < 8; i++ {
		if length > 0 && i == start {
			to = append(to, ':')
		}
		if length > 0 && i >= start && i < start+length {
			continue
		}
		if i > 0 {
			to = append(to, ':')
		}
		if i == 6 && start == 0 && (length == 6 || length == 7 && word(7) != 1 || length == 5 && word(5) == 0xffff) {
			return appendIPv4(to, b[12:])
		}
		to = strconv.AppendUint(to, uint64(word(i)), 16)
	}
	if length > 0 && start+length == 8 {
		to = append(to, ':')
	}
	return to
}

// appendTSVector reads the number of lexemes, and of each the text and its places.
func appendTSVector(_ *output, to, b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errLength
	}
	n := be32(b)
	b = b[4:]
	for i := range n {
		if i > 0 {
			to = append(to, ' ')
		}
		to = append(to, '\'')
		for {
			if len(b) == 0 {
				return nil, errLength
			}
			c := b[0]
			if b = b[1:]; c == 0 {
				break
			}
			if c == '\'' || c == '\\' {
				to = append(to, c)
			}
			to = append(to, c)
		}
		to = append(to, '\'')
		if len(b) < 2 {
			return nil, errLength
		}
		places := int(uint16(be16(b)))
		if b = b[2:]; len(b) < 2*places {
			return nil, errLength
		}
		for j := range places {
			to = append(to, ":,"[min(j, 1)])
			place := uint16(be16(b[2*j:]))
			to = strconv.AppendUint(to, uint64(place&0x3FFF), 10)
			if weight := place >> 14; weight > 0 {
				to = append(to, "DCBA"[weight])
			}
		}
		b = b[2*places:]
	}
	return to, ended(b)
}

// appendXY appends (x,y).
func appendXY(to, b []byte) []byte {
	to = appendFloat8(append(to, '('), b)
	return append(appendFloat8(append(to, ','), b[8:]), ')')
}

// appendXYs appends (x,y),(x,y).
func appendXYs(to, b []byte) []byte {
	for i := 0; i+16 <= len(b); i += 16 {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendXY(to, b[i:])
	}
	return to
}

func appendLseg(to, b []byte) []byte { return append(appendXYs(append(to, '['), b), ']') }

func appendLine(to, b []byte) []byte {
	to = appendFloat8(append(to, '{'), b)
	to = appendFloat8(append(to, ','), b[8:])
	return append(appendFloat8(append(to, ','), b[16:]), '}')
}

func appendCircle(to, b []byte) []byte {
	to = appendXY(append(to, '<'), b)
	return append(appendFloat8(append(to, ','), b[16:]), '>')
}

// appendPath reads whether it is closed, the number of points, and the points.
func appendPath(o *output, to, b []byte) ([]byte, error) {
	if len(b) < 1 {
		return nil, errLength
	}
	if b[0] != 0 {
		return appendPolygon(o, to, b[1:])
	}
	if b = b[1:]; len(b) < 4 || len(b) != 4+16*int(be32(b)) {
		return nil, errLength
	}
	return append(appendXYs(append(to, '['), b[4:]), ']'), nil
}

func appendPolygon(_ *output, to, b []byte) ([]byte, error) {
	if len(b) < 4 || len(b) != 4+16*int(be32(b)) {
		return nil, errLength
	}
	return append(appendXYs(append(to, '('), b[4:]), ')'), nil
}

// hstoreType is of an extension: a text, or an object by option.
var hstoreType = &typ{name: "hstore", text: appendHstore, json: writeHstore, parse: parseHstore}

// pairs reads the number of pairs, and of each the key and the value, nil for null.
func pairs(b []byte, each func(i int32, key, value []byte)) (err error) {
	if len(b) < 4 {
		return errLength
	}
	n := be32(b)
	b = b[4:]
	for i := range n {
		var key, value []byte
		if key, b, err = field(b); err != nil {
			return err
		}
		if value, b, err = field(b); err != nil {
			return err
		}
		each(i, key, value)
	}
	return ended(b)
}

func writeHstore(o *output, b []byte) error {
	if !o.options.HstoreAsObject {
		return o.quoteText(appendHstore, b)
	}
	o.w.BeginObject()
	err := pairs(b, func(_ int32, key, value []byte) { writePair(o, key, value) })
	o.w.EndObject()
	return err
}

func writePair(o *output, key, value []byte) {
	o.w.Name(string(key))
	if value == nil {
		o.w.Null()
	} else {
		o.w.StringBytes(value)
	}
}

func appendHstore(_ *output, to, b []byte) ([]byte, error) {
	err := pairs(b, func(i int32, key, value []byte) {
		if i > 0 {
			to = append(to, ", "...)
		}
		start := len(to)
		to = append(quoteInside(append(to, key...), start, '\\'), "=>"...)
		if value == nil {
			to = append(to, "NULL"...)
			return
		}
		start = len(to)
		to = quoteInside(append(to, value...), start, '\\')
	})
	return to, err
}

// isInteger reports whether a type is one of the integers, for GraphQL's ID.
func isInteger(t *typ) bool {
	all := builtins()
	return t == all[pgtype.Int8OID] || t == all[pgtype.Int4OID] || t == all[pgtype.Int2OID]
}
