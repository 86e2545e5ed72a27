package incremental

import (
	"math"

	"github.com/gqlboost/gqlboost/stream"
)

// send sends what is queued, unless somebody else does already, who then sends
// this as well: one payload has all that became ready while the last was sent.
func (d *Delivery) send() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.begun && !d.sending && !d.closed && d.err == nil && (len(d.entries) > 0 || d.open == 0 && !d.ended) {
		entries, announce := d.entries, d.announce
		d.entries, d.announce, d.queued = nil, nil, 0
		last := d.open == 0
		d.ended = last
		d.alone(func() error {
			// It is in memory already, so it may be one chunk.
			return d.payload("", math.MaxInt, func(w *stream.Writer) (bool, error) {
				d.write(w, entries, announce)
				return last, nil
			})
		})
		if d.heartbeat != nil && !d.closed {
			d.heartbeat.Reset(d.options.Heartbeat)
		}
	}
	return d.err
}

// alone calls send while nobody else sends. It is called with the lock, and releases it meanwhile. If send
// calls runtime.Goexit, as what it marshals or the ResponseWriter may, the delivery has failed.
func (d *Delivery) alone(send func() error) {
	d.sending = true
	d.mu.Unlock()
	err := errExited
	defer func() {
		d.mu.Lock()
		d.sending = false
		d.fail(err)
		d.changed.Broadcast()
	}()
	err = send()
}

// beat sends a heartbeat.
func (d *Delivery) beat() {
	if d.beaten() {
		// Somebody may have left a payload to us, also one without entries that ends the response.
		_ = d.send()
	}
}

// beaten sends the heartbeat itself, and reports whether the delivery goes on.
func (d *Delivery) beaten() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.ended || d.err != nil {
		return false
	}
	if !d.sending {
		d.alone(func() error {
			_, err := d.put([]byte(d.frame.heartbeat))
			return err
		})
	}
	if d.closed || d.err != nil {
		return false
	}
	d.heartbeat.Reset(d.options.Heartbeat)
	return true
}

// put gives b to the client, unless the delivery has failed or was closed: nobody may use
// the ResponseWriter after the handler has returned.
func (d *Delivery) put(b []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
		return 0, d.err
	case d.closed:
		return 0, ErrClosed
	}
	d.unlocked(func() {
		defer recovered(&err) // A middleware's ResponseWriter may panic.
		n, err = d.client.Write(b)
	})
	return n, err
}

// payload sends one object in its frame. The caller has set sending.
func (d *Delivery) payload(start string, hold int, body func(w *stream.Writer) (last bool, err error)) error {
	f := &framed{frame: &d.frame, put: d.put, hold: hold, buffer: d.buffer}
	o := d.options.Writer
	o.Context = d.ctx
	err := f.object(start, o, func(w *stream.Writer) (bool, error) {
		last, err := body(w)
		if err == nil {
			w.Name("hasNext")
			w.Bool(!last)
		}
		return last, err
	})
	d.buffer = f.buffer[:0]
	return err
}

// framed puts the frame around a payload, and collects it into chunks of hold bytes.
type framed struct {
	frame  *framing
	put    func([]byte) (int, error)
	hold   int
	buffer []byte
}

// object sends an object whose members body writes.
func (f *framed) object(
	start string, o stream.Options, body func(w *stream.Writer) (last bool, err error),
) (err error) {
	f.buffer = append(append(f.buffer[:0], start...), f.frame.before...)
	w := stream.NewWriter(f, o)
	defer func() { _ = w.Close() }()
	defer recovered(&err) // What it marshals may panic.
	w.BeginObject()
	last, err := body(w)
	if err != nil {
		return err
	}
	w.EndObject()
	if err := w.Close(); err != nil {
		return err
	}
	after := f.frame.next
	if last {
		after = f.frame.last
	}
	_, err = f.put(append(f.buffer, after...))
	return err
}

// Write replaces line ends where they would end a payload: in JSON they are white space
// between tokens only.
func (f *framed) Write(b []byte) (int, error) {
	begin := len(f.buffer)
	f.buffer = append(f.buffer, b...)
	if f.frame.oneLine {
		for i, c := range f.buffer[begin:] {
			if c == '\n' || c == '\r' {
				f.buffer[begin+i] = ' '
			}
		}
	}
	if len(f.buffer) <= f.hold {
		return len(b), nil
	}
	_, err := f.put(f.buffer)
	f.buffer = f.buffer[:0]
	return len(b), err
}
