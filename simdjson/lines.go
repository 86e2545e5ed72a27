package simdjson

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// LineError is the error of one line of [ParseLines].
type LineError struct {
	Index int // of the document, from 0, as in a batch; blank lines are none
	Line  int // in the stream, from 1
	Err   error
}

// Error returns the line and what is wrong with it.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// ParseLines reads newline-delimited JSON: a document on each line. The caller
// closes the documents. A line that cannot be parsed gives a [*LineError], and
// reading goes on behind it; an error of the reader other than [io.EOF] itself gives one
// as well, and is the last. Blank lines are skipped. Memory is that of the longest line.
// Range over the sequence once: it reads ahead.
func ParseLines(r io.Reader) iter.Seq2[*Document, error] { return standard.ParseLines(r) }

// ParseLines is the function of that name with the parser's options. A line is
// always copied. One above MaxBytes gives an error that wraps [ErrTooLarge]
// without being held in memory.
func (p *Parser) ParseLines(r io.Reader) iter.Seq2[*Document, error] {
	copying := *p.resolved()
	copying.AliasInput = false
	parser := Parser{settings: &copying}
	return func(yield func(*Document, error) bool) {
		var handles []Document
		lines := lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: copying.MaxBytes}
		for index, line := 0, 1; ; line++ {
			text, tooLarge, err := lines.next()
			if len(text) > 0 || tooLarge != nil {
				if len(handles) == 0 {
					handles = make([]Document, slab)
				}
				doc, bad := &handles[0], tooLarge
				if bad == nil {
					*doc, bad = parser.document(text)
				}
				if handles = handles[1:]; bad != nil {
					doc, bad = nil, &LineError{Index: index, Line: line, Err: bad}
				}
				if !yield(doc, bad) {
					return
				}
				index++
			}
			if lines.ended {
				return
			}
			if err != nil {
				yield(nil, &LineError{Index: index, Line: line, Err: err})
				return
			}
		}
	}
}

// lineReader returns lines without the white space at their end. That at their start
// counts for the columns of errors.
type lineReader struct {
	r     *bufio.Reader
	limit int
	long  []byte // a line that does not fit into r's buffer
	ended bool   // by io.EOF
}

// next returns the next line, which is valid until the call after. One above the limit
// is read but not kept. An error that wraps io.EOF is not the end: the stream broke off,
// and so may have the line.
func (l *lineReader) next() (text []byte, tooLarge, err error) {
	l.long = l.long[:0]
	size := 0
	for {
		part, err := l.r.ReadSlice('\n')
		size += len(part)
		if err == nil && size == len(part) {
			text, tooLarge = l.fitting(bytes.TrimRight(part, " \t\r\n"), size)
			return text, tooLarge, nil
		}
		if size <= l.limit+2 { // "\r\n" may follow.
			l.long = append(l.long, part...)
		}
		switch {
		case err == nil || err == io.EOF:
			text, tooLarge = l.fitting(bytes.TrimRight(l.long, " \t\r\n"), size)
			l.ended = err != nil
			return text, tooLarge, nil
		case len(part) < l.r.Size() || !errors.Is(err, bufio.ErrBufferFull):
			return nil, nil, err // The reader's: ErrBufferFull of bufio comes with a full buffer.
		}
	}
}

func (l *lineReader) fitting(text []byte, size int) ([]byte, error) {
	if len(text) > l.limit || size > l.limit+2 {
		return nil, fmt.Errorf("%w: a line of %d bytes, limit %d", ErrTooLarge, size, l.limit)
	}
	return text, nil
}
