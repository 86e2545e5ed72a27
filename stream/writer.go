package stream

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/bytebufferpool"
)

// Writer appends JSON to a chunk and writes full chunks to its destination. It
// checks the nesting: what would make the document invalid is an error instead.
// The first error stays: everything after it does nothing, so a whole function
// may write first and look at [Writer.Err] or [Writer.Close] then.
//
// A Writer is not safe for concurrent use. It keeps nothing that it is given.
type Writer struct {
	buf   []byte // the chunk that is being filled
	limit int    // the size in bytes from which it is written
	place place  // where the next value goes
	outer []place
	err   error
	state atomic.Uint32 // isOpen, isClosing or isClosed

	dst     io.Writer
	buffer  *bytebufferpool.ByteBuffer // the memory of buf
	options Options
	held    int // savepoints that want buf to stay, see Nullable
	lent    int // callbacks that are using buf
	errors  []*Error
	pieces  *pieces // of the value that is being written, see Pieces
	stats   Stats
}

// place is what may come next.
type place uint8

const (
	atRoot      place = iota // the document's value
	atEnd                    // nothing
	firstInList              // a value or the end of the array
	inList                   // the same, after a comma
	firstName                // a name or the end of the object
	nextName                 // the same, after a comma
	atMember                 // the value of a member
	atNullable               // the one value of Nullable
	nullableEnd              // nothing more of it
	inPieces                 // the rest of a value that comes in pieces
	lentOut                  // nothing before a callback or the destination has returned
	failed                   // anything: it does nothing
)

var placeNames = [...]string{
	atRoot:      "a value",
	atEnd:       "nothing, the document is complete",
	firstInList: "a value or the end of the array",
	inList:      "a value or the end of the array",
	firstName:   "a name or the end of the object",
	nextName:    "a name or the end of the object",
	atMember:    "the value of a member",
	atNullable:  "a value",
	nullableEnd: "nothing more, the nullable value is complete",
	inPieces:    "the rest of a value in pieces",
	lentOut:     "nothing, a callback or the destination has the chunk",
}

// NewWriter returns a writer of one document. Close it in any case: it gives its
// memory back.
func NewWriter(dst io.Writer, o Options) *Writer {
	w := &Writer{dst: dst, options: o.withDefaults()}
	w.limit = w.options.MinChunk
	w.buffer = w.options.Buffers.Get(min(w.limit, defaultMaxChunk) + slack) // It grows where it must.
	w.buf = w.buffer.B[:0]
	if dst == nil {
		w.fail(errors.New("stream: the destination is nil"))
	}
	return w
}

// slack is what a chunk may have beyond its limit before it moves to more memory.
const slack = 512

// Err returns the first error.
func (w *Writer) Err() error { return w.err }

// fail keeps an error. The document cannot be completed after it.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
		w.place = failed
	}
}

// ErrMisuse is wrapped by the error of a call that would make invalid JSON.
var ErrMisuse = errors.New("stream: misuse of a Writer")

// misused fails with the place where this package was called.
func (w *Writer) misused(what string) {
	if w.place == failed {
		if w.err == nil {
			w.err = fmt.Errorf("%w: %s after Close", ErrMisuse, what)
		}
		return
	}
	at := ""
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, packagePath+".") || strings.HasSuffix(frame.File, "_test.go") {
			at = fmt.Sprintf("%s:%d: ", filepath.Base(frame.File), frame.Line)
			break
		}
		if !more {
			break
		}
	}
	w.fail(fmt.Errorf("%w: %s%s where %s is expected", ErrMisuse, at, what, placeNames[w.place]))
}

const packagePath = "github.com/gqlboost/gqlboost/stream"

// value makes room for a value: it writes the comma, and returns false if none
// may come here. The value of a member, which most are, is inlined.
func (w *Writer) value(what string) bool {
	if w.place == atMember {
		w.place = nextName
		return true
	}
	return w.otherValue(what)
}

func (w *Writer) otherValue(what string) bool {
	switch w.place {
	case inList:
		w.buf = append(w.buf, ',')
	case firstInList:
		w.place = inList
	case atRoot:
		w.place = atEnd
	case atNullable:
		w.place = nullableEnd
	default:
		w.misused(what)
		return false
	}
	return true
}

// filled writes the chunk if it is full. It comes after each value, and is small
// enough to be inlined there.
func (w *Writer) filled() {
	if len(w.buf) >= w.limit {
		w.full()
	}
}

func (w *Writer) full() {
	if w.held == 0 || len(w.buf) >= w.options.MaxHeld {
		w.chunk()
	}
}

func (w *Writer) begin(bracket byte, inside place, what string) {
	if !w.value(what) {
		return
	}
	if len(w.outer) >= w.options.MaxDepth {
		w.fail(fmt.Errorf("stream: nesting deeper than %d", w.options.MaxDepth))
		return
	}
	w.buf = append(w.buf, bracket)
	w.outer = append(w.outer, w.place)
	w.place = inside
}

func (w *Writer) end(bracket byte, first, next place, what string) {
	if w.place != first && w.place != next {
		w.misused(what)
		return
	}
	w.buf = append(w.buf, bracket)
	w.place = w.outer[len(w.outer)-1]
	w.outer = w.outer[:len(w.outer)-1]
	w.filled()
}

// BeginObject begins an object. Names and values follow in turns.
func (w *Writer) BeginObject() { w.begin('{', firstName, "an object") }

// EndObject ends the innermost object.
func (w *Writer) EndObject() { w.end('}', firstName, nextName, "the end of an object") }

// BeginArray begins an array.
func (w *Writer) BeginArray() { w.begin('[', firstInList, "an array") }

// EndArray ends the innermost array.
func (w *Writer) EndArray() { w.end(']', firstInList, inList, "the end of an array") }

// Name writes the name of a member, whose value is next. It is not checked
// that an object has each name once.
func (w *Writer) Name(name string) {
	switch w.place {
	case nextName:
		w.buf = append(w.buf, ',')
	case firstName:
	default:
		w.misused("a name")
		return
	}
	w.place = atMember
	w.quoted(name)
	w.buf = append(w.buf, ':')
}

// Member is [Writer.Name] for a name that was prepared.
func (w *Writer) Member(name Name) {
	skip := 0
	switch {
	case w.place == nextName:
	case w.place == firstName:
		skip = 1 // the comma
	default:
		w.misused("a name")
		return
	}
	if name.prepared == nil {
		w.misused("a Name that NewName has not made")
		return
	}
	if name.awkward != "" {
		w.Name(name.awkward)
		return
	}
	w.place = atMember
	// A fixed number of bytes is copied faster than the right one.
	if n, length := len(w.buf), len(name.text)-skip; length <= shortName && cap(w.buf)-n >= shortName {
		*(*[shortName]byte)(w.buf[n : n+shortName]) = [shortName]byte(name.short[skip:])
		w.buf = w.buf[:n+length]
		return
	}
	w.buf = append(w.buf, name.text[skip:]...)
}

// Name is a member's name that is quoted once for many uses.
type Name struct{ *prepared }

const shortName = 24

type prepared struct {
	text    string              // with a comma in front and a colon behind
	short   [shortName + 1]byte // the start of text
	awkward string              // the name itself, if the writer's options decide how it is written
}

// NewName prepares a name.
func NewName(name string) Name {
	return NewNames([]string{name})[0]
}

// NewNames prepares several names, for less than as many calls of NewName.
func NewNames(names []string) []Name {
	size := 0
	for _, name := range names {
		size += len(name) + len(`,"":`)
	}
	list, all, ends, quoted := make([]Name, len(names)), make([]prepared, len(names)), make([]int, len(names)),
		make([]byte, 0, size)
	for i, name := range names {
		var ok bool
		quoted, ok = appendQuoted(append(quoted, ','), name, false)
		if !ok || strings.ContainsAny(name, "<>&") {
			all[i].awkward = name
		}
		quoted = append(quoted, ':')
		ends[i] = len(quoted)
	}
	text, start := string(quoted), 0
	for i, end := range ends {
		all[i].text = text[start:end]
		copy(all[i].short[:], all[i].text)
		list[i], start = Name{&all[i]}, end
	}
	return list
}

// Null writes null.
func (w *Writer) Null() {
	if w.value("null") {
		w.buf = append(w.buf, "null"...)
		w.filled()
	}
}

// Bool writes true or false.
func (w *Writer) Bool(v bool) {
	if !w.value("a bool") {
		return
	}
	if v {
		w.buf = append(w.buf, "true"...)
	} else {
		w.buf = append(w.buf, "false"...)
	}
	w.filled()
}

// Depth returns how many objects and arrays are open.
func (w *Writer) Depth() int { return len(w.outer) }

const (
	isOpen = iota
	isClosing
	isClosed
)

var errClosing = fmt.Errorf("%w: Close while another Close is running", ErrMisuse)

// Close writes what is left and gives the writer's memory back. It returns the
// first error; a document that is not complete is one. Closing again does nothing and
// returns the same error, or another one if the first Close is still running.
func (w *Writer) Close() error {
	if !w.state.CompareAndSwap(isOpen, isClosing) {
		if w.state.Load() == isClosed {
			return w.err
		}
		return errClosing
	}
	defer w.state.Store(isClosed) // Also if the destination panics.
	if w.place != atEnd {
		w.misused("the end of the document")
	}
	if w.err == nil && len(w.buf) > 0 {
		w.chunk()
	}
	w.place = failed
	if w.err == nil {
		w.stats.count()
	} else {
		counters.failed.Add(1)
	}
	// A callback that closes its own writer still has the memory: nobody else may get it.
	if w.lent == 0 {
		w.buffer.B = w.buf[:0]
		w.options.Buffers.Put(w.buffer)
	}
	w.buffer, w.buf = nil, nil
	return w.err
}

// Flush writes what there is. Use it before the producer waits, so that the
// client sees what was written although the chunk is not full. Inside of Nullable, which
// may take back what was written, and of Append it does nothing.
func (w *Writer) Flush() error {
	if w.err == nil && w.state.Load() == isOpen && len(w.buf) > 0 && w.held == 0 && w.lent == 0 {
		w.chunk()
	}
	return w.err
}

// Stats are figures of one document.
type Stats struct {
	Bytes   int64
	Chunks  int
	Blocked time.Duration // in the destination's Write and Flush
	Chunk   int           // size in bytes at which the next chunk is written
}

// Stats returns the figures so far.
func (w *Writer) Stats() Stats {
	s := w.stats
	s.Chunk = w.limit
	return s
}
