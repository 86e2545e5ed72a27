package incremental

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/internal/client"
)

// Path is the place of a part in the data.
type Path = stream.Path

// Options configures a [Delivery]. The zero value works for most programs.
type Options struct {
	// Heartbeat is how long nothing may be sent before a heartbeat is, 12 s by
	// default; negative for none.
	Heartbeat time.Duration
	// WriteTimeout is how long the client may take for a chunk, 30 s by default;
	// negative for no limit. The handler must return within that time after Close, since
	// HTTP's mark of the end is sent then.
	WriteTimeout time.Duration
	// MaxQueued bounds the bytes of parts that are ready while the client is slow,
	// 1 MiB by default: then producers wait. Parts that are ready before the initial
	// result has been sent, or before the part that they are inside of, never wait.
	MaxQueued int
	// Writer has the options of the writers that payloads are made with. Its Context
	// is not used. With MinChunk, an initial result of more bytes is sent in chunks
	// while body makes it; otherwise it is one chunk, as long as it is not larger than
	// MaxQueued.
	Writer stream.Options
}

// Delivery sends one result in parts. Its methods are safe for concurrent use, but
// Initial comes before the first part is sent and Close last.
type Delivery struct {
	frame   framing
	options Options
	ctx     context.Context
	client  *client.Client
	rw      http.ResponseWriter
	request *http.Request
	forget  func() bool // the end of ctx

	mu        sync.Mutex
	changed   sync.Cond // of what is below
	next      int       // id of the next part
	open      int       // parts that are not complete
	announce  []*Part   // to be announced with the next payload
	entries   []entry   // to be sent
	queued    int       // their bytes
	begun     bool      // the initial payload has been sent
	sending   bool      // somebody makes and sends a payload
	writing   bool      // somebody uses the client
	ended     bool      // hasNext: false has been sent, or will be next
	closing   bool
	closed    bool
	err       error
	heartbeat *time.Timer

	buffer []byte // the payload, of whom has set sending
}

// New prepares the delivery of a response in the format that the request accepts.
// If it accepts none, or the ResponseWriter has no deadlines, so that it could not abort a
// response, or no Flush, the error wraps [ErrNotAccepted] and nothing has been written. Close
// the delivery in any case.
func New(rw http.ResponseWriter, r *http.Request, o Options) (*Delivery, error) {
	frame := negotiate(r)
	if frame.format == None {
		return nil, fmt.Errorf("%w: the client accepts none of the formats: Accept is %q",
			ErrNotAccepted, r.Header.Values("Accept"))
	}
	if o.MaxQueued < 0 {
		return nil, fmt.Errorf("incremental: MaxQueued is %d: it must not be negative", o.MaxQueued)
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 12 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.MaxQueued == 0 {
		o.MaxQueued = 1 << 20
	}
	c := client.NewAbortable(rw, r, o.WriteTimeout)
	if c == nil {
		return nil, fmt.Errorf("%w: the ResponseWriter must have write deadlines, without which a response cannot be "+
			"aborted, and Flush", ErrNotAccepted)
	}
	c.Prompt() // Parts that wait in buffers until the end are none, and heartbeats keep nothing alive.
	d := &Delivery{frame: frame, options: o, ctx: r.Context(), client: c, rw: rw, request: r}
	d.changed.L = &d.mu
	header := d.client.Header
	header.Set("Content-Type", frame.contentType)
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	d.forget = context.AfterFunc(d.ctx, d.cancel)
	return d, nil
}

// Format returns the format.
func (d *Delivery) Format() Format { return d.frame.format }

// Initial sends the initial result: body writes the members of its object, "data"
// and perhaps "errors", and Initial adds what the format needs. If body fails or
// panics, the error is that, or a [*PanicError], and Close aborts the response, or
// writes an ordinary error response if nothing was sent.
func (d *Delivery) Initial(body func(w *stream.Writer) error) error {
	if err := d.begin(); err != nil {
		return err
	}
	if err := d.initial(body); err != nil {
		return err
	}
	return d.send()
}

// initial sends the initial payload.
func (d *Delivery) initial(body func(w *stream.Writer) error) (err error) {
	hold := d.options.MaxQueued
	if d.options.Writer.MinChunk > 0 {
		hold = 0
	}
	err = errExited
	defer func() { d.initialized(err) }() // Also if body has called runtime.Goexit.
	// Parts that are ready meanwhile wait, so those that are open now are announced.
	err = d.payload(d.frame.start, hold, func(w *stream.Writer) (last bool, err error) {
		if err := call(body, w); err != nil {
			return false, err
		}
		w.Errors()
		d.mu.Lock()
		announce := d.outermost()
		// Parts that are complete already have yet to be sent.
		last = d.open == 0 && len(d.entries) == 0
		d.ended = last
		d.mu.Unlock()
		d.pending(w, announce)
		return last, nil
	})
	return err
}

func (d *Delivery) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closing:
		return ErrClosed
	case d.begun || d.sending:
		return errors.New("incremental: Initial was called before: call it once")
	case d.err != nil:
		return d.err
	}
	d.sending = true
	return nil
}

// initialized lets parts be sent.
func (d *Delivery) initialized(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun, d.sending = true, false
	if err == nil && d.options.Heartbeat > 0 && d.frame.heartbeat != "" && !d.closing {
		d.heartbeat = time.AfterFunc(d.options.Heartbeat, d.beat)
	}
	d.fail(err)
	d.changed.Broadcast()
}

// outermost returns the parts to be announced that are inside of no other. The others
// come with those. It is called with the lock.
func (d *Delivery) outermost() (announce []*Part) {
	var inside []*Part
	for _, p := range d.announce {
		if p.parent == nil {
			announce = append(announce, p)
		} else {
			inside = append(inside, p)
		}
	}
	d.announce = inside
	return announce
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

// fail keeps an error of the connection. It is called with the lock.
func (d *Delivery) fail(err error) {
	if err != nil && d.err == nil {
		d.err = err
		d.changed.Broadcast()
	}
}

// cancel ends the delivery with the request.
func (d *Delivery) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.fail(context.Cause(d.ctx))
	if d.writing {
		d.client.Abort() // Do not wait for a client that takes nothing.
	}
}

// Close waits until all parts are complete and ends the response. If the request's
// context ends first, or the connection has failed, it returns that error, and the
// response is aborted. The delivery cannot be used afterwards: everything returns
// [ErrClosed], and the ResponseWriter is no longer used.
func (d *Delivery) Close() error {
	defer d.forget()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		for !d.closed || d.writing {
			d.changed.Wait()
		}
		return ErrClosed
	}
	d.closing = true
	if !d.begun {
		d.fail(errors.New("incremental: Close was called before Initial has returned"))
	}
	for d.err == nil && (!d.ended || d.sending) {
		d.changed.Wait()
	}
	for d.writing { // Nobody may write after the handler has ended.
		d.changed.Wait()
	}
	d.closed = true
	if d.heartbeat != nil {
		d.heartbeat.Stop()
	}
	d.changed.Broadcast()
	switch {
	case d.err == nil:
		d.client.End()
		return nil
	case !d.client.Started():
		d.unlocked(d.refuse)
		return d.err
	}
	d.client.Abort()
	return fmt.Errorf("incremental: response aborted: %w", d.err)
}

// unlocked calls what writes to the client while nothing else does. It is called with the lock, and
// releases it meanwhile: parts do not wait for the client, and Close does.
func (d *Delivery) unlocked(write func()) {
	d.writing = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.writing = false
		d.changed.Broadcast()
	}()
	write()
}

// refuse answers with an error response instead of the initial result. In an event stream
// that is an event: to a client of it, a status is a failure of the network.
func (d *Delivery) refuse() {
	if d.frame.format != EventStream {
		stream.WriteError(d.rw, d.request, d.err)
		return
	}
	f := &framed{frame: &d.frame, put: d.client.Write, hold: d.options.MaxQueued}
	_ = f.object("", stream.Options{}, func(w *stream.Writer) (bool, error) {
		w.WriteErrors([]*stream.Error{stream.Public(d.err, nil)})
		return true, w.Err()
	}) // The client has gone.
}
