//go:build !purego

package simdjson

import (
	"math/bits"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// scanState is what stage 1 carries from block to block.
type scanState struct {
	inString uint64 // all ones if the last byte was inside a string
	escaped  uint64 // 1 if the next byte is escaped
	scalar   uint64 // 1 if the last byte belonged to a literal or number
	control  uint64 // not 0 if there was a control character in a string
	invalid  uint64 // not 0 if there was invalid UTF-8
	indexed  uintptr
	escapes  uintptr
	cut      [utf8.UTFMax]byte // the character that the last call saw the start of
	cutSize  int
}

// kernels returns those that this machine has, the fastest last.
func kernels() []kernel {
	if !cpu.ARM64.HasASIMD {
		return []kernel{portable}
	}
	return []kernel{portable, neon}
}

// blockMasks tell about a block of 64 bytes: bit i is set if byte i is one.
type blockMasks struct{ quote, backslash, white, operator, control, high uint64 }

// scanNEON fills in the masks of blocks.
//
//go:noescape
func scanNEON(data *byte, blocks int, masks *blockMasks)

// scanBlocks indexes blocks of 64 bytes at data, which are those at base of the
// text. It is what the generated kernels of amd64 do in assembly from beginning
// to end; here that finds the masks only.
func scanBlocks(_ kernel, data *byte, blocks int, base uint32, index, backslashes *uint32, s *scanState) {
	text := unsafe.Slice(data, blocks*block)
	positions, escapes := unsafe.Slice(index, len(text)), unsafe.Slice(backslashes, len(text))
	indexed, escaped := 0, 0
	var masks [32]blockMasks
	var multibyte utf8Run
	multibyte.start(s, text)
	for first := 0; first < blocks; first += len(masks) {
		part := masks[:min(blocks-first, len(masks))]
		scanNEON(&text[first*block], len(part), &part[0])
		for i := range part {
			at := (first + i) * block
			m := &part[i]
			escaped = flatten(m.backslash, base+uint32(at), escapes, escaped)
			indexed = flatten(s.positions(m), base+uint32(at), positions, indexed)
			multibyte.block(s, text, at, m.high != 0)
		}
	}
	multibyte.end(s, text)
	s.indexed = uintptr(unsafe.Pointer(index)) + 4*uintptr(indexed)
	s.escapes = uintptr(unsafe.Pointer(backslashes)) + 4*uintptr(escaped)
}

func flatten(mask uint64, base uint32, to []uint32, n int) int {
	for ; mask != 0; mask &= mask - 1 {
		to[n] = base + uint32(bits.TrailingZeros64(mask))
		n++
	}
	return n
}

// positions returns what goes into the index: operators and first bytes of
// scalars outside of strings, and quotes.
func (s *scanState) positions(m *blockMasks) uint64 {
	quote := m.quote &^ s.findEscaped(m.backslash)
	inside := prefixXor(quote) ^ s.inString
	s.inString = uint64(int64(inside) >> 63)
	s.control |= m.control & inside
	scalar := ^(m.operator | m.white | quote)
	first := scalar &^ (scalar<<1 | s.scalar)
	s.scalar = scalar >> 63
	return (m.operator|first)&^inside | quote
}

// findEscaped returns the bytes that a backslash escapes. Subtracting finds, in
// runs of backslashes, every other one.
func (s *scanState) findEscaped(backslash uint64) uint64 {
	if backslash == 0 {
		escaped := s.escaped
		s.escaped = 0
		return escaped
	}
	const odd = 0xAAAAAAAAAAAAAAAA
	potential := backslash &^ s.escaped
	series := (potential<<1 | odd) - potential ^ odd // escapes and what they escape
	escaped := series ^ (backslash | s.escaped)
	s.escaped = (series & backslash) >> 63
	return escaped
}

// prefixXor sets a bit if an odd number of the bits up to it are set.
func prefixXor(x uint64) uint64 {
	for shift := 1; shift < 64; shift *= 2 {
		x ^= x << shift
	}
	return x
}

// utf8Run finds the runs of blocks that are not ASCII and checks each whole.
type utf8Run struct {
	from int // where the run starts, -1 outside of one
}

// start completes the character that the last call ended in.
func (r *utf8Run) start(s *scanState, text []byte) {
	r.from = -1
	if s.cutSize == 0 {
		return
	}
	whole := append(s.cut[:s.cutSize:s.cutSize], text[:utf8.UTFMax]...)
	s.cutSize = 0
	if c, size := utf8.DecodeRune(whole); c == utf8.RuneError && size == 1 {
		s.invalid = 1
	} else {
		r.from = size - (len(whole) - utf8.UTFMax)
	}
}

func (r *utf8Run) block(s *scanState, text []byte, at int, high bool) {
	if high {
		if r.from < 0 {
			r.from = at
		}
		return
	}
	if r.from >= 0 && r.from < at { // An ASCII block does not continue a character.
		r.check(s, text[r.from:at])
	}
	r.from = -1
}

func (r *utf8Run) end(s *scanState, text []byte) {
	if r.from < 0 {
		return
	}
	run := text[r.from:]
	for n := 1; n < utf8.UTFMax && n <= len(run); n++ {
		if last := run[len(run)-n:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				s.cutSize = copy(s.cut[:], last)
				run = run[:len(run)-n]
			}
			break
		}
	}
	r.check(s, run)
}

func (r *utf8Run) check(s *scanState, run []byte) {
	if !utf8.Valid(run) {
		s.invalid = 1
	}
}
