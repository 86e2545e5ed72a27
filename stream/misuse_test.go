package stream

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// A writer without a destination fails instead of the first write.
func TestNilDestination(t *testing.T) {
	w := NewWriter(nil, Options{})
	w.BeginArray()
	w.EndArray()
	if w.Err() == nil || w.Flush() == nil || w.Close() == nil {
		t.Errorf("the errors are %v, %v and %v", w.Err(), w.Flush(), w.Close())
	}
}

// Chunks may be as large as an int: doubling their size must not overflow.
func TestChunksWithoutABound(t *testing.T) {
	for _, o := range []Options{{MaxChunk: math.MaxInt}, {MinChunk: math.MaxInt}} {
		var b bytes.Buffer
		w := NewWriter(&b, o)
		w.BeginArray()
		for i := range 100 {
			w.String("x")
			w.Int(int64(i))
			_ = w.Flush()
		}
		w.EndArray()
		if err := w.Close(); err != nil || strings.Count(b.String(), `"x"`) != 100 {
			t.Errorf("%+v: %v, %s", o, err, b.String())
		}
	}
}

// using is a destination that uses its Writer.
type using struct {
	bytes.Buffer
	w   *Writer
	use func(*Writer)
}

func (u *using) Write(b []byte) (int, error) {
	u.use(u.w)
	return u.Buffer.Write(b)
}

// What uses the Writer while it has the chunk makes no document that looks complete.
func TestUseWhileTheChunkIsLent(t *testing.T) {
	for name, c := range map[string]struct {
		use  func(*Writer)
		fine bool
	}{
		"Flush":    {func(w *Writer) { _ = w.Flush() }, true},
		"Err":      {func(w *Writer) { _, _, _ = w.Err(), w.Depth(), w.Stats() }, true},
		"Int":      {func(w *Writer) { w.Int(2) }, false},
		"large":    {func(w *Writer) { w.String(strings.Repeat("x", 10_000)) }, false},
		"end":      {func(w *Writer) { w.EndArray() }, false},
		"Append":   {func(w *Writer) { w.Append(func(b []byte) []byte { return append(b, '2') }) }, false},
		"Nullable": {func(w *Writer) { w.Nullable(nil, func(*Writer) error { return io.EOF }) }, false},
		"Pieces":   {func(w *Writer) { _, _ = w.Pieces().Write([]byte("2")) }, false},
	} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{})
		w.BeginArray()
		w.Int(0)
		w.Append(func(chunk []byte) []byte { c.use(w); return append(chunk, '1') })
		w.EndArray()
		if err := w.Close(); (err == nil) != c.fine || !c.fine && !errors.Is(err, ErrMisuse) ||
			c.fine && b.String() != "[0,1]" {
			t.Errorf("%s in Append: %v, %s", name, err, b.String())
		}

		u := &using{use: c.use}
		w = NewWriter(u, Options{MaxChunk: 1, MinChunk: 1})
		u.w = w
		w.BeginArray()
		w.Int(1)
		w.EndArray()
		if err := w.Close(); (err == nil) != c.fine || !c.fine && !errors.Is(err, ErrMisuse) ||
			c.fine && u.String() != "[1]" {
			t.Errorf("%s in the destination: %v, %s", name, err, u.String())
		}
	}
}

// A nil error in the list is one whose message nobody knows.
func TestWriteErrorsNil(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, Options{})
	w.BeginObject()
	w.WriteErrors([]*Error{nil, {Message: "m"}})
	w.EndObject()
	const want = `{"errors":[{"message":"Internal server error"},{"message":"m"}]}`
	if err := w.Close(); err != nil || b.String() != want {
		t.Errorf("%v: got %s", err, b.String())
	}
}
