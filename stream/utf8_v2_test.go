//go:build go1.27 && goexperiment.jsonv2

package stream

import (
	"encoding/json/jsontext"
	"errors"
	"io"
	"testing"
)

// appends and writesTo have the methods that encoding/json calls since it is built on v2. Their
// strings are not exported.
type (
	appends  struct{ text string }
	writesTo struct{ text string }
)

func (a appends) AppendText(b []byte) ([]byte, error) { return append(b, a.text...), nil }

func (w writesTo) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteToken(jsontext.String(w.text))
}

func TestRejectInvalidUTF8OfNewMethods(t *testing.T) {
	for text, valid := range map[string]bool{"\xff": false, "\ufffd": true} {
		for _, v := range []any{
			appends{text}, &appends{text}, writesTo{text}, []writesTo{{text}},
		} {
			w := NewWriter(io.Discard, Options{RejectInvalidUTF8: true})
			if err := w.Any(v); errors.Is(err, ErrUTF8) == valid || valid && err != nil {
				t.Errorf("%T of %q: %v", v, text, err)
			}
			_ = w.Close()
		}
	}
}
