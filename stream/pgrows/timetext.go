package pgrows

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// moment is what a text of a date or time has.
type moment struct {
	date  date
	clock []byte // hh:mm:ss.ffffff
	zone  []byte // an offset or an abbreviation
}

func isInfinity(src []byte) bool { return bytes.HasSuffix(src, []byte("infinity")) }

// number reads digits.
func number(src []byte) (int64, bool) {
	v, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(src), len(src)), 10, 64)
	return v, err == nil && len(src) > 0 && src[0] != '+' && src[0] != '-'
}

// readMoment reads a date, or a date and a time, in the session's DateStyle. That of ISO
// is known by its looks: it alone begins with a year.
func (o *output) readMoment(src []byte) (m moment, ok bool) {
	rest, before := bytes.CutSuffix(src, []byte(" BC"))
	first, clock, _ := bytes.Cut(rest, []byte(" "))
	style := dateISO
	if bytes.IndexByte(first, '-') < 4 {
		s := o.style()
		if style = s.date; s.err != nil || style == dateISO {
			return m, false
		}
	}
	var year, month, day []byte
	cut := func(text []byte, separator string) (a, b, c []byte) {
		a, text, _ = bytes.Cut(text, []byte(separator))
		b, c, _ = bytes.Cut(text, []byte(separator))
		return a, b, c
	}
	switch style {
	case dateISO:
		year, month, day = cut(first, "-")
	case dateSQL:
		month, day, year = cut(first, "/")
	case dateGerman:
		day, month, year = cut(first, ".")
	case datePostgres:
		if len(clock) == 0 {
			month, day, year = cut(first, "-")
			break
		}
		month, clock, _ = bytes.Cut(clock, []byte(" ")) // The weekday is behind us.
		day, clock, _ = bytes.Cut(clock, []byte(" "))
		clock, year, _ = bytes.Cut(clock, []byte(" "))
		year, m.zone, _ = bytes.Cut(year, []byte(" "))
	}
	if (style == dateSQL || style == datePostgres) && o.styles.dayFirst {
		month, day = day, month
	}
	if i := bytes.IndexAny(clock, " +-"); i >= 0 && m.zone == nil {
		clock, m.zone = clock[:i], bytes.TrimPrefix(clock[i:], []byte(" "))
	}
	m.clock = clock
	var okYear, okMonth, okDay bool
	m.date.year, okYear = number(year)
	m.date.day, okDay = number(day)
	if m.date.month, okMonth = number(month); !okMonth && len(month) == 3 {
		at := strings.Index(months, string(month))
		m.date.month, okMonth = int64(at/3+1), at >= 0 && at%3 == 0
	}
	if before {
		m.date.year = 1 - m.date.year
	}
	return m, okYear && okMonth && okDay
}

// readLocal reads a date and a clock, and returns them also as microseconds of local time
// since 2000.
func (o *output) readLocal(src []byte) (m moment, local int64, ok bool) {
	m, ok = o.readMoment(src)
	clock, okClock := readClock(m.clock)
	return m, m.date.days()*dayMicroseconds + clock, ok && okClock
}

func parseDate(o *output, src []byte) error {
	if isInfinity(src) {
		o.w.StringBytes(src)
		return nil
	}
	m, ok := o.readMoment(src)
	if !ok {
		return textError(src, "a date")
	}
	o.w.Append(func(to []byte) []byte {
		return append(m.date.appendEra(m.date.append(append(to, '"'))), '"')
	})
	return nil
}

func parseTimestamp(o *output, src []byte) error {
	if isInfinity(src) {
		o.w.StringBytes(src)
		return nil
	}
	_, local, ok := o.readLocal(src)
	if !ok {
		return textError(src, "a timestamp")
	}
	writeTime(o, local, "")
	return nil
}

func parseTimestamptz(o *output, src []byte) error {
	if isInfinity(src) {
		o.w.StringBytes(src)
		return nil
	}
	m, local, ok := o.readLocal(src)
	east, okZone := o.readZone(m.zone, local)
	if !ok || !okZone {
		return textError(src, "a timestamp with time zone")
	}
	writeTime(o, local-east*1e6, "Z")
	return nil
}

// readClock reads hours of two digits or more, minutes, and seconds with a fraction.
func readClock(src []byte) (microseconds int64, ok bool) {
	hours, rest, _ := bytes.Cut(src, []byte(":"))
	minutes, seconds, _ := bytes.Cut(rest, []byte(":"))
	s, okSeconds := readSeconds(seconds)
	h, okHours := number(hours)
	m, okMinutes := number(minutes)
	return h*3600e6 + m*60e6 + s, okHours && okMinutes && okSeconds
}

func readSeconds(src []byte) (microseconds int64, ok bool) {
	whole, fraction, _ := bytes.Cut(src, []byte("."))
	s, ok := number(whole)
	scale := int64(1e5)
	for _, c := range fraction {
		if c < '0' || c > '9' || scale == 0 {
			return 0, false
		}
		microseconds += int64(c-'0') * scale
		scale /= 10
	}
	return s*1e6 + microseconds, ok
}

// readZone returns the offset of a zone: its own if it is one, that of an abbreviation
// in the session's zone at that local time. There are abbreviations such as +1030.
func (o *output) readZone(zone []byte, local int64) (east int64, ok bool) {
	if len(zone) > 0 && (zone[0] == '+' || zone[0] == '-') && (len(zone) == 3 || zone[min(3, len(zone)-1)] == ':') {
		return readOffset(zone)
	}
	s := o.style()
	if s.zoneErr != nil || len(zone) == 0 {
		return 0, false
	}
	// Which of two offsets it is around a change of the clocks, the abbreviation says.
	near := time.Unix(epoch+floor(local, 1e6), 0)
	for _, hours := range [...]time.Duration{0, -26, 26} {
		_, offset := near.Add(hours * time.Hour).In(s.zone).Zone()
		if at, name := s.at(local - int64(offset)*1e6); at == int64(offset) && name == string(zone) {
			return at, true
		}
	}
	return 0, false
}

// readOffset reads +hh, +hh:mm or +hh:mm:ss.
func readOffset(zone []byte) (east int64, ok bool) {
	scale := int64(3600)
	for part := range bytes.SplitSeq(zone[1:], []byte(":")) {
		n, ok := number(part)
		if !ok || scale == 0 {
			return 0, false
		}
		east += n * scale
		scale /= 60
	}
	if zone[0] == '-' {
		east = -east
	}
	return east, true
}

// parseInterval reads any IntervalStyle, each of which is known by its looks.
func parseInterval(o *output, src []byte) error {
	if isInfinity(src) || len(src) > 0 && src[0] == 'P' {
		o.w.StringBytes(src)
		return nil
	}
	v, ok := readIntervalText(src)
	if !ok {
		return textError(src, "an interval")
	}
	o.writeInterval(v)
	return nil
}

func readIntervalText(src []byte) (v interval, ok bool) {
	src, ago := bytes.CutSuffix(bytes.TrimPrefix(src, []byte("@ ")), []byte(" ago"))
	var amount []byte // a number whose unit comes next
	negative := false // what comes before, in the standard's style
	for token := range bytes.FieldsSeq(src) {
		switch dash := bytes.LastIndexByte(token, '-'); {
		case bytes.IndexByte(token, ':') >= 0:
			if amount != nil { // 3 4:05:06
				n, sign, ok := signed(amount)
				if !ok {
					return v, false
				}
				v.days, negative, amount = int32(n), sign, nil
			}
			text := bytes.TrimLeft(token, "+-")
			clock, ok := readClock(text)
			if !ok {
				return v, false
			}
			if token[0] == '-' || negative && len(text) == len(token) {
				clock = -clock
			}
			v.microseconds += clock
		case dash > 0: // 1-2
			years, sign, okYears := signed(token[:dash])
			months, okMonths := number(token[dash+1:])
			if sign {
				months = -months
			}
			if v.months = int32(12*years + months); !okYears || !okMonths {
				return v, false
			}
		case amount == nil:
			amount = token
		default:
			if !v.add(amount, token) {
				return v, false
			}
			amount = nil
		}
	}
	if ago {
		v = interval{-v.microseconds, -v.days, -v.months}
	}
	return v, amount == nil || string(amount) == "0"
}

// signed reads a number that may have a sign.
func signed(src []byte) (n int64, negative, ok bool) {
	text := bytes.TrimLeft(src, "+-")
	n, ok = number(text)
	if negative = len(src) > 0 && src[0] == '-'; negative {
		n = -n
	}
	return n, negative, ok
}

// add adds an amount of a unit. Only seconds have fractions.
func (v *interval) add(amount, unit []byte) bool {
	text := bytes.TrimLeft(amount, "+-")
	microseconds, ok := readSeconds(text)
	if amount[0] == '-' {
		microseconds = -microseconds
	}
	n := microseconds / 1e6
	switch strings.TrimSuffix(string(unit), "s") {
	case "year":
		v.months += int32(12 * n)
	case "mon":
		v.months += int32(n)
	case "day":
		v.days += int32(n)
	case "hour":
		v.microseconds += 3600 * microseconds
	case "min":
		v.microseconds += 60 * microseconds
	case "sec":
		v.microseconds += microseconds
	default:
		return false
	}
	return ok
}
