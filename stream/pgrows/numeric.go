package pgrows

import (
	"encoding/binary"

	"github.com/gqlboost/gqlboost/stream"
)

// The signs of a numeric.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInfinity = 0xD000
	numericMinusInf = 0xF000
)

// writeNumeric reads a number of digits to the base of 10 000, the weight of the
// first, the sign, the number of decimal places, and the digits.
func writeNumeric(w *stream.Writer, b []byte, asString bool) error {
	if len(b) < 8 {
		return errLength
	}
	digits, weight := int(binary.BigEndian.Uint16(b)), int(be16(b[2:]))
	sign, scale := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	if len(b) != 8+2*digits {
		return errLength
	}
	switch sign {
	case numericNaN:
		w.String("NaN")
		return nil
	case numericInfinity:
		w.String("Infinity")
		return nil
	case numericMinusInf:
		w.String("-Infinity")
		return nil
	}
	at := func(i int) int { // the digit of weight i
		if i = weight - i; i < 0 || i >= digits {
			return 0
		}
		return int(binary.BigEndian.Uint16(b[8+2*i:]))
	}
	w.Append(func(to []byte) []byte {
		if asString {
			to = append(to, '"')
		}
		if sign == numericNegative {
			to = append(to, '-')
		}
		start := len(to)
		for i := weight; i >= 0; i-- {
			to = appendDigits(to, at(i), 4)
		}
		// Without zeros in front, but with one before the point.
		zeros := start
		for zeros < len(to)-1 && to[zeros] == '0' {
			zeros++
		}
		to = append(to[:start], to[zeros:]...)
		if len(to) == start {
			to = append(to, '0')
		}
		if scale > 0 {
			to = append(to, '.')
			for i := -1; scale > 0; i-- {
				n := min(scale, 4)
				to = appendDigits(to, at(i), n)
				scale -= n
			}
		}
		if asString {
			to = append(to, '"')
		}
		return to
	})
	return nil
}

// appendDigits appends the first n of the four decimal digits of v.
func appendDigits(to []byte, v, n int) []byte {
	four := [4]byte{byte('0' + v/1000%10), byte('0' + v/100%10), byte('0' + v/10%10), byte('0' + v%10)}
	return append(to, four[:n]...)
}
