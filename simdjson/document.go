package simdjson

// Document is a parsed text. Reading it is safe for concurrent use; Close is
// not, and ends the life of all its values and of their strings.
type Document struct {
	data    []byte // the text
	copied  []byte // memory of a copied text, kept for the next one
	tape    []word
	open    []frame // used while parsing
	cursor  cursor  // likewise
	scratch []byte  // unescaped texts of a request
	request Request
	shard   *shard // where it is counted
	closed  bool
}

// Root returns the text's value.
func (d *Document) Root() Value { return Value{doc: d} }

// Close gives the document's memory to later ones. No value of it may be used
// afterwards, and no string that came from one: copy what must live on
// (strings.Clone). Closing it again or a nil document does nothing.
func (d *Document) Close() {
	if d == nil || d.closed {
		return
	}
	d.release()
}

func (d *Document) release() {
	d.closed = true
	d.data, d.cursor.data, d.cursor.source = nil, nil, nil
	clear(d.request.Operations)
	d.request.Operations = d.request.Operations[:0]
	if debugging {
		d.poison()
		return
	}
	if cap(d.tape) > keepWords || cap(d.copied) > keepBytes || cap(d.scratch) > keepBytes || cap(d.open) > defaultMaxDepth {
		return
	}
	documents.Put(d)
}
