package pgrows

import "encoding/binary"

// The signs of a numeric.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInfinity = 0xD000
	numericMinusInf = 0xF000
)

func writeNumeric(o *output, b []byte) error {
	if len(b) < 8 || len(b) != 8+2*int(binary.BigEndian.Uint16(b)) {
		return errLength
	}
	switch binary.BigEndian.Uint16(b[4:]) {
	case numericNaN, numericInfinity, numericMinusInf:
		return o.quoteText(appendNumericText, b)
	}
	o.w.Append(func(to []byte) []byte {
		if o.options.NumericAsString {
			return append(appendNumeric(append(to, '"'), b), '"')
		}
		return appendNumeric(to, b)
	})
	return nil
}

func appendNumericText(_ *output, to, b []byte) ([]byte, error) {
	if len(b) < 8 || len(b) != 8+2*int(binary.BigEndian.Uint16(b)) {
		return nil, errLength
	}
	switch binary.BigEndian.Uint16(b[4:]) {
	case numericNaN:
		return append(to, "NaN"...), nil
	case numericInfinity:
		return append(to, "Infinity"...), nil
	case numericMinusInf:
		return append(to, "-Infinity"...), nil
	}
	return appendNumeric(to, b), nil
}

// appendNumeric reads a number of digits to the base of 10 000, the weight of the
// first, the sign, the number of decimal places, and the digits.
func appendNumeric(to, b []byte) []byte {
	digits, weight := int(binary.BigEndian.Uint16(b)), int(be16(b[2:]))
	at := func(i int) int { // the digit of weight i
		if i = weight - i; i < 0 || i >= digits {
			return 0
		}
		return int(binary.BigEndian.Uint16(b[8+2*i:]))
	}
	if binary.BigEndian.Uint16(b[4:]) == numericNegative {
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
	scale := int(binary.BigEndian.Uint16(b[6:]))
	if scale > 0 {
		to = append(to, '.')
		for i := -1; scale > 0; i-- {
			n := min(scale, 4)
			to = appendDigits(to, at(i), n)
			scale -= n
		}
	}
	return to
}

// appendDigits appends the first n of the four decimal digits of v.
func appendDigits(to []byte, v, n int) []byte {
	four := [4]byte{byte('0' + v/1000%10), byte('0' + v/100%10), byte('0' + v/10%10), byte('0' + v%10)}
	return append(to, four[:n]...)
}
