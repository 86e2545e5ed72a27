package pgrows

import (
	"errors"
	"math"
	"strconv"
)

// The JSON of dates and times does not depend on settings: ISO 8601, and RFC 3339 in
// UTC for timestamptz.

var errRange = errors.New("the time is out of range")

const daySeconds, dayMicroseconds = 24 * 60 * 60, 24 * 60 * 60 * 1_000_000

// date is a day of the proleptic Gregorian calendar. The year before 1 is 0.
type date struct{ year, month, day int64 }

// civil returns the date of a number of days since Postgres's epoch, 2000-01-01. Its
// years begin in March, so that the leap day is the last.
func civil(days int64) date {
	days += 730425 // from 0000-03-01 on
	era := floor(days, 146097)
	of := days - era*146097
	year := (of - of/1460 + of/36524 - of/146096) / 365
	of -= 365*year + year/4 - year/100
	month := (5*of + 2) / 153
	d := date{year: year + 400*era, month: month + 3, day: of - (153*month+2)/5 + 1}
	if d.month > 12 {
		d.month -= 12
		d.year++
	}
	return d
}

// days is the opposite of civil.
func (d date) days() int64 {
	year, month := d.year, d.month-3
	if month < 0 {
		month += 12
		year--
	}
	era := floor(year, 400)
	of := year - 400*era
	return era*146097 + 365*of + of/4 - of/100 + (153*month+2)/5 + d.day - 1 - 730425
}

func floor(a, b int64) int64 {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}

// split returns the day and the time of day in microseconds.
func split(microseconds int64) (days, clock int64) {
	days = floor(microseconds, dayMicroseconds)
	return days, microseconds - days*dayMicroseconds
}

// appendYear appends a year of four digits at least. Those before 1 count from 1 again,
// see appendEra.
func (d date) appendYear(to []byte) []byte {
	year := d.year
	if year <= 0 {
		year = 1 - year
	}
	if year <= 9999 {
		return appendTwo(appendTwo(to, year/100), year%100)
	}
	return strconv.AppendInt(to, year, 10)
}

func (d date) append(to []byte) []byte {
	to = appendTwo(append(d.appendYear(to), '-'), d.month)
	return appendTwo(append(to, '-'), d.day)
}

func (d date) appendEra(to []byte) []byte {
	if d.year <= 0 {
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

// infinity returns the text of a date or time that is infinite, and "" for others.
func infinity(plus, minus bool) string {
	switch {
	case plus:
		return "infinity"
	case minus:
		return "-infinity"
	}
	return ""
}

func dateInfinity(days int32) string { return infinity(days == math.MaxInt32, days == math.MinInt32) }

func timeInfinity(microseconds int64) string {
	return infinity(microseconds == math.MaxInt64, microseconds == math.MinInt64)
}

func writeDate(o *output, b []byte) {
	days := be32(b)
	o.w.Append(func(to []byte) []byte {
		to = append(to, '"')
		if name := dateInfinity(days); name != "" {
			to = append(to, name...)
		} else {
			d := civil(int64(days))
			to = d.appendEra(d.append(to))
		}
		return append(to, '"')
	})
}

func writeTimestamp(o *output, b []byte)   { writeTime(o, be64(b), "") }
func writeTimestamptz(o *output, b []byte) { writeTime(o, be64(b), "Z") }

func writeTime(o *output, microseconds int64, zone string) {
	o.w.Append(func(to []byte) []byte {
		to = append(to, '"')
		if name := timeInfinity(microseconds); name != "" {
			to = append(to, name...)
		} else {
			days, clock := split(microseconds)
			d := civil(days)
			to = appendClock(append(d.append(to), 'T'), clock)
			to = d.appendEra(append(to, zone...))
		}
		return append(to, '"')
	})
}

// interval is what Postgres keeps of one: its parts are not converted.
type interval struct {
	microseconds int64
	days, months int32
}

func readInterval(b []byte) (v interval, err error) {
	if len(b) != 16 {
		return v, errLength
	}
	return interval{be64(b), be32(b[8:]), be32(b[12:])}, nil
}

func (v interval) infinity() string {
	return infinity(v == interval{math.MaxInt64, math.MaxInt32, math.MaxInt32},
		v == interval{math.MinInt64, math.MinInt32, math.MinInt32})
}

// writeInterval writes an ISO 8601 duration, which is Postgres's with the interval
// style iso_8601.
func writeInterval(o *output, b []byte) error {
	v, err := readInterval(b)
	if err == nil {
		o.writeInterval(v)
	}
	return err
}

func (o *output) writeInterval(v interval) {
	o.w.Append(func(to []byte) []byte { return append(v.appendISO(append(to, '"')), '"') })
}

func (v interval) appendISO(to []byte) []byte {
	if name := v.infinity(); name != "" {
		return append(to, name...)
	}
	if v == (interval{}) {
		return append(to, "PT0S"...)
	}
	part := func(v int64, unit byte) {
		if v != 0 {
			to = append(strconv.AppendInt(to, v, 10), unit)
		}
	}
	to = append(to, 'P')
	part(int64(v.months/12), 'Y')
	part(int64(v.months%12), 'M')
	part(int64(v.days), 'D')
	if v.microseconds == 0 {
		return to
	}
	to = append(to, 'T')
	part(v.microseconds/3600e6, 'H')
	part(v.microseconds/60e6%60, 'M')
	if rest := v.microseconds % 60e6; rest != 0 {
		if rest < 0 {
			to, rest = append(to, '-'), -rest
		}
		to = strconv.AppendInt(to, rest/1e6, 10)
		to = append(appendFraction(to, rest%1e6), 'S')
	}
	return to
}

func appendTime(_ *output, to, b []byte) ([]byte, error) {
	if len(b) != 8 {
		return nil, errLength
	}
	if v := be64(b); v < 0 || v > dayMicroseconds {
		return nil, errRange
	}
	return appendClock(to, be64(b)), nil
}

// appendTimetz reads a time of day and its zone in seconds west.
func appendTimetz(o *output, to, b []byte) ([]byte, error) {
	if len(b) != 12 {
		return nil, errLength
	}
	west := int64(be32(b[8:]))
	if west <= -daySeconds || west >= daySeconds {
		return nil, errRange
	}
	to, err := appendTime(o, to, b[:8])
	if err != nil {
		return nil, err
	}
	return appendZone(to, -west), nil
}

// appendZone appends an offset from UTC in seconds as Postgres does: without minutes if
// there are none.
func appendZone(to []byte, east int64) []byte {
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
}
