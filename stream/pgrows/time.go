package pgrows

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/gqlboost/gqlboost/stream"
)

var errRange = errors.New("the time is none")

// quote writes a string that needs no escapes.
func quote(w *stream.Writer, text func(to []byte) []byte) {
	w.Append(func(to []byte) []byte { return append(text(append(to, '"')), '"') })
}

func writeDate(w *stream.Writer, b []byte) {
	days := be32(b)
	if infinite(w, days == math.MaxInt32, days == math.MinInt32) {
		return
	}
	t := epoch.AddDate(0, 0, int(days))
	quote(w, func(to []byte) []byte { return appendEra(appendDate(to, t), t) })
}

// infinite writes the texts of infinity.
func infinite(w *stream.Writer, plus, minus bool) bool {
	switch {
	case plus:
		w.String("infinity")
	case minus:
		w.String("-infinity")
	}
	return plus || minus
}

// appendDate appends the year, of four digits at least, and the rest. Postgres's
// years before 1 are counted from 1 again, see appendEra.
func appendDate(to []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year <= 0 {
		year = 1 - year
	}
	for limit := 1000; limit > 1 && year < limit; limit /= 10 {
		to = append(to, '0')
	}
	to = strconv.AppendInt(to, int64(year), 10)
	to = appendTwo(append(to, '-'), int64(month))
	return appendTwo(append(to, '-'), int64(day))
}

func appendEra(to []byte, t time.Time) []byte {
	if t.Year() <= 0 {
		return append(to, " BC"...)
	}
	return to
}

func appendTwo(to []byte, v int64) []byte { return append(to, byte('0'+v/10), byte('0'+v%10)) }

// appendClock appends a time of day with the fraction that it has.
func appendClock(to []byte, microseconds int64) []byte {
	seconds := microseconds / 1e6
	to = appendTwo(to, seconds/3600)
	to = appendTwo(append(to, ':'), seconds/60%60)
	to = appendTwo(append(to, ':'), seconds%60)
	return appendFraction(to, microseconds%1e6)
}

func appendFraction(to []byte, microseconds int64) []byte {
	if microseconds == 0 {
		return to
	}
	six := [6]byte{}
	for i := 5; i >= 0; i-- {
		six[i] = byte('0' + microseconds%10)
		microseconds /= 10
	}
	n := 6
	for six[n-1] == '0' {
		n--
	}
	return append(append(to, '.'), six[:n]...)
}

const dayMicroseconds = 24 * 60 * 60 * 1e6

func writeTimestamp(w *stream.Writer, microseconds int64, zone string) {
	if infinite(w, microseconds == math.MaxInt64, microseconds == math.MinInt64) {
		return
	}
	days := microseconds / dayMicroseconds
	clock := microseconds % dayMicroseconds
	if clock < 0 {
		days--
		clock += dayMicroseconds
	}
	t := epoch.AddDate(0, 0, int(days))
	quote(w, func(to []byte) []byte {
		to = appendClock(append(appendDate(to, t), 'T'), clock)
		return appendEra(append(to, zone...), t)
	})
}

// writeClock writes a time of day. Postgres counts its zone in seconds west.
func writeClock(w *stream.Writer, microseconds int64, west *int32) error {
	if microseconds < 0 || microseconds > dayMicroseconds || west != nil && (*west <= -dayMicroseconds/1e6 || *west >= dayMicroseconds/1e6) {
		return errRange
	}
	quote(w, func(to []byte) []byte {
		to = appendClock(to, microseconds)
		if west == nil {
			return to
		}
		east := -int64(*west)
		sign := byte('+')
		if east < 0 {
			sign, east = '-', -east
		}
		to = appendTwo(append(to, sign), east/3600)
		if east%3600 != 0 {
			to = appendTwo(append(to, ':'), east/60%60)
		}
		if east%60 != 0 {
			to = appendTwo(append(to, ':'), east%60)
		}
		return to
	})
	return nil
}

// writeInterval writes a duration as Postgres does with the interval style
// iso_8601.
func writeInterval(w *stream.Writer, microseconds int64, days, months int32) {
	if infinite(w, microseconds == math.MaxInt64 && days == math.MaxInt32 && months == math.MaxInt32, microseconds == math.MinInt64 && days == math.MinInt32 && months == math.MinInt32) {
		return
	}
	quote(w, func(to []byte) []byte {
		if microseconds == 0 && days == 0 && months == 0 {
			return append(to, "PT0S"...)
		}
		part := func(v int64, unit byte) {
			if v != 0 {
				to = append(strconv.AppendInt(to, v, 10), unit)
			}
		}
		to = append(to, 'P')
		part(int64(months/12), 'Y')
		part(int64(months%12), 'M')
		part(int64(days), 'D')
		if microseconds == 0 {
			return to
		}
		to = append(to, 'T')
		part(microseconds/3600e6, 'H')
		part(microseconds/60e6%60, 'M')
		if rest := microseconds % 60e6; rest != 0 {
			if rest < 0 {
				to, rest = append(to, '-'), -rest
			}
			to = strconv.AppendInt(to, rest/1e6, 10)
			to = append(appendFraction(to, rest%1e6), 'S')
		}
		return to
	})
}
