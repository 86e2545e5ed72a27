package simdjson

// Document is a handle of a parsed text: it names the memory that holds the text
// and the generation for which it may use it. Reading it is safe for concurrent
// use. The zero Document is a closed one.
//
// Closing moves the memory on to its next generation, so a handle that was kept does
// nothing and reads nothing, even if the memory has another owner by then. A handle
// never changes, and copies of it are as good as itself. Handles are not used again.
// One that does not leave the function that has called Parse costs no allocation, since
// Parse is inlined there; another one costs 16 bytes.
type Document struct {
	memory     *memory
	generation uint32
}

// Root returns the text's value, one that does not exist if the document is nil or
// closed.
func (d *Document) Root() Value {
	if d == nil {
		return Value{}
	}
	return Value{memory: d.memory, generation: d.generation}
}

// Close gives the document's memory to later ones. Afterwards its values are
// Invalid, and strings that came from it must no longer be read: copy what must
// live on (strings.Clone). Closing it again, from any goroutine and at any time, or
// closing a nil document does nothing.
//
// Close must not overlap with a method of a value of the same document in another
// goroutine; the race detector reports that.
func (d *Document) Close() {
	if d != nil {
		d.close()
	}
}

// close reports whether it was this call that closed the document.
func (d *Document) close() bool {
	m := d.memory
	if m == nil {
		return false
	}
	if !m.generation.CompareAndSwap(d.generation, d.generation+1) {
		reportSecondClose(d)
		return false
	}
	closedHere(d)
	m.release()
	return true
}
