package stream

import (
	"bytes"
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
