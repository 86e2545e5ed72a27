package incremental

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/gqlboost/gqlboost/stream"
)

// Part is a deferred fragment or the rest of a streamed list. Complete or Fail it,
// once: [Delivery.Close] waits for that.
type Part struct {
	d      *Delivery
	id     string
	path   Path
	label  string
	stream bool
	sent   int // items so far, with the initial ones

	closing  bool // its last entry is here
	done     bool // and was queued
	parent   *Part
	children []*Part // to be announced when this is done
	held     []entry // to be queued then
}

// Defer announces a deferred fragment: path is that of the object which it is in,
// label that of the directive, or "".
func (d *Delivery) Defer(path Path, label string) *Part {
	return d.add(&Part{path: path, label: label})
}

// Defer announces a fragment inside of the part: the client hears of it when it has
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
	p.d, p.id = d, strconv.Itoa(d.next)
	d.next++
	d.open++
	switch {
	case p.parent == nil || p.parent.done:
		d.announce = append(d.announce, p)
	default:
		p.parent.children = append(p.parent.children, p)
	}
	return p
}

// place writes path and label. In the format of 2022, items have the index of the
// first in their path.
func (p *Part) place(w *stream.Writer, index int) {
	path := p.path
	if index >= 0 {
		path = append(path[:len(path):len(path)], index)
	}
	w.Name("path")
	if path == nil {
		path = Path{}
	}
	_ = w.Any([]any(path))
	if p.label != "" {
		w.Name("label")
		w.String(p.label)
	}
}

// Complete sends a deferred fragment's data, an object that body writes, and ends
// the part. If body fails, the part fails: an [*stream.Error] tells the client why.
func (p *Part) Complete(body func(w *stream.Writer) error) error {
	payload, nulls, err := p.made(body)
	if err != nil {
		return errors.Join(err, p.Fail(err))
	}
	return p.queue(entry{part: p, payload: payload, errors: nulls, complete: true})
}

// Items sends some more items of a list: body writes them, and count is how many.
// Items of one part come in the order of the calls.
func (p *Part) Items(count int, body func(w *stream.Writer) error) error {
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
func (p *Part) End() error { return p.queue(entry{part: p, complete: true}) }

// Fail ends a part with an error: the client gets null for a fragment, or no more
// items. One that is not an [*stream.Error] has a general message.
func (p *Part) Fail(err error) error {
	return p.queue(entry{part: p, errors: []*stream.Error{stream.Public(err, p.path)}, complete: true})
}

// made lets body write into memory: producers do not wait for each other's clients.
func (p *Part) made(body func(w *stream.Writer) error) ([]byte, []*stream.Error, error) {
	var b bytes.Buffer
	o := p.d.options.Writer
	o.Context = p.d.ctx
	w := stream.NewWriter(&b, o)
	err := body(w)
	nulls := w.TakeErrors()
	if closed := w.Close(); err == nil {
		err = closed
	}
	return b.Bytes(), nulls, err
}

// queue adds an entry and sends it, or leaves it to whoever is sending. It waits
// while too much is queued.
func (p *Part) queue(e entry) error {
	d := p.d
	d.mu.Lock()
	for d.queued > 0 && d.queued+len(e.payload) > d.options.MaxQueued && d.err == nil && !d.closed {
		d.changed.Wait()
	}
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return ErrClosed
	case p.closing:
		return errors.New("incremental: the part is complete already")
	}
	p.closing = e.complete
	d.enqueue(e)
	if d.err != nil {
		return d.err
	}
	d.mu.Unlock()
	err := d.send()
	d.mu.Lock()
	return err
}

// enqueue is called with the lock.
func (d *Delivery) enqueue(e entry) {
	p := e.part
	if p.done {
		return // Its parent has failed.
	}
	if p.parent != nil && !p.parent.done {
		p.held = append(p.held, e)
		return
	}
	d.entries = append(d.entries, e)
	d.queued += len(e.payload)
	if !e.complete {
		return
	}
	p.done = true
	d.open--
	d.changed.Broadcast()
	for _, child := range p.children {
		if e.failed() {
			d.drop(child)
			continue
		}
		d.announce = append(d.announce, child)
		for _, held := range child.held {
			d.enqueue(held)
		}
		child.held = nil
	}
	p.children = nil
}

// drop ends a part that the client never hears of.
func (d *Delivery) drop(p *Part) {
	p.done, p.closing, p.held = true, true, nil
	d.open--
	for _, child := range p.children {
		d.drop(child)
	}
	p.children = nil
}

func (e *entry) failed() bool { return e.complete && e.payload == nil && len(e.errors) > 0 }

// write writes the members of a payload after the first.
func (d *Delivery) write(w *stream.Writer, entries []entry, announce []*Part) {
	d.pending(w, announce)
	old := d.format == Multipart2022
	begun := false
	begin := func(name string) {
		if !begun {
			w.Name(name)
			w.BeginArray()
			begun = true
		}
	}
	end := func() {
		if begun {
			w.EndArray()
			begun = false
		}
	}
	for _, e := range entries {
		if e.payload == nil && !(old && e.failed()) {
			continue // It is complete, and no more.
		}
		begin("incremental")
		w.BeginObject()
		if !old {
			w.Name("id")
			w.String(e.part.id)
		}
		if d.format != MultipartV02 {
			index := -1
			if e.part.stream {
				index = e.part.sent
			}
			e.part.place(w, index)
		}
		if e.part.stream {
			w.Name("items")
			e.part.sent += e.count
		} else {
			w.Name("data")
		}
		if e.failed() {
			w.Null()
		} else {
			w.Raw(e.payload)
		}
		w.WriteErrors(e.errors)
		w.EndObject()
	}
	end()
	if old {
		return
	}
	for _, e := range entries {
		if !e.complete {
			continue
		}
		begin("completed")
		w.BeginObject()
		w.Name("id")
		w.String(e.part.id)
		if e.payload == nil {
			w.WriteErrors(e.errors)
		}
		w.EndObject()
	}
	end()
}
