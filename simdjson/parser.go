package simdjson

import (
	"fmt"
	"slices"
)

const (
	defaultMaxDepth = 10_000 // as in encoding/json
	defaultMaxBatch = 100

	// indexFrom is the size in bytes from which stage 1 pays for itself.
	indexFrom = 128
)

// Options say what a [Parser] accepts and how it works. The zero value is the
// default and safe; a number that is not positive is its default.
type Options struct {
	// MaxDepth is how deep objects and arrays may nest, 10 000 by default.
	MaxDepth int
	// MaxBytes is the largest text, 1 GiB by default and at most.
	MaxBytes int
	// MaxBatch is the largest number of operations in a GraphQL request, 100 by
	// default.
	MaxBatch int
	// AliasInput makes documents refer to the text that they are given, where
	// otherwise each keeps a copy of its own. The caller must not change such a
	// text, nor give it to a pool, until the document is closed: what was checked
	// would no longer be what is read. Strings without escapes are parts of it.
	AliasInput bool
	// RejectDuplicates refuses objects that have two members of one name. Without
	// it the last one counts.
	RejectDuplicates bool

	// Kernel names the best kernel to use, "" is the best of this machine: see
	// [Kernel]. If this machine lacks it, the best below it is used. With an
	// unknown name, every call fails, and [Parser.Kernel] says why.
	Kernel string
	// Mode is Auto by default. With an unknown one, every call fails.
	Mode Mode
	// Sample is the share of documents that Verify checks, 0.01 by default.
	Sample float64
	// OnMismatch is called in mode Verify when the kernels disagree. It may be
	// called by several goroutines at a time. A panic of it is recovered, and the
	// result is that of the portable kernel as usual.
	OnMismatch func(Mismatch)
}

// DefaultOptions returns the options of [Parse] and of a zero [Parser], with the
// default limits spelled out.
func DefaultOptions() Options { return Options{}.withDefaults() }

// Parser parses with options. Its zero value has the default ones. It is safe
// for concurrent use.
type Parser struct {
	settings *settings // nil stands for the default ones
}

// settings are options with everything filled in.
type settings struct {
	Options
	kernel  kernel
	unknown error         // of a kernel's name or a mode, or nil
	tamper  func(*memory) // how a test makes the fast kernel fail
}

// NewParser returns a parser with options. A text is copied unless they say
// otherwise.
func NewParser(o Options) *Parser {
	s := resolve(o)
	return &Parser{settings: &s}
}

func (o Options) withDefaults() Options {
	if o.MaxDepth <= 0 {
		o.MaxDepth = defaultMaxDepth
	}
	if o.MaxBytes <= 0 || o.MaxBytes >= maxDocument {
		o.MaxBytes = maxDocument - 1
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = defaultMaxBatch
	}
	if !(o.Sample > 0) { // NaN is not.
		o.Sample = defaultSample
	}
	return o
}

func resolve(o Options) settings {
	s := settings{Options: o.withDefaults()}
	s.kernel, s.unknown = kernelFor(o)
	return s
}

// kernelFor returns the kernel that options ask for, never one above that of the
// environment, or what they ask for that is unknown.
func kernelFor(o Options) (kernel, error) {
	best := environment().kernel
	if o.Kernel != "" {
		limit, err := parseKernel(o.Kernel)
		if err != nil {
			counters.unknown.Add(1)
			return portable, fmt.Errorf("Options.Kernel: %w", err)
		}
		best = min(best, bestBelow(limit))
	}
	switch o.Mode {
	case Auto, Verify:
		return best, nil
	case Portable:
		return portable, nil
	}
	return portable, fmt.Errorf("Options.Mode: simdjson: unknown mode %d: use Auto, Portable or Verify", o.Mode)
}

var (
	standardSettings = resolve(Options{})
	standard         Parser
	aliasing         = NewParser(Options{AliasInput: true})
)

func (p *Parser) resolved() *settings {
	if p.settings == nil {
		return &standardSettings
	}
	return p.settings
}

// Kernel names the code that the parser uses for texts that are not small. For an
// unknown name in Options.Kernel or an unknown Options.Mode, it returns what is wrong
// with it.
func (p *Parser) Kernel() string {
	s := p.resolved()
	switch {
	case s.unknown != nil:
		return s.unknown.Error()
	case s.Kernel == "" && s.Mode != Portable:
		return Kernel()
	}
	return s.kernel.String()
}

// Parse reads a JSON text into a document, which the caller closes. The text is
// copied, so the caller may reuse it. An error is a [*SyntaxError], or wraps
// [ErrTooLarge].
func Parse(data []byte) (*Document, error) {
	d, err := standard.document(data)
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// Parse reads a JSON text into a document, which the caller closes.
func (p *Parser) Parse(data []byte) (*Document, error) {
	d, err := p.document(data)
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// document is Parse without an allocation: Parse is inlined, and where its caller's handle
// does not leave the function, it has it on its stack.
func (p *Parser) document(data []byte) (Document, error) {
	m, err := p.parse(data)
	if err != nil {
		return Document{}, err
	}
	return Document{m, m.generation.Load()}, nil
}

// parse reads a text into memory that the caller owns.
func (p *Parser) parse(data []byte) (*memory, error) {
	s := p.resolved()
	if s.unknown != nil {
		return nil, s.unknown
	}
	m := memories.Get().(*memory)
	k, err := m.read(data, s)
	if err != nil {
		counters.failed(k)
		m.release()
		return nil, err
	}
	m.shard.parsed(k, len(data))
	return m, nil
}

// read parses a text, and returns which kernel has decided.
func (m *memory) read(data []byte, s *settings) (kernel, error) {
	if len(data) > s.MaxBytes {
		return portable, sizeError(len(data), s.MaxBytes)
	}
	k := s.kernel
	if s.Mode == Verify && k != portable && s.sampled() {
		m.take(data, s)
		return portable, m.verify(k, s)
	}
	if k != portable && len(data) >= indexFrom {
		m.data = data
		var source []byte
		if !s.AliasInput {
			m.copied = slices.Grow(m.copied[:0], padded(len(data)))[:len(data)]
			m.data, source = m.copied, data
		}
		if m.parseIndexed(k, m.data, source, s.MaxDepth) {
			return k, m.check(s)
		}
		// It says only that something is wrong: the portable kernel knows what.
		m.take(data, s)
		if err := m.parse(s); err != nil {
			return k, err
		}
		counters.fallbacks.Add(1)
		return portable, m.check(s)
	}
	m.take(data, s)
	return portable, m.readPortable(s)
}

// take makes a text, or a copy of it, the document's, for the portable kernel.
func (m *memory) take(data []byte, s *settings) {
	m.data = data
	m.cursor.slashed = 0
	if !s.AliasInput {
		m.copied = append(m.copied[:0], data...)
		m.data = m.copied
	}
}

func (m *memory) readPortable(s *settings) error {
	if err := m.parse(s); err != nil {
		return err
	}
	return m.check(s)
}

// parse is readPortable without the check.
func (m *memory) parse(s *settings) error {
	if why, offset := m.parsePortable(m.data, s.MaxDepth); why != accepted {
		return syntaxError(m.data, why, offset, s.MaxDepth)
	}
	return nil
}

// check is what a text must also satisfy when its grammar is right.
func (m *memory) check(s *settings) error {
	if s.RejectDuplicates {
		return m.rejectDuplicates()
	}
	return nil
}

// Valid reports whether data is one JSON text that [Parse] accepts.
func Valid(data []byte) bool { return aliasing.valid(data) }

func (p *Parser) valid(data []byte) bool { return p.accepts(data) == nil }

// accepts returns the error that Parse has for a text.
func (p *Parser) accepts(data []byte) error {
	m := memories.Get().(*memory)
	defer m.release()
	_, err := m.read(data, p.resolved())
	return err
}
