package incremental

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/gqlboost/gqlboost/stream"
)

// Part is a deferred fragment or the rest of a streamed list. Complete or Fail it,
// once: [Delivery.Close] waits for that. It is safe for concurrent use.
type Part struct {
	d      *Delivery
	id     string
	path   Path
	label  string
	stream bool
	sent   int // items so far, with the initial ones

	extensions []byte // of its data

	closing  bool // its last entry is here
	done     bool // and was queued
	dropped  bool // it is never announced to the client
	failed   bool
	late     bool // it was announced after the end
	parent   *Part
	children []*Part // to be announced when this is done
	held     []entry // to be queued then
}

// Defer announces a deferred fragment: path is that of the object which it is in,
// label that of the directive, or "". The path is copied.
func (d *Delivery) Defer(path Path, label string) *Part {
	return d.add(&Part{path: path, label: label})
}

// Defer announces a fragment inside of the part: the client is told of it once it has
// the part, and never if that fails.
func (p *Part) Defer(path Path, label string) *Part {
	return p.d.add(&Part{path: path, label: label, parent: p})
}

// Stream announces the rest of a list: path is that of the list, and initial the
// number of items that the result has already.
func (d *Delivery) Stream(path Path, label string, initial int) *Part {
	return d.add(&Part{path: path, label: label, stream: true, sent: initial})
}

// Stream announces the rest of a list inside of the part, as [Part.Defer] does.
func (p *Part) Stream(path Path, label string, initial int) *Part {
	return p.d.add(&Part{path: path, label: label, stream: true, sent: initial, parent: p})
}

func (d *Delivery) add(p *Part) *Part {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.d, p.path, p.id = d, slices.Clone(p.path), strconv.Itoa(d.next)
	switch {
	case p.parent != nil && (p.parent.failed || p.parent.dropped):
		p.dropped = true
		return p
	case d.ended || d.closed:
		p.late = true
		return p
	}
	d.next++
	d.open++
	if p.parent == nil || p.parent.done {
		d.announce = append(d.announce, p)
	} else {
		p.parent.children = append(p.parent.children, p)
	}
	return p
}

// Complete sends a deferred fragment's data, an object that body writes, and ends
// the part. If body fails or panics, the part fails: an [*stream.Error] tells the client
// why, and the error is that, or a [*PanicError]. If body writes null, the part fails with the errors
// that it has reported.
func (p *Part) Complete(body func(w *stream.Writer) error) error {
	if p.stream {
		return p.misused("Complete of a list: use Items and End")
	}
	payload, nulls, err := p.made(body)
	if err != nil {
		return errors.Join(err, p.Fail(err))
	}
	if string(payload) == "null" { // Clients would replace the object that they have by it.
		if payload = nil; len(nulls) == 0 {
			nulls = []*stream.Error{stream.Public(nil, p.path)}
		}
	}
	return p.queue(entry{part: p, payload: payload, errors: nulls, complete: true})
}

// Extend sends extensions, a JSON object, with a deferred fragment's data. It comes before Complete.
func (p *Part) Extend(extensions []byte) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.extensions = extensions
}

// Items sends some more items of a list: body writes them, and count is how many.
// Items of one part come in the order of the calls. If body fails or panics, the part
// fails, as in Complete.
func (p *Part) Items(count int, body func(w *stream.Writer) error) error {
	switch {
	case !p.stream:
		return p.misused("Items of a fragment: use Complete")
	case count < 0:
		return p.misused(fmt.Sprintf("%d items: count is how many body writes", count))
	}
	payload, nulls, err := p.made(func(w *stream.Writer) error {
		w.BeginArray()
		if err := body(w); err != nil {
			return err
		}
		w.EndArray()
		return nil
	})
	if err != nil {
		return errors.Join(err, p.Fail(err))
	}
	return p.queue(entry{part: p, payload: payload, count: count, errors: nulls})
}

// End ends a list.
func (p *Part) End() error {
	if !p.stream {
		return p.misused("End of a fragment: use Complete or Fail")
	}
	return p.queue(entry{part: p, complete: true})
}

// Fail ends a part with an error: the client gets null for a fragment, or no more
// items. One that is not an [*stream.Error] has a general message.
func (p *Part) Fail(err error) error {
	return p.queue(entry{part: p, errors: []*stream.Error{stream.Public(err, p.path)}, complete: true})
}

// misused fails the part: Close would wait for it.
func (p *Part) misused(how string) error {
	err := errors.New("incremental: " + how)
	return errors.Join(err, p.Fail(err))
}

// made lets body write into memory: producers do not wait for each other's clients.
func (p *Part) made(body func(w *stream.Writer) error) (payload []byte, nulls []*stream.Error, err error) {
	var b bytes.Buffer
	o := p.d.options.Writer
	o.Context = p.d.ctx
	w := stream.NewWriter(&b, o)
	returned := false
	defer func() {
		_ = w.Close()
		if !returned {
			_ = p.Fail(errExited) // Its error stays, for Close.
		}
	}()
	err = call(body, w)
	returned = true
	nulls = w.TakeErrors()
	if closed := w.Close(); err == nil {
		err = closed
	}
	return b.Bytes(), nulls, err
}

// queue adds an entry and sends it, or leaves it to the goroutine that is
// sending. It waits while too much is queued for a slow client.
func (p *Part) queue(e entry) error {
	d := p.d
	d.mu.Lock()
	for d.begun && d.queued > 0 && d.queued+len(e.payload) > d.options.MaxQueued && d.err == nil && !d.closed {
		d.changed.Wait()
	}
	err := p.accept(e)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.send()
}

// accept is called with the lock.
func (p *Part) accept(e entry) error {
	d := p.d
	switch {
	case d.closed:
		return ErrClosed
	case p.late:
		return ErrEnded
	case d.err != nil:
		return d.err
	case p.dropped:
		return nil
	case p.closing:
		return errComplete
	}
	p.closing = e.complete
	d.enqueue(e)
	return nil
}

// enqueue is called with the lock.
func (d *Delivery) enqueue(e entry) {
	p := e.part
	if p.parent != nil && !p.parent.done {
		p.held = append(p.held, e)
		return
	}
	d.entries = append(d.entries, e)
	d.queued += len(e.payload)
	if !e.complete {
		return
	}
	p.done, p.failed = true, e.failed()
	d.open--
	d.changed.Broadcast()
	for _, child := range p.children {
		if p.failed {
			d.drop(child)
			continue
		}
		d.announce = append(d.announce, child)
		held := child.held
		child.held = nil
		for _, e := range held {
			d.enqueue(e)
		}
	}
	p.children = nil
}

// drop ends a part that is never announced to the client.
func (d *Delivery) drop(p *Part) {
	p.dropped, p.held = true, nil
	d.open--
	for _, child := range p.children {
		d.drop(child)
	}
	p.children = nil
}
