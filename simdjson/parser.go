package simdjson

import (
	"fmt"
	"slices"
	"sync"
)

const (
	defaultMaxDepth = 10_000 // as in encoding/json
	defaultMaxBatch = 100

	// indexFrom is the size in bytes from which stage 1 pays for itself.
	indexFrom = 128

	// keepWords and keepBytes bound what a document may hold to go back into the
	// pool: a large one must not pin its memory.
	keepWords = 2 << 20
	keepBytes = 16 << 20
)

// Options say what a [Parser] accepts and how it works. A limit of 0 is its
// default.
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
	// RejectDuplicates refuses objects that have two members of one name. Without
	// it the last one counts.
	RejectDuplicates bool

	// Kernel names a kernel below the best one of this machine: see [Kernel]. Any
	// other name, and "", mean the best.
	Kernel string
	// Mode is Auto by default.
	Mode Mode
	// Sample is the share of documents that Verify checks, 0.01 by default.
	Sample float64
	// OnMismatch is called in mode Verify when the kernels disagree. It may be
	// called by several goroutines at a time.
	OnMismatch func(Mismatch)
}

// DefaultOptions are those of [Parse] and of a zero [Parser]: no limits but the
// defaults, and the text is copied.
func DefaultOptions() Options { return Options{CopyInput: true} }

// Parser parses with options. Its zero value has the default ones. It is safe
// for concurrent use.
type Parser struct {
	settings *settings // nil stands for the default ones
}

// settings are options with everything filled in.
type settings struct {
	Options
	kernel kernel
	tamper func(*Document) // how a test makes the fast kernel fail
}

// NewParser returns a parser with options.
func NewParser(o Options) *Parser {
	s := resolve(o)
	return &Parser{settings: &s}
}

func resolve(o Options) settings {
	if o.MaxDepth <= 0 {
		o.MaxDepth = defaultMaxDepth
	}
	if o.MaxBytes <= 0 || o.MaxBytes >= maxDocument {
		o.MaxBytes = maxDocument - 1
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = defaultMaxBatch
	}
	if o.Sample <= 0 {
		o.Sample = defaultSample
	}
	k := min(chosen(), limitOf(o.Kernel))
	if o.Mode == Portable {
		k = portable
	}
	return settings{Options: o, kernel: k}
}

var (
	standardSettings = resolve(DefaultOptions())
	standard         Parser
	inPlace          = NewParser(Options{CopyInput: false})
)

func (p *Parser) resolved() *settings {
	if p.settings == nil {
		return &standardSettings
	}
	return p.settings
}

// Kernel names the code that the parser uses for texts that are not small.
func (p *Parser) Kernel() string { return p.resolved().kernel.String() }

// Parse reads a JSON text into a document, which the caller closes. The text is
// copied, so the caller may reuse it. An error is a [*SyntaxError], or wraps
// [ErrTooLarge].
func Parse(data []byte) (*Document, error) { return standard.Parse(data) }

// Parse reads a JSON text into a document, which the caller closes.
func (p *Parser) Parse(data []byte) (*Document, error) {
	s := p.resolved()
	d := documents.Get().(*Document)
	k, err := d.read(data, s)
	if err != nil {
		counters.failed(k)
		d.release()
		return nil, err
	}
	d.shard.parsed(k, len(data))
	d.closed = false
	return d, nil
}

var documents = sync.Pool{New: func() any { return &Document{shard: counters.shard()} }}

// read parses a text, and tells which kernel has decided.
func (d *Document) read(data []byte, s *settings) (kernel, error) {
	if len(data) > s.MaxBytes {
		return portable, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(data), s.MaxBytes)
	}
	k := s.kernel
	if s.Mode == Verify && k != portable && s.sampled() {
		d.take(data, s)
		return portable, d.verify(k, s)
	}
	if k != portable && len(data) >= indexFrom {
		d.data = data
		var source []byte
		if s.CopyInput {
			d.copied = slices.Grow(d.copied[:0], padded(len(data)))[:len(data)]
			d.data, source = d.copied, data
		}
		if d.parseIndexed(k, d.data, source, s.MaxDepth) {
			return k, d.check(s)
		}
		// It says only that something is wrong: the portable kernel knows what.
		d.take(data, s)
		err := d.readPortable(s)
		if err == nil {
			counters.fallbacks.Add(1)
			return portable, nil
		}
		return k, err
	}
	d.take(data, s)
	return portable, d.readPortable(s)
}

// take makes a text, or a copy of it, the document's, for the portable kernel.
func (d *Document) take(data []byte, s *settings) {
	d.data = data
	d.cursor.slashed = 0
	if s.CopyInput {
		d.copied = append(d.copied[:0], data...)
		d.data = d.copied
	}
}

func (d *Document) readPortable(s *settings) error {
	if why, offset := d.parsePortable(d.data, s.MaxDepth); why != accepted {
		return syntaxError(d.data, why, offset, s.MaxDepth)
	}
	return d.check(s)
}

// check is what a text must also satisfy when its grammar is right.
func (d *Document) check(s *settings) error {
	if s.RejectDuplicates {
		return d.rejectDuplicates()
	}
	return nil
}

// Valid tells whether data is one JSON text that [Parse] accepts.
func Valid(data []byte) bool { return inPlace.valid(data) }

func (p *Parser) valid(data []byte) bool {
	d := documents.Get().(*Document)
	defer d.release()
	_, err := d.read(data, p.resolved())
	return err == nil
}
