package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPieces has values come in pieces, and compares with what Raw makes of the whole.
func TestPieces(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		text := []byte(`["` + strings.Repeat("x", random.IntN(300)) + `",{"a":[1,2]}]`)
		write := func(value func(*Writer)) string {
			var b bytes.Buffer
			w := NewWriter(&b, Options{MinChunk: 16, MaxChunk: 64})
			w.BeginArray()
			value(w)
			value(w)
			w.EndArray()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		got := write(func(w *Writer) {
			pieces := w.Pieces()
			for rest := text; len(rest) > 0; {
				n := min(1+random.IntN(50), len(rest))
				if written, err := pieces.Write(rest[:n]); written != n || err != nil {
					t.Fatal(written, err)
				}
				rest = rest[n:]
			}
			if err := pieces.Close(); err != nil {
				t.Fatal(err)
			}
		})
		if want := write(func(w *Writer) { w.Raw(text) }); got != want {
			t.Fatalf("seed %d: got %s, want %s", seed, got, want)
		}
	}
}

func TestPiecesFail(t *testing.T) {
	for name, use := range map[string]func(*Writer) error{
		"misplaced": func(w *Writer) error { w.BeginObject(); return w.Pieces().Close() },
		"within":    func(w *Writer) error { w.BeginArray(); w.Pieces(); w.EndArray(); return w.Err() },
		"open":      func(w *Writer) error { w.BeginArray(); w.Pieces(); return w.Close() },
		"late": func(w *Writer) error {
			p := w.Pieces()
			_, _ = p.Write([]byte("1"))
			_ = p.Close()
			_, err := p.Write([]byte("2"))
			return err
		},
		"after Close": func(w *Writer) error {
			p := w.Pieces()
			_ = w.Close()
			_, err := p.Write([]byte("2"))
			return err
		},
	} {
		w := NewWriter(io.Discard, Options{})
		if err := use(w); !errors.Is(err, ErrMisuse) {
			t.Errorf("%s: %v", name, err)
		}
		_ = w.Close()
	}
}

// ExampleBegin writes a response whose parts several functions know.
func ExampleBegin() {
	handler := func(rw http.ResponseWriter, r *http.Request) {
		response := Begin(rw, r, Options{ContentType: "application/json"})
		response.BeginObject()
		response.Name("data")
		data := response.Pieces()
		for _, piece := range []string{`{"hello"`, `:"world"}`} {
			_, _ = io.WriteString(data, piece) // The first error stays.
		}
		if err := response.End(data.Close()); err != nil {
			fmt.Println(err) // The client has been told.
		}
	}
	recorder := httptest.NewRecorder()
	handler(recorder, httptest.NewRequest(http.MethodPost, "/graphql", nil))
	fmt.Println(recorder.Header().Get("Content-Type"), recorder.Body)
	// Output: application/json {"data":{"hello":"world"}}
}
