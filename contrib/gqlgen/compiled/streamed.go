package compiled

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
)

// limits bound what is kept of a response that is sent while it is made, in bytes.
type limits struct {
	// held is what is kept before the first is sent: until then, what turns out to be null
	// can still be taken back, and errors come first.
	held int
	// piece is what is sent at once after that.
	piece int
}

var defaultLimits = limits{held: 32 << 10, piece: 16 << 10}

const (
	// patience is how long elements may wait for others to be sent together.
	patience = 100 * time.Millisecond
	// atOnce is how many elements of a sequence are a group, whose columns fill at once.
	atOnce = 256
)

var (
	errSent     = errors.New("compiled: a value that must be null has been sent already")
	errPanicked = errors.New("compiled: a marshaler has panicked")
)

func notJSON(text []byte) error { return fmt.Errorf("compiled: a scalar is not JSON: %.1000s", text) }

// stream executes the plan for a transport that sends data while they are made. A response
// that is small is returned as a whole; of one that has been sent, data is nil.
func (x *run) stream() *graphql.Response {
	x.workers.begin()
	defer x.workers.end()
	w := &Writer{run: x}
	valid := x.plan.root.query(x, w)
	defer w.end()
	switch {
	case w.panicked != nil:
	case w.sent == 0 && !valid:
		return &graphql.Response{Data: []byte("null")}
	case w.sent == 0 && w.err == nil:
		return &graphql.Response{Data: bytes.Clone(w.finish())}
	case valid:
		w.send()
	default:
		w.fail(errSent)
	}
	if w.err != nil && w.out != nil {
		if errors.Is(w.err, errSent) || errors.Is(w.err, errPanicked) {
			x.broken.Add(1) // Otherwise the client has gone.
		}
		x.out.Break(w.err)
	}
	if w.panicked != nil {
		panic(w.panicked) // It fails the response, or breaks it off.
	}
	return new(graphql.Response)
}

// fail says that the response cannot be completed.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// full reports whether there is enough to be sent.
func (w *Writer) full() bool {
	return !w.whole && (len(w.buf) >= w.run.limits.held || w.sent > 0 && len(w.buf) >= w.run.limits.piece)
}

// pass sends what there is of the list that is being written. If the list is in an object that is
// null anyway, it is taken back instead: the client must see the error, not a part of the object.
func (w *Writer) pass() {
	if w.doomed {
		w.truncate(w.list)
		return
	}
	w.send()
}

// hurry sends what has waited for more, here or behind out. Before the first is sent nothing does:
// errors come first.
func (w *Writer) hurry() {
	if w.sent == 0 || w.err != nil || time.Since(w.last) <= patience {
		return
	}
	w.pass()
	if err := w.run.out.Flush(); err != nil {
		w.fail(err)
	}
	w.last = time.Now()
}

// send sends what has been written. It is called between two elements of a list, or behind the
// last one.
func (w *Writer) send() {
	if w.err != nil || len(w.buf) == 0 {
		w.sent += len(w.buf)
		w.buf = w.buf[:0]
		return
	}
	if w.out == nil && !w.run.out.Breaks() {
		w.whole = true
		w.run.held.add("client")
		return
	}
	sent := len(w.buf)
	text, ok := w.finishPiece()
	if !ok {
		w.sent, w.buf = w.sent+sent, w.buf[:0]
		return
	}
	rest := incomplete(text)
	if w.out == nil {
		w.out, w.last = w.run.out.Begin(), time.Now()
	}
	if _, err := w.out.Write(sink.ValidUTF8(text[:len(text)-rest])); err != nil {
		w.fail(err)
	}
	w.sent += sent - rest
	w.buf = append(w.buf[:0], text[len(text)-rest:]...)
}

// finishPiece is finish inside of functions that recover: a marshaler that panics fails the whole
// response, so the panic is kept until they have returned.
func (w *Writer) finishPiece() (text []byte, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			w.panicked = r
			w.fail(errPanicked)
		}
	}()
	return w.finish(), true
}

// incomplete returns how many bytes at the end are a character that is not complete: JSON that a
// resolver writes comes in pieces of any size.
func incomplete(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if end := text[len(text)-n:]; utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return 0
			}
			return n
		}
	}
	return 0
}

// chunks calls yield with some elements of a list at a time, and with the errors that came
// instead of some of them; errs is nil if there are none.
type chunks[V any] func(yield func(elements V, errs []error) bool)

// chunked makes chunks of a sequence.
func chunked[E any](elements iter.Seq2[E, error]) chunks[[]E] {
	return func(yield func([]E, []error) bool) {
		var list []E
		var errs []error
		begun := time.Now()
		for v, err := range elements {
			if list == nil {
				list = make([]E, 0, atOnce) // Contexts may keep the last one.
			}
			if list = append(list, v); err != nil && errs == nil {
				errs = make([]error, atOnce)
			}
			if err != nil {
				errs[len(list)-1] = err
			}
			if len(list) < atOnce && time.Since(begun) < patience {
				continue
			}
			if !yield(list, errs) {
				return
			}
			list, errs, begun = nil, nil, time.Now()
		}
		if len(list) > 0 {
			yield(list, errs)
		}
	}
}

// nullableNode is a node of a type that is no leaf.
type nullableNode interface {
	required() bool // whether it must not be null
	missing(w *Writer, at *level, i int) bool
	close(w *Writer, start int, valid bool) bool
}

// listWriter is the node of a list.
type listWriter[V any] interface {
	nullableNode
	// writeChunk writes some elements; first is the number of their first one in the list.
	writeChunk(w *Writer, at *level, first int, elements V, errs []error) bool
	count(elements V) int
}

func (n *listNode[E]) count(values []E) int { return len(values) }

func (n *listNode[E]) writeChunk(w *Writer, at *level, first int, values []E, errs []error) bool {
	elements := &level{up: at, list: []int32{int32(-first), int32(len(values))}, of: elementsOf[E](values)}
	var states []state
	missing := null
	if n.strict {
		missing = required
	}
	for i, err := range errs {
		if i < len(values) && err != nil {
			if states == nil {
				states = make([]state, len(values))
			}
			ctx := w.run.context(elements, i)
			if n.strict && first+i == 0 {
				ctx = w.run.context(at, 0) // It is as if the list had failed.
			}
			err = graphql.AddFieldLocationToError(w.run.context(at, 0), graphql.ErrorOnPath(ctx, err))
			w.run.op.Error(ctx, err)
			states[i] = missing
		}
	}
	f := filling{run: w.run}
	column := n.elem.fill(&f, elements, values, states)
	f.execute()
	valid := true
	for i := range values {
		if first+i > 0 {
			w.buf = append(w.buf, ',')
		}
		switch {
		case states == nil || states[i] == present:
			valid = column.write(w, i) && valid
		case missing == null:
			w.null()
		default:
			valid = false
		}
		if valid && w.full() {
			w.pass()
		}
	}
	return valid
}

// streamed is a list whose resolver is called when it is written.
type streamed[T, V any] struct {
	calls *calls[T, V]
	list  listWriter[V]
}

func (s *streamed[T, V]) write(w *Writer, _ int) bool {
	c := s.calls
	if c.writesJSON() {
		if valid, declined := s.writeJSON(w); !declined {
			return valid
		}
	}
	if c.planned.offers.elements {
		return s.writeElements(w, c.chunks(c.callOf(0))(&c.contexts[0], c.group.objects[0]))
	}
	if c.step.batch != nil {
		c.batch()
	} else {
		c.each()
	}
	c.at.ready.Store(true)
	made := filled{column: c.node.fill(&c.below, &c.at, c.values, c.states), states: c.states}
	c.below.execute()
	return c.writeFilled(w, &made, 0)
}

// writeElements writes elements until one is null that must not be, or the client has gone.
func (s *streamed[T, V]) writeElements(w *Writer, elements chunks[V]) bool {
	start, n, valid := w.pos(), 0, true
	required := false // whether it has failed and may not be null, whatever the schema says
	w.list = start
	w.buf = append(w.buf, '[')
	elements(func(values V, errs []error) bool {
		if n == 0 && errs != nil && errs[0] != nil {
			required = s.calls.contexts[0].nonNull()
		}
		valid = s.list.writeChunk(w, &s.calls.at, n, values, errs)
		n += s.list.count(values)
		if valid {
			w.hurry()
		}
		// Nothing is written where the list is null anyway, so only the context tells that the client has gone.
		return valid && w.err == nil && !(w.doomed && w.run.ctx.Err() != nil)
	})
	w.buf = append(w.buf, ']')
	if required && !valid {
		w.truncate(start)
		return false
	}
	return s.list.close(w, start, valid)
}
