package compiled

import (
	"strings"
	"testing"
)

// What a marshaler writes to a Writer that it has kept does not reach another response.
func TestWriterThatWasKept(t *testing.T) {
	var kept, others Writer
	for range 100 {
		kept.begin()
		_, _ = kept.WriteString("first")
		kept.end()
		others.begin()
		_, _ = others.WriteString("second")
		_, _ = kept.WriteString("late")
		if got := string(others.buf); got != "second" {
			t.Fatalf("%q", got)
		}
		others.end()
	}
}

// The buffer of a large response is not kept.
func TestLargeBuffersAreNotKept(t *testing.T) {
	var w Writer
	for range 100 {
		w.begin()
		if cap(w.buf) > maxKeptBuffer {
			t.Fatal(cap(w.buf))
		}
		_, _ = w.WriteString(strings.Repeat("x", maxKeptBuffer+1))
		w.end()
	}
}
