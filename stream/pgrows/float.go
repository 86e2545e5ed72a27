package pgrows

import (
	"math"
	"strconv"
	"strings"
)

func float4(b []byte) float32 { return math.Float32frombits(uint32(be32(b))) }
func float8(b []byte) float64 { return math.Float64frombits(uint64(be64(b))) }

func writeFloat4(o *output, b []byte) { writeFloat(o, float64(float4(b)), 32) }
func writeFloat8(o *output, b []byte) { writeFloat(o, float8(b), 64) }

func appendFloat4(to, b []byte) []byte { return appendFloat(to, float64(float4(b)), 32) }
func appendFloat8(to, b []byte) []byte { return appendFloat(to, float8(b), 64) }

// notFinite returns Postgres's text of what JSON has no number for.
func notFinite(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return ""
}

func writeFloat(o *output, v float64, size int) {
	switch name := notFinite(v); {
	case name != "":
		o.w.String(name)
	case mayTie(v, size):
		o.w.Append(func(to []byte) []byte { return appendFloat(to, v, size) })
	case size == 32:
		o.w.Float32(float32(v))
	default:
		o.w.Float(v)
	}
}

// appendFloat appends the shortest text of a float, with an exponent where Postgres
// has one: below 1e-4, and from the digits on that a float of the size always has.
func appendFloat(to []byte, v float64, size int) []byte {
	if name := notFinite(v); name != "" {
		return append(to, name...)
	}
	digits := 15
	if size == 32 {
		digits = 6
	}
	start := len(to)
	to = strconv.AppendFloat(to, v, 'e', -1, size)
	precision := -1
	if mayTie(v, size) {
		for precision = len(mantissa(to[start:])) - 1; ties(string(to[start:]), v, size); precision++ {
			to = strconv.AppendFloat(to[:start], v, 'e', precision+1, size)
		}
	}
	if exponent := exponentOf(to[start:]); v == 0 || exponent >= -4 && exponent < digits {
		if precision >= 0 {
			precision -= exponent
		}
		return strconv.AppendFloat(to[:start], v, 'f', max(precision, -1), size)
	}
	return to
}

// mantissa returns the digits before the exponent, without sign and point.
func mantissa(text []byte) string {
	digits, _, _ := strings.Cut(string(text), "e")
	return strings.NewReplacer("-", "", ".", "").Replace(digits)
}

func exponentOf(text []byte) (n int) {
	e := len(text) - 1
	for text[e] != 'e' {
		e--
	}
	for _, c := range text[e+2:] {
		n = 10*n + int(c-'0')
	}
	if text[e+1] == '-' {
		return -n
	}
	return n
}

// mayTie reports whether the shortest text of a float may be exactly between it and a
// neighbour. Go writes such a text, since it is read as the even one of the two;
// Postgres writes another digit. Texts have at most 17 digits (9 of a float4), so that
// only floats of this size have them: what is between smaller ones has more digits, and
// what is between larger ones is not divisible by as many tens.
func mayTie(v float64, size int) bool {
	if v = math.Abs(v); size == 32 {
		return v >= 1<<22 && v < 1e20
	}
	return v >= 1<<52 && v < 1e41
}

// ties reports whether a text is between two floats: a trifle more, or less, is read
// as another.
func ties(text string, v float64, size int) bool {
	digits, exponent, _ := strings.Cut(text, "e")
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	const trifle = 50 // digits, more than any exact integer here has
	more := digits + strings.Repeat("0", trifle) + "1e" + exponent
	less := []byte(digits)
	for i := len(less) - 1; i >= 0; i-- { // Take one from the last digit.
		if less[i] == '0' {
			less[i] = '9'
		} else if less[i] != '.' {
			less[i]--
			break
		}
	}
	for _, near := range [...]string{more, string(less) + strings.Repeat("9", trifle) + "e" + exponent} {
		if read, _ := strconv.ParseFloat(near, size); read != v {
			return true
		}
	}
	return false
}
