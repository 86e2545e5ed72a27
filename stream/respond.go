package stream

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/gqlboost/gqlboost/internal/accept"
	"github.com/gqlboost/gqlboost/stream/internal/client"
)

// Respond writes a GraphQL response that body makes, from the first chunk on as it
// is made. body writes one object, and may leave it open: Respond adds "errors" if
// there are some, and closes it.
//
//	err := stream.Respond(rw, r, func(w *stream.Writer) error {
//		w.BeginObject()
//		w.Name("data")
//		return writeData(r.Context(), w)
//	})
//
// A response that fits into the first chunk has a Content-Length, unless a middleware has set a
// Content-Encoding. An error when the outermost object is open and a member of it complete, so that
// "errors" may follow, is reported there. Any other error before the first byte becomes a GraphQL
// error response: an [*Error] with its message and status, anything else as an internal error with
// status 500. After the first byte, the connection is aborted, so that no client takes what it
// received for complete. An error of a body that has closed the object is such an error too.
//
// The error is that of body or of the connection, for the log; its response has
// been written. Where a response could not be aborted, it is held whole in memory before it
// is sent: where the ResponseWriter has no write deadlines or no Flush, and for clients of other
// versions than HTTP/1.1 and HTTP/2.
func Respond(rw http.ResponseWriter, r *http.Request, body func(*Writer) error) error {
	return RespondWith(rw, r, Options{}, body)
}

// RespondWith is [Respond] with options. The Context defaults to the request's.
func RespondWith(rw http.ResponseWriter, r *http.Request, o Options, body func(*Writer) error) error {
	p := Begin(rw, r, o)
	defer func() { _ = p.Close() }() // Also if body panics.
	return p.End(body(p.Writer))
}

// Response is a response that is written part by part: it is [Respond] for handlers that
// cannot write it in one function. Like a [Writer] it is not safe for concurrent use.
type Response struct {
	*Writer
	client *client.Client
	ended  bool
	err    error // of End
}

// Begin begins a response, which End ends; Close it in any case. What Respond's body writes
// goes to the Writer.
func Begin(rw http.ResponseWriter, r *http.Request, o Options) *Response {
	if o.Context == nil {
		o.Context = r.Context()
	}
	o = o.withDefaults()
	c := client.New(rw, r, o.WriteTimeout)
	if !showsAbort(r) {
		c.Hold()
	}
	if o.ContentType == "" {
		o.ContentType = responseType(r.Header.Values("Accept"))
	}
	c.Header.Set("Content-Type", o.ContentType)
	return &Response{Writer: NewWriter(c, o), client: c}
}

// CanAbort reports whether a client of Begin's would notice that a response is aborted. Otherwise all
// of it is held until End: the request is of another version than HTTP/1.1 and HTTP/2, or the
// ResponseWriter has no write deadlines or no Flush. Where it is true, the write deadline is cleared, as
// by Begin; where it is false, that of http.Server's WriteTimeout stays.
func CanAbort(rw http.ResponseWriter, r *http.Request) bool {
	return showsAbort(r) && client.NewAbortable(rw, r, defaultWriteTimeout) != nil
}

// showsAbort reports whether the protocol shows it: HTTP/1.0 ends responses with the connection, also
// those that are aborted, and HTTP/3 ends streams well, whatever the deadline is.
func showsAbort(r *http.Request) bool {
	return r.ProtoMajor == 2 || r.ProtoMajor == 1 && r.ProtoMinor > 0
}

var errNotEnded = errors.New("stream: Close of a response that End has not ended")

// Close gives the memory back. A response that End has not ended is aborted, if something of
// it was sent; otherwise the handler may still give another one, whose write deadline it sets
// itself, since Begin has cleared the one of http.Server's WriteTimeout. After End it returns
// End's error.
func (p *Response) Close() error {
	if !p.ended {
		p.ended, p.err = true, errNotEnded
		p.giveUp()
	}
	return p.err
}

// giveUp closes the Writer of a response that was not ended, and aborts it.
func (p *Response) giveUp() {
	p.fail(errNotEnded)
	_ = p.Writer.Close()
	if p.client.Started() {
		abort(p.client)
	}
}

// End does with err what Respond does with the error of its body, and closes the Writer.
// Ending it again, or after Close, does nothing and returns the same error.
func (p *Response) End(err error) error {
	if p.ended {
		return p.err
	}
	p.ended, p.err = true, errNotEnded
	returned := false
	defer func() {
		if !returned { // The ResponseWriter has panicked, or somebody has called runtime.Goexit.
			p.giveUp()
		}
	}()
	p.err = p.end(err)
	_ = p.Writer.Close()
	returned = true
	return p.err
}

func (p *Response) end(err error) error {
	w, c := p.Writer, p.client
	if err == nil {
		err = w.Err()
	}
	if err == nil || w.canReport() {
		if err != nil {
			w.Report(err, nil)
		}
		w.finish()
		if w.err != nil {
			err = errors.Join(err, w.err)
		}
	} else {
		w.fail(err) // Also if the document is complete: the error has no place in it.
	}
	switch {
	case w.place == atEnd && !c.Started():
		w.err = c.Whole(http.StatusOK, w.buf)
		w.stats.Bytes += int64(len(w.buf))
		w.buf = w.buf[:0]
		err = errors.Join(err, w.err)
	case w.place == atEnd:
		if closed := w.Close(); closed != nil {
			abort(c)
			err = errors.Join(err, closed)
		} else {
			c.End()
		}
	case !c.Started():
		writeError(c, Public(err, nil))
	default:
		abort(c)
		return fmt.Errorf("stream: response aborted after %d bytes: %w", w.stats.Bytes, err)
	}
	return err
}

func abort(c *client.Client) {
	counters.aborted.Add(1)
	c.Abort()
}

// canReport reports whether the data is complete, so that "errors" may follow.
func (w *Writer) canReport() bool { return w.err == nil && len(w.outer) == 1 && w.place == nextName }

// finish closes the outermost object. If a method MarshalJSON of what the errors have panics,
// the response has failed. A panic of the destination is the caller's.
func (w *Writer) finish() {
	defer func() {
		if v := recover(); v != nil {
			if w.err != nil {
				panic(v)
			}
			w.fail(extensionsPanicked(v))
		}
	}()
	if len(w.outer) == 1 && (w.place == nextName || w.place == firstName) {
		w.Errors()
		w.EndObject()
	}
	if w.place != atEnd {
		w.misused("the end of the response")
	} else if len(w.errors) > 0 {
		w.fail(fmt.Errorf("%w: the response was closed before its errors were written", ErrMisuse))
	}
}

// Public returns what a client may know of an error: the [*Error] that it is or
// wraps, at the path unless it has its own, or one with a general message.
func Public(err error, path Path) *Error {
	known := Error{Message: "Internal server error", Err: err}
	if e := (*Error)(nil); errors.As(err, &e) && e != nil {
		known = *e
	}
	if known.Path == nil {
		known.Path = path
	}
	return &known
}

// WriteError writes a GraphQL error response, as Respond does before its first
// byte: an [*Error] with its message and status, anything else as an internal error
// with status 500.
func WriteError(rw http.ResponseWriter, r *http.Request, err error) {
	c := client.New(rw, r, defaultWriteTimeout)
	c.Header.Set("Content-Type", responseType(r.Header.Values("Accept")))
	writeError(c, Public(err, nil))
}

func writeError(c *client.Client, e *Error) {
	c.Discard() // Its data: the status may be 200.
	text, err := errorResponse(e)
	if err != nil { // What encoding/json refuses: the message at least can be sent.
		text, _ = errorResponse(&Error{Message: e.Message, Locations: e.Locations})
	}
	_ = c.Whole(e.status(), text)
}

// errorResponse returns the text of a response without data.
func errorResponse(e *Error) (text []byte, err error) {
	defer func() {
		if v := recover(); v != nil { // of a method MarshalJSON
			err = extensionsPanicked(v)
		}
	}()
	var b bytes.Buffer
	w := NewWriter(&b, Options{})
	defer func() { _ = w.Close() }()
	w.BeginObject()
	w.WriteErrors([]*Error{e})
	w.EndObject()
	err = w.Close()
	return b.Bytes(), err
}

func extensionsPanicked(v any) error {
	return fmt.Errorf("stream: an error's extensions panicked: %v", v)
}

// responseType returns which of the two media types of GraphQL over HTTP the client prefers.
// One that accepts neither gets the older one.
func responseType(lines []string) string {
	media, _ := accept.Parse(lines).Response(accept.JSON)
	if media == "" {
		media = accept.JSON
	}
	return media + "; charset=utf-8"
}
