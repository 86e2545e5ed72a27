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

// Pieces of a value that is complete do nothing to the next one, and a value has some.
func TestStalePieces(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, Options{EscapeHTML: true})
	w.BeginArray()
	first := w.Pieces()
	_, _ = first.Write([]byte(`"<"`))
	_ = first.Close()
	second := w.Pieces()
	_ = first.Close()
	_, _ = second.Write([]byte("2"))
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	w.EndArray()
	if err := w.Close(); err != nil || b.String() != `["\u003c",2]` {
		t.Errorf("got %s, %v", b.String(), err)
	}
	w = NewWriter(io.Discard, Options{})
	if err := w.Pieces().Close(); !errors.Is(err, ErrMisuse) {
		t.Errorf("no pieces: %v", err)
	}
	_ = w.Close()
}

// A response that was begun and not ended never looks complete, and ending one again does
// not break it.
func TestBeginWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct {
		use   func(p *Response) error
		fails bool
	}{
		"not ended":       {func(p *Response) error { _ = p.Flush(); return p.Close() }, true},
		"end after close": {func(p *Response) error { _ = p.Flush(); _ = p.Close(); return p.End(nil) }, true},
		"twice": {func(p *Response) error {
			_ = p.Flush()
			_ = p.End(nil)
			return errors.Join(p.End(errors.New("late")), p.Close(), p.Close())
		}, false},
		"twice, whole": {func(p *Response) error { _ = p.End(nil); return errors.Join(p.End(nil), p.Close()) }, false},
	} {
		errs := make(chan error, 1)
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			p := Begin(rw, r, Options{})
			p.BeginObject()
			p.Name("data")
			p.Int(1)
			errs <- c.use(p)
		}))
		got := get(t, s, "*/*")
		if err := <-errs; (err != nil) != c.fails || (got.err != nil) != c.fails || !c.fails && got.body != `{"data":1}` {
			t.Errorf("%s: %v; read %q, %v", name, err, got.body, got.err)
		}
		s.Close()
	}
}
