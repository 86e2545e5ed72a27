package simdjson

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"
)

const (
	block  = 64
	window = 8 << 10 // bytes that are indexed at a time: the text and its index stay in the first cache

	// ahead is how many positions stage 2 takes without asking whether they are
	// there.
	ahead = 8
)

// cursor is stage 1: it finds the positions that matter in a text (operators,
// quotes at both ends of strings, first bytes of literals and numbers), a window
// at a time.
type cursor struct {
	index     []uint32 // positions of this window, after those left of the last
	escapes   []uint32 // positions of this window's backslashes
	oldEscape int      // the last one of the windows before, -1 if none
	kernel    kernel
	data      []byte
	source    []byte // what is copied to data before it is indexed, or nil; data has room for its padding
	read      int    // bytes that have been indexed
	done      bool
	state     scanState
	positions []uint32 // memory of the index
	indexed   int      // how much of it is used
	slashes   []uint32 // the same for the backslashes
	slashed   int
	tail      [block]byte
}

var blank = [block]byte(bytes.Repeat([]byte{' '}, block))

func (c *cursor) start(data, source []byte, k kernel) {
	c.kernel = k
	c.index, c.escapes, c.oldEscape = nil, nil, -1
	c.data, c.source, c.read, c.done = data, source, 0, false
	c.state = scanState{}
}

// refill indexes windows until there are enough positions ahead of the one at k,
// and moves that to the front. At the end of the text come positions behind it.
func (c *cursor) refill(k int) {
	left := c.index[k:]
	for len(left) < ahead && !c.done {
		left = c.scan(left)
	}
	c.index = left
}

// scan indexes one window. It keeps the positions in left before the new ones.
func (c *cursor) scan(left []uint32) []uint32 {
	n := min(len(c.data)-c.read, window)
	last := c.read+n == len(c.data)
	if room := n + 2*block + 2*ahead; cap(c.positions) < room {
		// Left may lie in the old memory, which stays until it is copied.
		c.positions, c.slashes = make([]uint32, room), make([]uint32, room)
	}
	if n := len(c.escapes); n > 0 {
		c.oldEscape = int(c.escapes[n-1])
	}
	memory := c.positions[:cap(c.positions)]
	kept := copy(memory, left)
	c.indexed, c.slashed = kept, 0
	// The last block is filled up with white space, so that nothing behind the
	// text is read. It comes even if nothing is left, for UTF-8 that is cut off at
	// the end.
	blocks := n / block
	if c.source != nil {
		copy(c.data[c.read:c.read+n], c.source[c.read:])
		if last {
			blocks++
			*(*[block]byte)(c.data[len(c.data):cap(c.data)]) = blank
		}
	}
	if blocks > 0 {
		c.scanBlocks(unsafe.SliceData(c.data[c.read:]), blocks)
		c.read += blocks * block
	}
	if last && c.source == nil {
		c.tail = blank
		copy(c.tail[:], c.data[c.read:])
		c.scanBlocks(&c.tail[0], 1)
	}
	if last {
		c.read = len(c.data)
		c.done = true
		for i := range ahead {
			memory[c.indexed+i] = uint32(len(c.data))
		}
		c.indexed += ahead
	}
	c.escapes = c.slashes[:c.slashed]
	return memory[:c.indexed]
}

// padded is the memory that a text of n bytes takes with its last block.
func padded(n int) int { return n + block }

// scanBlocks indexes blocks that are at c.read of the text.
func (c *cursor) scanBlocks(data *byte, blocks int) {
	positions, slashes := &c.positions[:cap(c.positions)][c.indexed], &c.slashes[:cap(c.slashes)][c.slashed]
	scanBlocks(c.kernel, data, blocks, uint32(c.read), positions, slashes, &c.state)
	c.indexed += int(c.state.indexed-uintptr(unsafe.Pointer(positions))) / 4
	c.slashed += int(c.state.escapes-uintptr(unsafe.Pointer(slashes))) / 4
}

// ok tells, at the end, whether strings were closed and their bytes allowed.
func (c *cursor) ok() bool {
	return c.done && c.state.inString == 0 && c.state.control == 0 && c.state.invalid == 0
}

// allEscapes returns the positions of the text's backslashes if there are some
// and the text had one window.
func (c *cursor) allEscapes() []uint32 {
	if len(c.data) > window {
		return nil
	}
	return c.slashes[:c.slashed]
}

// escapeFrom returns a position that no backslash comes before, at or behind i:
// that of the first one, except where only windows before this one knew it.
func (c *cursor) escapeFrom(i int) int {
	if i <= c.oldEscape {
		return i
	}
	for len(c.escapes) > 0 {
		if first := int(c.escapes[0]); first >= i {
			return first
		}
		c.escapes = c.escapes[1:]
	}
	return math.MaxInt
}

// parseIndexed is stage 2: it walks over the positions and writes the tape. If
// there is a source, data is to become a copy of it: a window is copied just before
// it is indexed, so that it is in the cache. It returns false for a text that is
// not accepted, without a reason: parsePortable finds that.
//
// It is one function because the parts would be calls, around which registers are saved.
// Numbers in a function of their own cost 5 to 13 % over the corpora, strings 4 to 21 %, and
// literals, of which there are few, 6 to 18 %.
//
//nolint:funlen // see above
func (m *memory) parseIndexed(k kernel, data, source []byte, maxDepth int) bool {
	c := &m.cursor
	c.start(data, source, k)
	tape, open := m.tape[:0], m.open[:0]
	defer func() { m.tape, m.open = tape, open }()
	where, count := inRoot, 0

	c.refill(0)
	index, at := c.index, 0
	escape := c.escapeFrom(0) // No backslash comes before it.
	// Every position is below the length of the text or, at its end, equal to
	// it. Stage 1 has found ahead of them, or all, at the labels value and end; no
	// way from one of them to the next takes more.
	var i int
	i, at = int(index[at]), at+1

value: // at i
	if len(index)-at < ahead && !c.done {
		c.refill(at)
		index, at = c.index, 0
		escape = min(escape, c.escapeFrom(0))
	}
	if i >= len(data) {
		return false
	}
	switch data[i] {
	case '"':
		end := int(index[at])
		at++
		if end >= len(data) {
			return false
		}
		w := makeWord(tagString, i+1, end-i-1)
		if end > escape {
			var ok bool
			if w, ok = c.escapedWord(i+1, end); !ok {
				return false
			}
			escape = c.escapeFrom(end)
		}
		tape = append(tape, w)
	case '{':
		if len(open) >= maxDepth {
			return false
		}
		open = append(open, frame{start: len(tape), count: count, where: where})
		tape = append(tape, makeWord(tagObject, i, 0))
		where, count = inObject, 0
		i, at = int(index[at]), at+1
		if i < len(data) && data[i] == '}' {
			goto end
		}
		goto name
	case '[':
		if len(open) >= maxDepth {
			return false
		}
		open = append(open, frame{start: len(tape), count: count, where: where})
		tape = append(tape, makeWord(tagArray, i, 0))
		where, count = inArray, 0
		i, at = int(index[at]), at+1
		if i < len(data) && data[i] == ']' {
			goto end
		}
		goto value
	case 't':
		if i+4 > len(data) || string(data[i:i+4]) != "true" || !delimited(data, i+4) {
			return false
		}
		tape = append(tape, makeWord(tagTrue, i, 4))
	case 'f':
		if i+5 > len(data) || string(data[i:i+5]) != "false" || !delimited(data, i+5) {
			return false
		}
		tape = append(tape, makeWord(tagFalse, i, 5))
	case 'n':
		if i+4 > len(data) || string(data[i:i+4]) != "null" || !delimited(data, i+4) {
			return false
		}
		tape = append(tape, makeWord(tagNull, i, 4))
	default:
		// Most numbers end within 24 bytes of their first digit. Where their parts
		// end is found without a loop, whose length could not be predicted, and
		// without a call, around which all registers would be saved.
		kind := tagInteger
		var end int
		if i+25 <= len(data) {
			first := i
			if data[i] == '-' {
				first++
			}
			text := (*[24]byte)(data[first:])
			head := binary.LittleEndian.Uint64(text[:])
			others := nonDigits(head) |
				nonDigits(binary.LittleEndian.Uint64(text[8:]))<<8 |
				nonDigits(binary.LittleEndian.Uint64(text[16:]))<<16 |
				1<<24
			end = bits.TrailingZeros32(others)
			// The first digit is taken from head: asking for text[0] would make the
			// compiler load all bytes one by one.
			if end == 0 || end > 20 || byte(head) == '0' && end > 1 {
				goto otherNumber
			}
			next := text[end]
			if next == '.' {
				kind = tagFloat
				others &= others - 1
				point := end
				end = bits.TrailingZeros32(others)
				if end == point+1 || end == 24 {
					goto otherNumber
				}
				next = text[end]
			}
			if !delimiter[next] {
				goto otherNumber
			}
			tape = append(tape, makeWord(kind, i, first+end-i))
			goto after
		}
	otherNumber:
		var ok bool
		kind, end, ok = scanNumber(data, i)
		if !ok || !delimited(data, end) {
			return false
		}
		tape = append(tape, makeWord(kind, i, end-i))
	}

after: // a value
	i, at = int(index[at]), at+1
	if i >= len(data) || where == inRoot {
		return i >= len(data) && where == inRoot && c.ok()
	}
	count++
	if where == inObject {
		if data[i] == ',' {
			i, at = int(index[at]), at+1
			goto name
		}
		if data[i] == '}' {
			goto end
		}
		return false
	}
	if data[i] == ',' {
		i, at = int(index[at]), at+1
		goto value
	}
	if data[i] == ']' {
		goto end
	}
	return false

name: // at i
	{
		if i >= len(data) || data[i] != '"' {
			return false
		}
		end, colon := int(index[at]), int(index[at+1])
		if colon >= len(data) || end >= len(data) || data[colon] != ':' {
			return false
		}
		w := makeWord(tagString, i+1, end-i-1)
		if end > escape {
			var ok bool
			if w, ok = c.escapedWord(i+1, end); !ok {
				return false
			}
			escape = c.escapeFrom(end)
		}
		tape = append(tape, w)
		i, at = int(index[at+2]), at+3
		goto value
	}

end: // of an object or array, at its closing bracket
	if len(index)-at < ahead && !c.done {
		c.refill(at)
		index, at = c.index, 0
		escape = min(escape, c.escapeFrom(0))
	}
	{
		top := open[len(open)-1]
		open = open[:len(open)-1]
		tape[top.start] |= word(len(tape))
		tape = append(tape, makeWord(tagEnd, i, count))
		where, count = top.where, top.count
		goto after
	}
}

// nonDigits returns a bit for each byte that is not a digit.
func nonDigits(x uint64) uint32 {
	// Less '0' a digit is at most 9, and adding 0x76 does not set its top bit.
	// Nothing is carried to the next byte.
	x ^= '0' * ones
	m := (x&(0x7F*ones) + 0x76*ones | x) & highs
	// The multiplication brings the eight bits together.
	return uint32((m >> 7) * 0x0102040810204080 >> 56)
}

// escapedWord returns the word of a string that may have escapes, if they are
// allowed ones. Everything else in it, stage 1 has checked.
func (c *cursor) escapedWord(start, end int) (word, bool) {
	kind, checked := tagString, start
	if start <= c.oldEscape {
		// Only the window before knew where its backslashes are.
		for text := c.data[start:end]; ; {
			at := bytes.IndexByte(text, '\\')
			if at < 0 {
				return makeWord(kind, start, end-start), true
			}
			kind = tagEscaped
			n := escapeLength(text[at:])
			if n == 0 {
				return 0, false
			}
			text = text[at+n:]
		}
	}
	data, n := c.data[:end], 0
	for _, position := range c.escapes {
		at := int(position)
		if at >= end {
			break
		}
		n++
		if at < checked {
			continue // It is escaped itself, or in an earlier string.
		}
		kind = tagEscaped
		length := escapeLength(data[at:])
		if length == 0 {
			return 0, false
		}
		checked = at + length
	}
	c.escapes = c.escapes[n:]
	return makeWord(kind, start, end-start), true
}

// delimited reports whether a literal or number may end before i. Only its first
// byte is in the index, so this must be looked at here.
func delimited(data []byte, i int) bool { return i >= len(data) || delimiter[data[i]] }

var delimiter = [256]bool{' ': true, '\t': true, '\n': true, '\r': true, ',': true, ':': true, ']': true, '}': true,
	'[': true, '{': true, '"': true}
