package compiled

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/bits"
	"sync"
	"time"
	"unsafe"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/internal/swar"
)

// Writer writes a response. Generated code only passes it on. It is not safe for concurrent use.
type Writer struct {
	run  *run
	buf  []byte
	kept *[]byte // where buf is kept for other responses

	// The address of the leaf that is written: a value of a level, or the field of an object
	// of a group.
	at    *level
	field *planned
	index int

	skip  int    // bytes at the start that MarshalGQL leaves out
	later []late // in the order of their positions

	sent   int       // bytes that have left the buffer for out
	out    io.Writer // where they have gone to; nil if there are none
	last   time.Time // when all of them were sent on, or the first
	whole  bool      // whether the client cannot be sent to before the response is complete
	list   int       // position of the list that is being sent
	doomed bool      // whether an object around what is being written is known to be null
	err    error     // why the response cannot be completed

	panicked any // what a marshaler has panicked with while a piece was made
}

// buffers are those of responses. They are taken when a response is written, not while its
// resolvers run, so there are few of them.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxKeptBuffer is the size in bytes of the largest buffer that is used again.
const maxKeptBuffer = 64 << 10

// begin takes a buffer.
func (w *Writer) begin() {
	w.kept = buffers.Get().(*[]byte)
	w.buf = (*w.kept)[:0]
}

// end gives the buffer back. A marshaler that has kept the Writer and still writes has a buffer
// of its own then.
func (w *Writer) end() {
	if cap(w.buf) <= maxKeptBuffer {
		*w.kept = w.buf
		buffers.Put(w.kept)
	}
	w.buf, w.kept = nil, nil
}

// late is a marshaler that writes at the end, if it still has a place then. In gqlgen all
// do, so that one in an object that has become null adds no error.
type late struct {
	at        int // position in the buffer
	marshaler graphql.Marshaler
}

// Write implements io.Writer for marshalers.
func (w *Writer) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// WriteString implements io.StringWriter for marshalers.
func (w *Writer) WriteString(s string) (int, error) {
	w.buf = append(w.buf, s...)
	return len(s), nil
}

func (w *Writer) null() { w.buf = append(w.buf, "null"...) }

// context returns the context of the leaf that is written.
func (w *Writer) context() context.Context {
	at := w.at
	if w.field != nil {
		at = &level{up: at, field: w.field}
	}
	return w.run.context(at, w.index)
}

// marshal writes a marshaler that has no effects. If it panics, it will again at the end, and
// fail the whole response as in gqlgen.
func (w *Writer) marshal(m graphql.Marshaler) {
	start, done := len(w.buf), false
	defer func() {
		if !done {
			_ = recover()
			w.buf = w.buf[:start]
			w.marshalLater(m)
		}
	}()
	m.MarshalGQL(w)
	if w.run.out != nil && !json.Valid(w.buf[start:]) {
		panic(notJSON(w.buf[start:]))
	}
	done = true
}

// marshalLater writes a marshaler at the end. A byte keeps its place.
func (w *Writer) marshalLater(m graphql.Marshaler) {
	w.later = append(w.later, late{len(w.buf), m})
	w.buf = append(w.buf, ' ')
}

// pos returns the position of what is written next.
func (w *Writer) pos() int { return w.sent + len(w.buf) }

// truncate removes what has been written from position n on.
func (w *Writer) truncate(n int) {
	if n -= w.sent; n < 0 {
		n = 0
		w.fail(errSent)
	}
	w.buf = w.buf[:n]
	for len(w.later) > 0 && w.later[len(w.later)-1].at >= n {
		w.later = w.later[:len(w.later)-1]
	}
}

// MarshalGQL implements [graphql.Marshaler]: it writes what has been written.
func (w *Writer) MarshalGQL(to io.Writer) {
	_, _ = to.Write(w.finish()[w.skip:])
}

// finish returns all that has been written.
func (w *Writer) finish() []byte {
	if w.later == nil {
		return w.buf
	}
	text, later, start := w.buf, w.later, 0
	w.buf, w.later = make([]byte, 0, len(text)+64*len(later)), nil
	for _, l := range later {
		w.buf = append(w.buf, text[start:l.at]...)
		start = l.at + 1
		from := len(w.buf)
		l.marshaler.MarshalGQL(w)
		if w.run.out != nil && !json.Valid(w.buf[from:]) {
			panic(notJSON(w.buf[from:]))
		}
	}
	w.buf = append(w.buf, text[start:]...)
	return w.buf
}

// appendString appends a string as graphql.MarshalString writes it, which differs from
// encoding/json for a few characters.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	b = append(b, '"')
	start, i := 0, 0
	for i < len(s) {
		if i+8 <= len(s) {
			x := swar.Escaped(binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s), len(s))[i:]))
			if x == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(x) / 8
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '\t':
			b = append(b, `\t`...)
		case '\r':
			b = append(b, `\r`...)
		case '\n':
			b = append(b, `\n`...)
		case '\\', '"':
			b = append(b, '\\', c)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
