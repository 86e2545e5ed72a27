package stream

import (
	"fmt"
	"net/http"
)

// Path is the place of an error in the data: names of fields and indices of
// lists.
type Path []any

// Error is an error of GraphQL: its message is for the client. It may also be
// what a body returns.
type Error struct {
	Message    string
	Locations  []Location // in the query
	Path       Path
	Extensions map[string]any
	// Status is that of the HTTP response if there is no data. It is 500 by default, and for
	// a status whose responses have no body.
	Status int
	Err    error // the cause, not for the client, or nil
}

// Location is a place in a query's text, counted from 1.
type Location struct{ Line, Column int }

// Error returns the message.
func (e *Error) Error() string {
	if e == nil {
		return "stream: a nil *Error" // It was returned in place of no error.
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// status returns the HTTP status of a response without data: one that has a body.
func (e *Error) status() int {
	switch s := e.Status; {
	case s < http.StatusOK || s > 999 || s == http.StatusNoContent || s == http.StatusNotModified:
		return http.StatusInternalServerError
	default:
		return s
	}
}

// Nullable writes a value that null can take the place of: the nearest nullable parent of
// fields that may fail, as GraphQL's rules have it. body writes that one value. If it
// returns an error, what it has written is taken back, null is written, and the error is
// kept for [Writer.Errors]; one that is not an [*Error] has a general message there. If
// body panics, what it has written is taken back, and the caller that recovers writes the
// value.
//
// What body writes is held until it has ended, which delays the client, also by Flush. It cannot
// be taken back any more when it is larger than MaxHeld: an error after that is the
// writer's, and ends the response.
func (w *Writer) Nullable(path Path, body func(*Writer) error) {
	length, before, flushed := len(w.buf), w.place, w.stats.Chunks
	if !w.value("a nullable value") {
		return
	}
	start, after, depth := len(w.buf), w.place, len(w.outer)
	w.place = atNullable
	returned := false
	defer func() {
		w.held--
		switch {
		case w.err != nil || w.state.Load() != isOpen:
		case returned:
			w.filled()
		default:
			w.takeBack(flushed, length, before, depth, errPanicked)
		}
	}()
	w.held++
	err := body(w)
	returned = true
	switch {
	case w.err != nil || w.state.Load() != isOpen:
		return // The destination failed, or misuse: there is nothing to save.
	case err != nil:
		if w.takeBack(flushed, start, after, depth, err) {
			w.Report(err, path)
			w.buf = append(w.buf, "null"...)
		}
	case w.place != nullableEnd || len(w.outer) != depth:
		w.misused("the end of a nullable value")
	default:
		w.place = after
	}
}

// takeBack forgets what was written since a place of the chunk. If some of it was sent, err
// is the writer's.
func (w *Writer) takeBack(flushed, length int, to place, depth int, err error) bool {
	if flushed != w.stats.Chunks {
		w.fail(fmt.Errorf("stream: %d bytes of a nullable value were sent already: %w", w.stats.Bytes, err))
		return false
	}
	w.buf, w.place, w.outer = w.buf[:length], to, w.outer[:depth]
	return true
}

// Report keeps an error for [Writer.Errors], for an executor that has written null itself
// where the error is. One that is not an [*Error] has a general message there.
func (w *Writer) Report(err error, path Path) {
	w.errors = append(w.errors, Public(err, path))
}

// Errors writes the member "errors" if Nullable has kept some. It is for the
// response's outermost object, after its data. [Respond] calls it.
func (w *Writer) Errors() { w.WriteErrors(w.TakeErrors()) }

// TakeErrors returns what Nullable has kept, for an executor that reports it
// elsewhere.
func (w *Writer) TakeErrors() []*Error {
	list := w.errors
	w.errors = nil
	return list
}

// WriteErrors writes the member "errors" if there are some. One that is nil has a general
// message.
func (w *Writer) WriteErrors(list []*Error) {
	if len(list) == 0 {
		return
	}
	w.Name("errors")
	w.BeginArray()
	for _, e := range list {
		w.graphqlError(e)
	}
	w.EndArray()
}

func (w *Writer) graphqlError(e *Error) {
	if e == nil {
		e = Public(nil, nil)
	}
	w.BeginObject()
	w.Name("message")
	w.String(e.Message)
	if len(e.Locations) > 0 {
		w.Name("locations")
		w.BeginArray()
		for _, l := range e.Locations {
			w.BeginObject()
			w.Name("line")
			w.Int(int64(l.Line))
			w.Name("column")
			w.Int(int64(l.Column))
			w.EndObject()
		}
		w.EndArray()
	}
	if len(e.Path) > 0 {
		w.Name("path")
		_ = w.Any([]any(e.Path))
	}
	if len(e.Extensions) > 0 {
		w.Name("extensions")
		_ = w.Any(e.Extensions)
	}
	w.EndObject()
}
