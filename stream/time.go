package stream

import (
	"errors"
	"time"
)

// Time writes a time as encoding/json does: RFC 3339 with the fraction of the
// second that it has. A year outside of 0 to 9999 is an error.
func (w *Writer) Time(t time.Time) {
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		w.fail(errors.New("stream: Time: year outside of range [0,9999]"))
		return
	}
	_, offset := t.Zone()
	if offset <= -24*60*60 || offset >= 24*60*60 {
		w.fail(errors.New("stream: Time: timezone hour outside of range [0,23]"))
		return
	}
	if w.value("a time") {
		hour, minute, second := t.Clock()
		b := append(w.buf, '"')
		b = appendTwo(appendTwo(b, year/100), year%100)
		b = appendTwo(append(b, '-'), int(month))
		b = appendTwo(append(b, '-'), day)
		b = appendTwo(append(b, 'T'), hour)
		b = appendTwo(append(b, ':'), minute)
		b = appendTwo(append(b, ':'), second)
		if ns := t.Nanosecond(); ns != 0 {
			b = appendNanoseconds(b, ns)
		}
		w.buf = append(appendZone(b, offset), '"')
		w.filled()
	}
}

func appendTwo(b []byte, v int) []byte { return append(b, byte('0'+v/10), byte('0'+v%10)) }

func appendNanoseconds(b []byte, ns int) []byte {
	b = append(b, ".000000000"...)
	for i := len(b) - 1; ns > 0; i-- {
		b[i] = byte('0' + ns%10)
		ns /= 10
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendZone appends Z or, without its seconds, the offset from UTC.
func appendZone(b []byte, offset int) []byte {
	if offset == 0 {
		return append(b, 'Z')
	}
	minutes, sign := offset/60, byte('+')
	if minutes < 0 {
		minutes, sign = -minutes, '-'
	}
	b = appendTwo(append(b, sign), minutes/60)
	return appendTwo(append(b, ':'), minutes%60)
}

// UUID writes a UUID in its usual form.
func (w *Writer) UUID(u [16]byte) {
	if !w.value("a UUID") {
		return
	}
	b := append(w.buf, '"')
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hex[c>>4], hex[c&0xF])
	}
	w.buf = append(b, '"')
	w.filled()
}
