package incremental

import "github.com/gqlboost/gqlboost/stream"

// entry is a result of a part that the client has not been sent.
type entry struct {
	part     *Part
	payload  []byte // data of a deferred part, or items with brackets
	count    int    // of items
	errors   []*stream.Error
	complete bool
}

func (e *entry) failed() bool { return e.complete && e.payload == nil && len(e.errors) > 0 }

// pending announces parts.
func (d *Delivery) pending(w *stream.Writer, parts []*Part) {
	if len(parts) == 0 || d.frame.format == Multipart2022 {
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

// write writes the members of a payload after the first.
func (d *Delivery) write(w *stream.Writer, entries []entry, announce []*Part) {
	d.pending(w, announce)
	old := d.frame.format == Multipart2022
	list(w, "incremental", entries, func(e *entry) bool {
		return e.payload != nil || old && e.failed() // Otherwise it is complete, and no more.
	}, d.result)
	if !old {
		list(w, "completed", entries, func(e *entry) bool { return e.complete }, completed)
	}
}

// list writes a member with an object for each entry that belongs there, if there are any.
func list(
	w *stream.Writer, name string, entries []entry, belongs func(*entry) bool, members func(*stream.Writer, *entry),
) {
	begun := false
	for i := range entries {
		e := &entries[i]
		if !belongs(e) {
			continue
		}
		if !begun {
			w.Name(name)
			w.BeginArray()
			begun = true
		}
		w.BeginObject()
		members(w, e)
		w.EndObject()
	}
	if begun {
		w.EndArray()
	}
}

// result writes the members that data or items have.
func (d *Delivery) result(w *stream.Writer, e *entry) {
	p, index, name := e.part, -1, "data"
	if p.stream {
		index, name = p.sent, "items"
		p.sent += e.count
	}
	if d.frame.format != Multipart2022 {
		w.Name("id")
		w.String(p.id)
	}
	if d.frame.format != MultipartV02 {
		p.place(w, index)
	}
	w.Name(name)
	if e.failed() {
		w.Null()
	} else {
		w.Raw(e.payload)
	}
	w.WriteErrors(e.errors)
	if e.complete && len(p.extensions) > 0 {
		w.Name("extensions")
		w.Raw(p.extensions)
	}
}

// completed writes the members that say that a part is complete.
func completed(w *stream.Writer, e *entry) {
	w.Name("id")
	w.String(e.part.id)
	if e.payload == nil {
		w.WriteErrors(e.errors)
	}
}
