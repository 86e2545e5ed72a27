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
		if d.frame.format != MultipartV02 {
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
		if e.complete && len(e.part.extensions) > 0 {
			w.Name("extensions")
			w.Raw(e.part.extensions)
		}
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
