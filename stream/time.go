package stream

import (
	"errors"
	"time"
)

// Time writes a time as encoding/json does: RFC 3339 with the fraction of the
// second that it has. A year outside of 0 to 9999 is an error.
func (w *Writer) Time(t time.Time) {
	if y := t.Year(); y < 0 || y > 9999 {
		w.fail(errors.New("stream: Time: year outside of range [0,9999]"))
		return
	}
	if _, offset := t.Zone(); offset <= -24*60*60 || offset >= 24*60*60 {
		w.fail(errors.New("stream: Time: timezone hour outside of range [0,23]"))
		return
	}
	if w.value("a time") {
		w.buf = append(t.AppendFormat(append(w.buf, '"'), time.RFC3339Nano), '"')
		w.filled()
	}
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
