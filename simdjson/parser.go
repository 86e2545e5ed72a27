package simdjson

import (
	"fmt"
	"sync"
)

const (
	defaultMaxDepth = 10_000 // as in encoding/json
	defaultMaxBatch = 100

	// indexFrom is the size in bytes from which stage 1 pays for itself.
	indexFrom = 768

	// keepWords and keepBytes bound what a document may hold to go back into the
	// pool: a large one must not pin its memory.
	keepWords = 2 << 20
	keepBytes = 16 << 20
)

// Options say what a [Parser] accepts. A limit of 0 is its default.
type Options struct {
	// MaxDepth is how deep objects and arrays may nest, 10 000 by default.
	MaxDepth int
	// MaxBytes is the largest text, 1 GiB by default and at most.
	MaxBytes int
	// MaxBatch is the largest number of operations in a GraphQL request, 100 by
	// default.
	MaxBatch int
	// CopyInput makes a document keep its own copy of the text. Without it the
	// text must not change until the document is closed, and strings are parts
	// of it.
	CopyInput bool
}

// DefaultOptions are those of [Parse] and of a zero [Parser]: no limits but the
// defaults, and the text is copied.
func DefaultOptions() Options { return Options{CopyInput: true} }

// Parser parses with options. Its zero value has the default ones. It is safe
// for concurrent use.
type Parser struct {
	options Options
	set     bool
}

// NewParser returns a parser with options.
func NewParser(o Options) *Parser { return &Parser{options: o, set: true} }

// resolve fills in the defaults.
func (p *Parser) resolve() Options {
	o := p.options
	if !p.set {
		o = DefaultOptions()
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = defaultMaxDepth
	}
	if o.MaxBytes <= 0 || o.MaxBytes >= maxDocument {
		o.MaxBytes = maxDocument - 1
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = defaultMaxBatch
	}
	return o
}

var (
	standard Parser
	inPlace  = NewParser(Options{CopyInput: false})
)

// Parse reads a JSON text into a document, which the caller closes. The text is
// copied, so the caller may reuse it. An error is a [*SyntaxError], or wraps
// [ErrTooLarge].
func Parse(data []byte) (*Document, error) { return standard.Parse(data) }

// Parse reads a JSON text into a document, which the caller closes.
func (p *Parser) Parse(data []byte) (*Document, error) {
	o := p.resolve()
	d := documents.Get().(*Document)
	if err := d.read(data, o); err != nil {
		d.release()
		return nil, err
	}
	d.closed = false
	return d, nil
}

var documents = sync.Pool{New: func() any { return new(Document) }}

func (d *Document) read(data []byte, o Options) error {
	if len(data) > o.MaxBytes {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(data), o.MaxBytes)
	}
	d.data = data
	if o.CopyInput {
		d.copied = append(d.copied[:0], data...)
		d.data = d.copied
	}
	if k := chosen(); k != portable && len(data) >= indexFrom && d.parseIndexed(k, d.data, o.MaxDepth) {
		return nil
	}
	if why, offset := d.parsePortable(d.data, o.MaxDepth); why != accepted {
		return syntaxError(data, why, offset, o.MaxDepth)
	}
	return nil
}

// Valid tells whether data is one JSON text that [Parse] accepts.
func Valid(data []byte) bool {
	d, err := inPlace.Parse(data)
	if err != nil {
		return false
	}
	d.Close()
	return true
}
