package simdjson

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

const (
	block  = 64
	window = 64 << 10 // bytes that are indexed at a time, so that the index stays in the cache
)

// cursor is stage 1: it finds the positions that matter in a text (operators,
// quotes at both ends of strings, first bytes of literals and numbers), a window
// at a time.
type cursor struct {
	index       []uint32 // positions of this window
	at          int      // in the index
	escapes     []uint32 // positions of this window's backslashes
	escapeAt    int
	lastEscape  int // of the windows before this one, -1 if none
	data        []byte
	read        int // bytes that have been indexed
	done        bool
	state       scanState
	indexMemory []uint32
	slashMemory []uint32
	tail        [block]byte
}

func (c *cursor) start(data []byte) {
	c.index, c.at, c.escapes, c.escapeAt, c.lastEscape = nil, 0, nil, 0, -1
	c.data, c.read, c.done, c.state = data, 0, false, scanState{}
}

// next returns the next position, or false at the end of the text.
func (c *cursor) next() (int, bool) {
	if c.at < len(c.index) {
		c.at++
		return int(c.index[c.at-1]), true
	}
	return c.refill()
}

// refill indexes windows until there is a position.
func (c *cursor) refill() (int, bool) {
	for !c.done {
		c.scan()
		if len(c.index) > 0 {
			c.at = 1
			return int(c.index[0]), true
		}
	}
	return 0, false
}

func (c *cursor) scan() {
	if n := len(c.escapes); n > 0 {
		c.lastEscape = int(c.escapes[n-1])
	}
	n := min(len(c.data)-c.read, window)
	if room := n + 2*block; cap(c.indexMemory) < room {
		c.indexMemory, c.slashMemory = make([]uint32, room), make([]uint32, room)
	}
	index, slash := unsafe.SliceData(c.indexMemory), unsafe.SliceData(c.slashMemory)
	start := [2]uintptr{uintptr(unsafe.Pointer(index)), uintptr(unsafe.Pointer(slash))}
	if blocks := n / block; blocks > 0 {
		scanBlocks(&c.data[c.read], blocks, uint32(c.read), index, slash, &c.state)
		c.read += blocks * block
	} else {
		c.state.indexed, c.state.escapes = start[0], start[1]
	}
	indexed, escapes := int(c.state.indexed-start[0])/4, int(c.state.escapes-start[1])/4
	if rest := len(c.data) - c.read; rest < block {
		// The last block is a copy, filled up with white space: nothing behind
		// the text is read. It comes even if nothing is left, for UTF-8 that is
		// cut off at the end.
		fill := c.tail[copy(c.tail[:], c.data[c.read:]):]
		for i := range fill {
			fill[i] = ' '
		}
		scanBlocks(&c.tail[0], 1, uint32(c.read), &c.indexMemory[indexed], &c.slashMemory[escapes], &c.state)
		indexed, escapes = int(c.state.indexed-start[0])/4, int(c.state.escapes-start[1])/4
		c.read = len(c.data)
		c.done = true
	}
	c.index, c.at = c.indexMemory[:indexed], 0
	c.escapes, c.escapeAt = c.slashMemory[:escapes], 0
}

// ok tells, at the end, whether strings were closed and their bytes allowed.
func (c *cursor) ok() bool {
	return c.done && c.state.inString == 0 && c.state.control == 0 && c.state.invalid == 0
}

// hasEscape tells whether there is a backslash in the string from start to end.
// It must be asked for strings in their order.
func (c *cursor) hasEscape(start, end int) bool {
	if c.lastEscape >= start {
		return true
	}
	for c.escapeAt < len(c.escapes) && int(c.escapes[c.escapeAt]) < start {
		c.escapeAt++
	}
	return c.escapeAt < len(c.escapes) && int(c.escapes[c.escapeAt]) < end
}

// parseIndexed is stage 2: it walks over the positions and writes the tape. It
// returns false for a text that is not accepted, without a reason: parsePortable
// finds that.
func (d *Document) parseIndexed(data []byte, maxDepth int) bool {
	c := &d.cursor
	c.start(data)
	tape, open := d.tape[:0], d.open[:0]
	defer func() { d.tape, d.open = tape, open }()
	count := 0
	inObject := false

	i, ok := c.next()
	if !ok {
		return false
	}
value: // at i
	switch data[i] {
	case '"':
		end, ok := c.next()
		if !ok {
			return false
		}
		w, ok := c.stringWord(data, i+1, end)
		if !ok {
			return false
		}
		tape = append(tape, w)
	case '{':
		if len(open) >= maxDepth {
			return false
		}
		open = append(open, frame{start: len(tape), count: count})
		tape = append(tape, makeWord(tagObject, i, 0))
		count, inObject = 0, true
		if i, ok = c.next(); !ok {
			return false
		}
		if data[i] == '}' {
			goto end
		}
		goto name
	case '[':
		if len(open) >= maxDepth {
			return false
		}
		open = append(open, frame{start: len(tape), count: count})
		tape = append(tape, makeWord(tagArray, i, 0))
		count, inObject = 0, false
		if i, ok = c.next(); !ok {
			return false
		}
		if data[i] == ']' {
			goto end
		}
		goto value
	case 't':
		if i+4 > len(data) || binary.LittleEndian.Uint32(data[i:]) != 't'|'r'<<8|'u'<<16|'e'<<24 || !delimited(data, i+4) {
			return false
		}
		tape = append(tape, makeWord(tagTrue, i, 4))
	case 'f':
		if i+5 > len(data) || binary.LittleEndian.Uint32(data[i+1:]) != 'a'|'l'<<8|'s'<<16|'e'<<24 || !delimited(data, i+5) {
			return false
		}
		tape = append(tape, makeWord(tagFalse, i, 5))
	case 'n':
		if i+4 > len(data) || binary.LittleEndian.Uint32(data[i:]) != 'n'|'u'<<8|'l'<<16|'l'<<24 || !delimited(data, i+4) {
			return false
		}
		tape = append(tape, makeWord(tagNull, i, 4))
	default:
		kind, end, ok := scanNumber(data, i)
		if !ok || !delimited(data, end) {
			return false
		}
		tape = append(tape, makeWord(kind, i, end-i))
	}

after: // a value
	if len(open) == 0 {
		_, more := c.next()
		return !more && c.ok()
	}
	count++
	if i, ok = c.next(); !ok {
		return false
	}
	if inObject {
		switch data[i] {
		case ',':
			if i, ok = c.next(); !ok {
				return false
			}
			goto name
		case '}':
			goto end
		}
		return false
	}
	switch data[i] {
	case ',':
		if i, ok = c.next(); !ok {
			return false
		}
		goto value
	case ']':
		goto end
	}
	return false

name: // at i
	{
		if data[i] != '"' {
			return false
		}
		end, ok := c.next()
		if !ok {
			return false
		}
		w, ok := c.stringWord(data, i+1, end)
		if !ok {
			return false
		}
		tape = append(tape, w)
		colon, ok := c.next()
		if !ok || data[colon] != ':' {
			return false
		}
		if i, ok = c.next(); !ok {
			return false
		}
		goto value
	}

end: // of an object or array, at its closing bracket
	{
		top := open[len(open)-1]
		open = open[:len(open)-1]
		tape[top.start] |= word(len(tape))
		tape = append(tape, makeWord(tagEnd, i, count))
		count = top.count
		inObject = len(open) > 0 && tape[open[len(open)-1].start].tag() == tagObject
		goto after
	}
}

// stringWord returns the word of the string between two quotes. What is between
// them, stage 1 has checked, except for the escapes.
func (c *cursor) stringWord(data []byte, start, end int) (word, bool) {
	if !c.hasEscape(start, end) {
		return makeWord(tagString, start, end-start), true
	}
	return makeWord(tagEscaped, start, end-start), validEscapes(data[start:end])
}

func validEscapes(text []byte) bool {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return true
		}
		n := escapeLength(text[at:])
		if n == 0 {
			return false
		}
		text = text[at+n:]
	}
}

// delimited tells whether a literal or number may end before i. Only its first
// byte is in the index, so this must be looked at here.
func delimited(data []byte, i int) bool { return i >= len(data) || delimiter[data[i]] }

var delimiter = [256]bool{' ': true, '\t': true, '\n': true, '\r': true, ',': true, ':': true, ']': true, '}': true, '[': true, '{': true, '"': true}
