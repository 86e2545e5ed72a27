package stream

import (
	"fmt"
	"math"
	"strconv"
)

// Int writes an integer. JavaScript reads integers beyond 2^53 inexactly: write
// those with [Writer.IntString] for such clients.
func (w *Writer) Int(v int64) {
	if w.value("an integer") {
		w.buf = strconv.AppendInt(w.buf, v, 10)
		w.filled()
	}
}

// Uint writes an integer.
func (w *Writer) Uint(v uint64) {
	if w.value("an integer") {
		w.buf = strconv.AppendUint(w.buf, v, 10)
		w.filled()
	}
}

// IntString writes an integer as a string.
func (w *Writer) IntString(v int64) {
	if w.value("an integer") {
		w.buf = append(strconv.AppendInt(append(w.buf, '"'), v, 10), '"')
		w.filled()
	}
}

// Float writes the shortest number that reads as v, as encoding/json does. NaN
// and infinities are errors: JSON has none.
func (w *Writer) Float(v float64) { w.float(v, 64) }

// Float32 is [Writer.Float] for the shortest number that reads as a float32.
func (w *Writer) Float32(v float32) { w.float(float64(v), 32) }

func (w *Writer) float(v float64, size int) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		w.fail(fmt.Errorf("stream: unsupported value: %v", v))
		return
	}
	if w.value("a float") {
		w.buf = appendFloat(w.buf, v, size)
		w.filled()
	}
}

// appendFloat is encoding/json's format, which is that of ECMAScript: exponents
// below 1e-6 and from 1e21, without zeros in front.
func appendFloat(b []byte, v float64, size int) []byte {
	abs := math.Abs(v)
	small := abs < 1e-6 || abs >= 1e21
	if size == 32 {
		small = float32(abs) < 1e-6 || float32(abs) >= 1e21
	}
	if abs == 0 || !small {
		if size == 64 && (v != 0 || !math.Signbit(v)) {
			if thousandths := v * 1e3; math.Abs(thousandths) < 1e15 {
				if whole := int64(thousandths); float64(whole) == thousandths && float64(whole)/1e3 == v {
					return appendThousandths(b, whole)
				}
			}
		}
		return strconv.AppendFloat(b, v, 'f', -1, size)
	}
	b = strconv.AppendFloat(b, v, 'e', -1, size)
	if n := len(b); n >= 4 && b[n-4] == 'e' && (b[n-3] == '-' || b[n-3] == '+') && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// appendThousandths appends v/1000. Numbers with few decimal places are common, and
// this is faster than to search for the shortest text of a float: below 10^15 no
// two decimal numbers are the same float, so the one that was found is the shortest.
func appendThousandths(b []byte, v int64) []byte {
	if v < 0 {
		b, v = append(b, '-'), -v
	}
	b = strconv.AppendInt(b, v/1000, 10)
	rest := v % 1000
	if rest == 0 {
		return b
	}
	b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}
