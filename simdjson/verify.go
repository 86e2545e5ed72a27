package simdjson

import (
	"math/rand/v2"
	"slices"
)

// Mode is how a [Parser] chooses between the kernels. It is for teams that change
// the parser of a server in production: Portable or Verify first, then Auto.
type Mode uint8

const (
	// Auto uses the best kernel.
	Auto Mode = iota
	// Portable uses the portable kernel only.
	Portable
	// Verify is Auto, but a share of the documents goes through the best and the
	// portable kernel. Where they disagree, OnMismatch is called; the result is
	// that of the portable one.
	Verify
)

const defaultSample = 0.01

// Mismatch is a text on which two kernels disagree: a defect of this package.
// Please report it.
type Mismatch struct {
	// Kernel is the one that disagrees with the portable one.
	Kernel string
	// Text is the document's. It must not be changed, nor kept after the call.
	Text []byte
	// Accepted reports whether Kernel took the text for valid. If both did, they
	// disagree on its values.
	Accepted bool
	// Err is what the portable kernel has against the text, or nil.
	Err error
}

func (s *settings) sampled() bool { return s.Sample >= 1 || rand.Float64() < s.Sample }

// report calls OnMismatch. Its panic is not the document's: the result is known.
func (s *settings) report(m Mismatch) {
	defer func() { _ = recover() }()
	s.OnMismatch(m)
}

// verify reads m.data with both kernels.
func (m *memory) verify(k kernel, s *settings) error {
	counters.verified.Add(1)
	fast := memories.Get().(*memory)
	defer fast.release()
	fast.data = m.data
	ok := fast.parseIndexed(k, m.data, nil, s.MaxDepth)
	if s.tamper != nil {
		s.tamper(fast)
	}
	err := m.parse(s)
	if ok != (err == nil) || ok && !slices.Equal(fast.tape, m.tape) {
		counters.mismatches.Add(1)
		if s.OnMismatch != nil {
			s.report(Mismatch{Kernel: k.String(), Text: m.data, Accepted: ok, Err: err})
		}
	}
	if err != nil {
		return err
	}
	return m.check(s)
}
