package incremental

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/internal/client"
)

// Path is where in the data a part belongs.
type Path = stream.Path

// ErrNotAccepted is the error of New for a client that takes no parts.
var ErrNotAccepted = errors.New("incremental: the client does not accept a result in parts")

// ErrClosed is the error of using a delivery after Close.
var ErrClosed = errors.New("incremental: the delivery is closed")

// Options say how a [Delivery] works. The zero value is good for most.
type Options struct {
	// Heartbeat is how long nothing may be sent before a heartbeat is, 12 s by
	// default; negative for none.
	Heartbeat time.Duration
	// WriteTimeout is how long the client may take for a chunk, 30 s by default;
	// negative for no limit.
	WriteTimeout time.Duration
	// MaxQueued bounds the bytes of parts that are ready while the client is slow,
	// 1 MiB by default: then producers wait.
	MaxQueued int
	// Writer has the options of the writers that parts are made with. Its Context
	// is not used.
	Writer stream.Options
}

// Delivery sends one result in parts. Its methods are safe for concurrent use, but
// Initial comes before the first part is sent and Close last.
type Delivery struct {
	format  Format
	frame   framing
	options Options
	ctx     context.Context
	client  *client.Client
	rw      http.ResponseWriter
	request *http.Request

	mu        sync.Mutex
	changed   sync.Cond // of what is below
	next      int       // id of the next part
	open      int       // parts that are not complete
	announce  []*Part   // to be announced with the next payload
	entries   []entry   // to be sent
	queued    int       // their bytes
	begun     bool      // the initial payload has been sent
	sending   bool      // somebody sends
	ended     bool      // hasNext: false has been sent
	closed    bool
	err       error
	heartbeat *time.Timer
}

// entry is something to tell of a part.
type entry struct {
	part     *Part
	payload  []byte // data of a deferred part, or items without brackets
	count    int    // of items
	errors   []*stream.Error
	complete bool
}

// New prepares the delivery of a response in the format that the request accepts.
// If it accepts none, or the ResponseWriter has no deadlines and could not abort a
// response, the error is [ErrNotAccepted] and nothing has been written.
func New(rw http.ResponseWriter, r *http.Request, o Options) (*Delivery, error) {
	format := Negotiate(r)
	if format == None {
		return nil, ErrNotAccepted
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 12 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.MaxQueued <= 0 {
		o.MaxQueued = 1 << 20
	}
	d := &Delivery{format: format, frame: framings[format], options: o, ctx: r.Context(), client: client.New(rw, o.WriteTimeout), rw: rw, request: r}
	if !d.client.CanAbort() {
		return nil, ErrNotAccepted
	}
	d.changed.L = &d.mu
	header := d.client.Header
	header.Set("Content-Type", d.frame.contentType)
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	return d, nil
}

// Format returns the format.
func (d *Delivery) Format() Format { return d.format }

// Initial sends the initial result: body writes the members of its object, "data"
// and perhaps "errors", and Initial adds what the format needs. If body fails,
// Close aborts the response, or writes an ordinary error response if nothing was
// sent.
func (d *Delivery) Initial(body func(w *stream.Writer) error) error {
	d.mu.Lock()
	if d.closed || d.begun || d.sending || d.err != nil {
		err := d.err
		d.mu.Unlock()
		return errors.Join(err, errors.New("incremental: Initial is called once, and first"))
	}
	d.sending = true
	d.mu.Unlock()
	ended := false
	defer func() {
		if !ended { // body has panicked. Close must not wait for it.
			d.mu.Lock()
			defer d.mu.Unlock()
			d.begun, d.sending = true, false
			d.fail(errors.New("incremental: the initial result is not complete"))
		}
	}()
	// Parts that are ready meanwhile wait, so those that are open now are announced.
	err := d.payload(d.frame.start, func(w *stream.Writer) error {
		if err := body(w); err != nil {
			return err
		}
		w.Errors()
		d.mu.Lock()
		var announce, inside []*Part
		// Parts that are complete already have yet to be sent.
		open := d.open > 0 || len(d.entries) > 0
		for _, p := range d.announce {
			if p.parent == nil {
				announce = append(announce, p)
			} else {
				inside = append(inside, p)
			}
		}
		d.announce = inside // What is inside of others comes with them.
		d.ended = !open
		d.mu.Unlock()
		d.pending(w, announce)
		w.Name("hasNext")
		w.Bool(open)
		return nil
	})
	ended = true
	d.mu.Lock()
	d.begun, d.sending = true, false
	if err == nil && d.options.Heartbeat > 0 && d.frame.heartbeat != "" {
		d.heartbeat = time.AfterFunc(d.options.Heartbeat, d.beat)
	}
	d.fail(err)
	d.changed.Broadcast()
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.send()
}

// Hold keeps the delivery open until release is called, for an executor that does not
// know at first which parts will come. It is called before Initial.
func (d *Delivery) Hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open++
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.open--
		d.changed.Broadcast()
		d.mu.Unlock()
		_ = d.send() // Its error stays, for Close.
	})
}

// payload sends one object in its frame.
func (d *Delivery) payload(start string, body func(w *stream.Writer) error) error {
	to := io.Writer(d.client)
	if d.frame.oneLine {
		to = &oneLine{to: to}
	}
	framed := &framed{to: d.client, inner: to, before: start + d.frame.before}
	o := d.options.Writer
	o.Context = d.ctx
	w := stream.NewWriter(framed, o)
	w.BeginObject()
	err := body(w)
	if err == nil {
		w.EndObject()
	}
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err == nil {
		_, err = d.client.Write([]byte(d.frame.after))
	}
	return err
}

// framed writes what comes before a payload together with its first chunk.
type framed struct {
	to, inner io.Writer
	before    string
}

func (f *framed) Write(b []byte) (int, error) {
	if f.before != "" {
		if _, err := f.to.Write([]byte(f.before)); err != nil {
			return 0, err
		}
		f.before = ""
	}
	return f.inner.Write(b)
}

// oneLine replaces line ends: in JSON they are white space between tokens only.
type oneLine struct {
	to     io.Writer
	copied []byte
}

func (o *oneLine) Write(b []byte) (int, error) {
	if !bytes.ContainsAny(b, "\r\n") {
		return o.to.Write(b)
	}
	o.copied = append(o.copied[:0], b...)
	for i, c := range o.copied {
		if c == '\n' || c == '\r' {
			o.copied[i] = ' '
		}
	}
	return o.to.Write(o.copied)
}

// pending announces parts.
func (d *Delivery) pending(w *stream.Writer, parts []*Part) {
	if len(parts) == 0 || d.format == Multipart2022 {
		return
	}
	w.Name("pending")
	w.BeginArray()
	for _, p := range parts {
		w.BeginObject()
		w.Name("id")
		w.String(p.id)
		p.place(w, -1)
		w.EndObject()
	}
	w.EndArray()
}

// send sends what is queued, unless somebody else does already, who then sends
// this as well: one payload has all that became ready while the last was sent.
func (d *Delivery) send() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.begun && !d.sending && d.err == nil && (len(d.entries) > 0 || d.open == 0 && !d.ended) {
		entries, announce := d.entries, d.announce
		d.entries, d.announce, d.queued = nil, nil, 0
		last := d.open == 0
		d.ended = last
		d.sending = true
		d.mu.Unlock()
		err := d.payload("", func(w *stream.Writer) error {
			d.write(w, entries, announce)
			w.Name("hasNext")
			w.Bool(!last)
			return nil
		})
		d.mu.Lock()
		d.sending = false
		d.fail(err)
		if d.heartbeat != nil {
			d.heartbeat.Reset(d.options.Heartbeat)
		}
		d.changed.Broadcast()
	}
	return d.err
}

// fail keeps an error of the connection. It is called with the lock.
func (d *Delivery) fail(err error) {
	if err != nil && d.err == nil {
		d.err = err
		d.changed.Broadcast()
	}
}

// beat sends a heartbeat.
func (d *Delivery) beat() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.ended || d.err != nil {
		return
	}
	if !d.sending {
		d.sending = true
		d.mu.Unlock()
		_, err := d.client.Write([]byte(d.frame.heartbeat))
		d.mu.Lock()
		d.sending = false
		d.fail(err)
		d.changed.Broadcast()
	}
	d.heartbeat.Reset(d.options.Heartbeat)
	if len(d.entries) > 0 && d.err == nil {
		// Somebody has left these to us.
		d.mu.Unlock()
		_ = d.send()
		d.mu.Lock()
	}
}

// Close waits until all parts are complete and ends the response. If the request's
// context ends first, or the connection has failed, it returns that error, and the
// response is aborted. The delivery cannot be used afterwards.
func (d *Delivery) Close() error {
	stop := context.AfterFunc(d.ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.fail(context.Cause(d.ctx))
	})
	defer stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if !d.begun {
		d.fail(errors.New("incremental: Close without Initial"))
	}
	for d.err == nil && (d.open > 0 || d.sending || len(d.entries) > 0) {
		d.changed.Wait()
	}
	for d.sending { // Nobody may write after the handler has ended.
		d.changed.Wait()
	}
	d.closed = true
	if d.heartbeat != nil {
		d.heartbeat.Stop()
	}
	d.changed.Broadcast()
	if d.err == nil {
		_, err := d.client.Write([]byte(d.frame.end))
		d.fail(err)
	}
	switch {
	case d.err == nil:
		return nil
	case !d.client.Started():
		stream.WriteError(d.rw, d.request, d.err)
		return d.err
	}
	d.client.Abort()
	return fmt.Errorf("incremental: response aborted: %w", d.err)
}
