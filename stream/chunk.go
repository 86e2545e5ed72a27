package stream

import (
	"errors"
	"io"
	"time"
)

const (
	// promptly is how fast a chunk must go for the next to be twice as large,
	// slowly how slow for half. In between, sizes stay.
	promptly = 2 * time.Millisecond
	slowly   = 100 * time.Millisecond
)

// chunk writes the buffer to the destination. This is where a slow client is felt:
// nothing is produced while it blocks.
func (w *Writer) chunk() {
	if err := w.options.Context.Err(); err != nil {
		w.fail(err)
		return
	}
	start := time.Now()
	n, err := w.deliver()
	took := time.Since(start)
	w.stats.Bytes += int64(n)
	w.stats.Chunks++
	w.stats.Blocked += took
	if err != nil {
		w.fail(err)
		return
	}
	w.buf = w.buf[:0]
	switch {
	case took < promptly:
		w.limit = min(2*w.limit, w.options.MaxChunk)
	case took > slowly:
		w.limit = max(w.limit/2, w.options.MinChunk)
	}
}

// deliver gives the chunk to the destination.
func (w *Writer) deliver() (n int, err error) {
	returned := false
	defer w.giveBack(w.lend(), &returned)
	chunk := w.buf
	n, err = w.dst.Write(chunk)
	returned = true
	if err == nil && n < len(chunk) {
		err = io.ErrShortWrite
	}
	return n, err
}

var errPanicked = errors.New("stream: a callback or the destination panicked")

// lend gives the chunk to somebody else, who must not use the writer: what is written meanwhile
// would be lost, or sent twice.
func (w *Writer) lend() (before place) {
	before = w.place
	w.lent++
	w.place = lentOut
	return before
}

// giveBack ends the use of the chunk by somebody else. If that panicked, nobody knows what
// became of the value, so that the document must not be completed by who recovers.
func (w *Writer) giveBack(before place, returned *bool) {
	w.lent--
	if w.place == lentOut {
		w.place = before
	}
	if !*returned {
		w.fail(errPanicked)
	}
}

// large appends what may be many chunks long, a piece at a time. Pieces end where cut
// says for a number of bytes that is less than all: at least one byte on.
func large[T string | []byte](w *Writer, text T, cut func(text T, n int) int, piece func(*Writer, T)) {
	for len(text) > w.limit && w.place != failed {
		n := cut(text, w.limit)
		piece(w, text[:n])
		text = text[n:]
		w.filled()
	}
	piece(w, text)
}
