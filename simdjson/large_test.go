package simdjson

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
)

// memoryInUse returns the bytes of live objects.
func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A document of the largest size takes memory for its text and its tape, and no
// more; one byte more is refused.
func TestLargestDocument(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("it takes 2 GB")
	}
	element := `{"id":123456,"text":"` + strings.Repeat("x", 975) + `"},`
	text := make([]byte, 0, maxDocument)
	text = append(text, '[')
	n := 0
	for ; len(text)+len(element) < maxDocument-2; n++ {
		text = append(text, element...)
	}
	text[len(text)-1] = ']'
	text = append(text, bytes.Repeat([]byte{' '}, maxDocument-1-len(text))...)
	for _, k := range kernels() {
		before := memoryInUse()
		p := NewParser(Options{Kernel: k.String(), AliasInput: true})
		doc, err := p.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if grown, tape := memoryInUse()-before, int64(6*n*8); grown > 2*tape+(1<<20) {
			t.Errorf("%v: the document takes %d bytes beside its text, its tape has %d", k, grown, tape)
		}
		if got := doc.Root().Len(); got != n {
			t.Errorf("%v: got %d elements, want %d", k, got, n)
		}
		if id, err := doc.Root().Index(n - 1).Get("id").Int64(); id != 123456 || err != nil {
			t.Errorf("%v: got %d, %v", k, id, err)
		}
		doc.Close()
	}
	if _, err := Parse(append(text, ' ')); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// Nesting costs no stack, and what is too deep is refused where that is seen.
func TestNesting(t *testing.T) {
	for _, k := range kernels() {
		p := NewParser(Options{Kernel: k.String()})
		for _, c := range []struct {
			open, close string
		}{{"[", "]"}, {`{"a":`, "}"}} {
			nested := func(depth int) []byte {
				return []byte(strings.Repeat(c.open, depth) + "1" + strings.Repeat(c.close, depth))
			}
			doc, err := p.Parse(nested(10_000))
			if err != nil {
				t.Fatalf("%v: %v", k, err)
			}
			if _, err := doc.Root().Any(); err != nil {
				t.Error(err)
			}
			doc.Close()
			if _, err := p.Parse(nested(10_001)); err == nil || !strings.HasSuffix(err.Error(), "exceeded max depth") {
				t.Errorf("%v: got %v", k, err)
			}
			before := memoryInUse()
			if _, err := p.Parse([]byte(strings.Repeat(c.open, 10_000_000))); err == nil {
				t.Error("no error")
			}
			if grown := memoryInUse() - before; grown > 8<<20 {
				t.Errorf("%v: hostile nesting took %d bytes", k, grown)
			}
		}
	}
}
