package pgrows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// styles are the settings of a session that Postgres's texts of dates and times depend
// on, which it reports to its clients. Only texts within those of records and ranges
// are made here, and only the text format is read by them.
type styles struct {
	date     dateStyle
	dayFirst bool
	interval string
	zone     *time.Location
	// Why they are not known.
	err, intervalErr, zoneErr error
}

type dateStyle uint8

const (
	dateISO dateStyle = iota
	dateSQL
	dateGerman
	datePostgres
)

// style returns the settings of the rows' session.
func (o *output) style() *styles {
	if o.known {
		return &o.styles
	}
	o.known = true
	s := &o.styles
	var dates, zone string
	dates, s.err = o.setting("DateStyle")
	s.interval, s.intervalErr = o.setting("IntervalStyle")
	if zone, s.zoneErr = o.setting("TimeZone"); s.zoneErr == nil {
		s.zone, s.zoneErr = o.types.location(zone)
	}
	if s.err != nil {
		return s
	}
	name, order, _ := strings.Cut(dates, ", ")
	s.dayFirst = order == "DMY"
	switch name {
	case "ISO":
	case "SQL":
		s.date = dateSQL
	case "German":
		s.date = dateGerman
	case "Postgres":
		s.date = datePostgres
	default:
		s.err = fmt.Errorf("unknown DateStyle %q of the session: cast the value to text", name)
	}
	return s
}

func (o *output) setting(name string) (string, error) {
	if o.session == nil {
		return "", errNoSession
	}
	return o.session.ParameterStatus(name)
}

// location returns the zone of a name, of which it remembers the last.
func (s *types) location(name string) (*time.Location, error) {
	s.mu.RLock()
	zone, last := s.zone, s.zoneName
	s.mu.RUnlock()
	if zone != nil && last == name {
		return zone, nil
	}
	zone, err := loadZone(name)
	if err != nil {
		return nil, fmt.Errorf("unknown TimeZone %q of the session (set another, or cast the value to text): %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone, s.zoneName = zone, name
	return zone, nil
}

// loadZone finds a zone in the database that Postgres and Go have in common, or reads
// what SET TIME ZONE makes of an offset: <+02>-02.
func loadZone(name string) (*time.Location, error) {
	if abbreviation, west, ok := strings.Cut(name, ">"); ok && strings.HasPrefix(name, "<") {
		var parts [3]int
		text := strings.TrimLeft(west, "+-")
		for i, part := range strings.SplitN(text, ":", 3) {
			n, err := strconv.Atoi(part)
			if err != nil {
				return nil, errors.New("not an offset")
			}
			parts[i] = n
		}
		offset := parts[0]*3600 + parts[1]*60 + parts[2]
		if !strings.HasPrefix(west, "-") {
			offset = -offset
		}
		return time.FixedZone(abbreviation[1:], offset), nil
	}
	if name == "" || name == "Local" || strings.HasPrefix(name, "right/") {
		return nil, errors.New("not in the time zone database")
	}
	return time.LoadLocation(name)
}

// epoch is Postgres's in seconds of Unix time.
const epoch = 946684800

// at returns the offset from UTC in seconds and the zone's abbreviation.
func (s *styles) at(microseconds int64) (east int64, abbreviation string) {
	name, offset := time.Unix(epoch+floor(microseconds, 1e6), 0).In(s.zone).Zone()
	return int64(offset), name
}

func appendDateText(o *output, to, b []byte) ([]byte, error) {
	if len(b) != 4 {
		return nil, errLength
	}
	if name := dateInfinity(be32(b)); name != "" {
		return append(to, name...), nil
	}
	s := o.style()
	if s.err != nil {
		return nil, s.err
	}
	d := civil(int64(be32(b)))
	if s.date == datePostgres {
		to = s.appendDayMonth(to, d, '-')
		return d.appendEra(d.appendYear(append(to, '-'))), nil
	}
	return d.appendEra(s.appendDate(to, d)), nil
}

// appendDayMonth appends both in the order of the session.
func (s *styles) appendDayMonth(to []byte, d date, separator byte) []byte {
	if s.dayFirst {
		return appendTwo(append(appendTwo(to, d.day), separator), d.month)
	}
	return appendTwo(append(appendTwo(to, d.month), separator), d.day)
}

func (s *styles) appendDate(to []byte, d date) []byte {
	switch s.date {
	case dateSQL:
		return d.appendYear(append(s.appendDayMonth(to, d, '/'), '/'))
	case dateGerman:
		to = appendTwo(append(appendTwo(to, d.day), '.'), d.month)
		return d.appendYear(append(to, '.'))
	}
	return d.append(to)
}

func appendTimestampText(o *output, to, b []byte) ([]byte, error) {
	if len(b) != 8 {
		return nil, errLength
	}
	if name := timeInfinity(be64(b)); name != "" {
		return append(to, name...), nil
	}
	s := o.style()
	if s.err != nil {
		return nil, s.err
	}
	return s.appendTimestamp(to, be64(b), func(to []byte) []byte { return to }), nil
}

func appendTimestamptzText(o *output, to, b []byte) ([]byte, error) {
	if len(b) != 8 {
		return nil, errLength
	}
	v := be64(b)
	if name := timeInfinity(v); name != "" {
		return append(to, name...), nil
	}
	s := o.style()
	if s.err != nil {
		return nil, s.err
	}
	if s.zoneErr != nil {
		return nil, s.zoneErr
	}
	east, abbreviation := s.at(v)
	return s.appendTimestamp(to, v+east*1e6, func(to []byte) []byte {
		if s.date == dateISO {
			return appendZone(to, east)
		}
		return append(append(to, ' '), abbreviation...)
	}), nil
}

const (
	weekdays = "SatSunMonTueWedThuFri" // 2000-01-01 was a Saturday.
	months   = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

func (s *styles) appendTimestamp(to []byte, microseconds int64, zone func(to []byte) []byte) []byte {
	days, clock := split(microseconds)
	d := civil(days)
	if s.date != datePostgres {
		to = appendClock(append(s.appendDate(to, d), ' '), clock)
		return d.appendEra(zone(to))
	}
	weekday := days - 7*floor(days, 7)
	to = append(append(to, weekdays[3*weekday:3*weekday+3]...), ' ')
	month := months[3*(d.month-1) : 3*d.month]
	if s.dayFirst {
		to = append(append(appendTwo(to, d.day), ' '), month...)
	} else {
		to = appendTwo(append(append(to, month...), ' '), d.day)
	}
	to = appendClock(append(to, ' '), clock)
	to = d.appendYear(append(to, ' '))
	return d.appendEra(zone(to))
}

func appendIntervalText(o *output, to, b []byte) ([]byte, error) {
	v, err := readInterval(b)
	if err != nil {
		return nil, err
	}
	if name := v.infinity(); name != "" {
		return append(to, name...), nil
	}
	s := o.style()
	switch {
	case s.intervalErr != nil:
		return nil, s.intervalErr
	case s.interval == "postgres":
		return v.appendPostgres(to), nil
	case s.interval == "postgres_verbose":
		return v.appendVerbose(to), nil
	case s.interval == "sql_standard":
		return v.appendSQL(to), nil
	case s.interval == "iso_8601":
		return v.appendISO(to), nil
	}
	return nil, fmt.Errorf("unknown IntervalStyle %q of the session: cast the value to text", s.interval)
}

// parts are what the texts of an interval have: years, months, days, hours, minutes,
// and the rest in microseconds, each with its sign.
func (v interval) parts() [6]int64 {
	return [6]int64{int64(v.months / 12), int64(v.months % 12), int64(v.days), v.microseconds / 3600e6,
		v.microseconds / 60e6 % 60, v.microseconds % 60e6}
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// appendHours appends hours, minutes of two digits, and seconds.
func appendHours(to []byte, p [6]int64) []byte {
	to = strconv.AppendInt(to, abs(p[3]), 10)
	to = appendTwo(append(to, ':'), abs(p[4]))
	to = appendTwo(append(to, ':'), abs(p[5])/1e6)
	return appendFraction(to, abs(p[5])%1e6)
}

// appendPostgres appends 1 year 2 mons -3 days +04:05:06.
func (v interval) appendPostgres(to []byte) []byte {
	p := v.parts()
	start, before := len(to), false
	for i, unit := range [...]string{"year", "mon", "day"} {
		if p[i] == 0 {
			continue
		}
		if len(to) > start {
			to = append(to, ' ')
		}
		if before && p[i] > 0 {
			to = append(to, '+')
		}
		to = append(append(strconv.AppendInt(to, p[i], 10), ' '), unit...)
		if p[i] != 1 {
			to = append(to, 's')
		}
		before = p[i] < 0
	}
	if len(to) > start {
		if v.microseconds == 0 {
			return to
		}
		to = append(to, ' ')
	}
	if v.microseconds < 0 {
		to = append(to, '-')
	} else if before {
		to = append(to, '+')
	}
	if abs(p[3]) < 10 {
		to = append(to, '0')
	}
	return appendHours(to, p)
}

// appendVerbose appends @ 1 year 2 mons 3 days 4 hours 5 mins 6.5 secs ago.
func (v interval) appendVerbose(to []byte) []byte {
	to = append(to, '@')
	p := v.parts()
	zero, before := true, false
	for i, unit := range [...]string{"year", "mon", "day", "hour", "min", "sec"} {
		n := p[i]
		if n == 0 {
			continue
		}
		if zero {
			zero, before = false, n < 0
		}
		if before {
			n = -n
		}
		to = append(to, ' ')
		one := n == 1
		if i < 5 {
			to = strconv.AppendInt(to, n, 10)
		} else {
			one = abs(n) == 1e6
			if n < 0 {
				to = append(to, '-')
			}
			to = appendFraction(strconv.AppendInt(to, abs(n)/1e6, 10), abs(n)%1e6)
		}
		if to = append(append(to, ' '), unit...); !one {
			to = append(to, 's')
		}
	}
	if zero {
		to = append(to, " 0"...)
	}
	if before {
		to = append(to, " ago"...)
	}
	return to
}

// appendSQL appends what the standard has, 1-2 or 3 4:05:06, or all with signs if it
// has no form for that.
func (v interval) appendSQL(to []byte) []byte {
	p := v.parts()
	negative, positive := false, false
	for _, n := range p {
		negative, positive = negative || n < 0, positive || n > 0
	}
	hasMonths, hasDays := v.months != 0, v.days != 0
	if negative && positive || hasMonths && (hasDays || v.microseconds != 0) {
		sign := func(negative bool) {
			if negative {
				to = append(to, '-')
			} else {
				to = append(to, '+')
			}
		}
		sign(v.months < 0)
		to = strconv.AppendInt(to, abs(p[0]), 10)
		to = append(strconv.AppendInt(append(to, '-'), abs(p[1]), 10), ' ')
		sign(v.days < 0)
		to = append(strconv.AppendInt(to, abs(p[2]), 10), ' ')
		sign(v.microseconds < 0)
		return appendHours(to, p)
	}
	if negative {
		to = append(to, '-')
	}
	switch {
	case !negative && !positive:
		return append(to, '0')
	case hasMonths:
		to = strconv.AppendInt(to, abs(p[0]), 10)
		return strconv.AppendInt(append(to, '-'), abs(p[1]), 10)
	case hasDays:
		to = append(strconv.AppendInt(to, abs(p[2]), 10), ' ')
	}
	return appendHours(to, p)
}
