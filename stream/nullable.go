package stream

import "fmt"

// Path is where in the data an error is: names of fields and indices of lists.
type Path []any

// Error is an error of GraphQL: its message is for the client. It may also be
// what a body returns.
type Error struct {
	Message    string
	Locations  []Location // in the query
	Path       Path
	Extensions map[string]any
	// Status is that of the HTTP response if there is no data, 500 by default.
	Status int
	Err    error // the cause, not for the client, or nil
}

// Location is a place in a query's text, counted from 1.
type Location struct{ Line, Column int }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Nullable writes a value that null can take the place of: the nearest nullable
// parent of fields that may fail, as GraphQL's rules have it. If body returns an
// error, what it has written is taken back, null is written, and the error is kept
// for [Writer.Errors]; one that is not an [*Error] has a general message there.
//
// What body writes is held until it has ended, which delays the client. It cannot
// be taken back any more when it is larger than MaxHeld: an error after that is the
// writer's, and ends the response.
func (w *Writer) Nullable(path Path, body func(*Writer) error) {
	if w.place == failed {
		return
	}
	length, before, depth, flushed := len(w.buf), w.place, len(w.outer), w.stats.Chunks
	w.held++
	err := body(w)
	w.held--
	if w.err != nil || w.state.Load() != isOpen {
		return // Of the destination, or misuse: there is nothing to save.
	}
	if err == nil {
		after := map[place]place{atRoot: atEnd, firstInList: inList, inList: inList, atMember: nextName}[before]
		if w.place != after || len(w.outer) != depth {
			w.misused("the end of a nullable value")
		}
		w.filled()
		return
	}
	if flushed != w.stats.Chunks {
		w.fail(fmt.Errorf("stream: %d bytes of a nullable value were sent already: %w", w.stats.Bytes, err))
		return
	}
	w.buf, w.place, w.outer = w.buf[:length], before, w.outer[:depth]
	w.Report(err, path)
	w.Null()
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

// WriteErrors writes the member "errors" if there are some.
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
