package simdjson

// The tape is a parsed document: a word for each value in the order of the
// text, and one more for the end of each object and array. A member is the word
// of its name, a string, and those of its value. Numbers and strings are not
// converted: their words say where their text is, so that parsing costs nothing
// for what nobody reads.
//
//	bits 60-63  kind
//	bits 30-59  offset of the text's first byte
//	bits  0-29  scalars: length of the text
//	            object, array: index of the word of its end
//	            end: number of elements or members
//
// This limits a document to 1 GiB.
type word uint64

const (
	fieldBits = 30
	fieldMask = 1<<fieldBits - 1

	// maxDocument is the size in bytes from which a text is refused.
	maxDocument = 1 << fieldBits
)

// tag is the kind of a word. It tells apart what Kind does not.
type tag uint8

const (
	tagNull tag = iota
	tagFalse
	tagTrue
	tagInteger // a number without fraction and exponent
	tagFloat
	tagString  // text without its quotes
	tagEscaped // the same with escapes in it
	tagObject
	tagArray
	tagEnd
)

func makeWord(t tag, offset, n int) word {
	return word(t)<<(2*fieldBits) | word(offset)<<fieldBits | word(n)
}

func (w word) tag() tag    { return tag(w >> (2 * fieldBits)) }
func (w word) offset() int { return int(w >> fieldBits & fieldMask) }
func (w word) n() int      { return int(w & fieldMask) }

var kinds = [...]Kind{
	tagNull: Null, tagFalse: Bool, tagTrue: Bool, tagInteger: Number, tagFloat: Number,
	tagString: String, tagEscaped: String, tagObject: Object, tagArray: Array, tagEnd: Invalid,
}

// next returns the index of the word after the value at i.
func next(tape []word, i int) int {
	if w := tape[i]; w.tag() == tagObject || w.tag() == tagArray {
		return w.n() + 1
	}
	return i + 1
}
