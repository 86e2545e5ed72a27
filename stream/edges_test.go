package stream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// protect calls f and recovers from its panic, as executors do for each field.
func protect(f func()) {
	defer func() { _ = recover() }()
	f()
}

// A callback that panics, and a program that recovers and goes on, must not make a document
// that is complete and invalid.
func TestPanicsThatAreRecovered(t *testing.T) {
	boom := func() { panic("boom") }
	taken := map[string]string{ // What Nullable takes back does no harm.
		"Nullable": "[1]", "Nullable, again": "[1,null]", "Nullable in Nullable": "[1,null]",
	}
	for name, body := range map[string]func(w *Writer){
		"Append": func(w *Writer) { protect(func() { w.Append(func(b []byte) []byte { boom(); return b }) }) },
		"Append half": func(w *Writer) {
			protect(func() { w.Append(func(b []byte) []byte { b = append(b, '{'); boom(); return b }) })
		},
		"Any": func(w *Writer) { protect(func() { _ = w.Any([]any{1, panics{}}) }) },
		"Nullable": func(w *Writer) {
			protect(func() {
				w.Nullable(nil, func(w *Writer) error { w.BeginObject(); w.Name("a"); boom(); return nil })
			})
		},
		"Nullable, again": func(w *Writer) {
			protect(func() { w.Nullable(nil, func(w *Writer) error { w.BeginObject(); boom(); return nil }) })
			w.Null()
		},
		"Nullable in Nullable": func(w *Writer) {
			w.Nullable(nil, func(w *Writer) (err error) {
				defer func() { err = fmt.Errorf("%v", recover()) }()
				w.BeginArray()
				w.Nullable(nil, func(w *Writer) error { w.BeginObject(); boom(); return nil })
				return nil
			})
		},
	} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{})
		w.BeginArray()
		w.Int(1)
		body(w)
		w.EndArray()
		if err := w.Close(); err == nil && !json.Valid(b.Bytes()) {
			t.Errorf("%s: %s without an error", name, b.String())
		} else if want := taken[name]; want != b.String() {
			t.Errorf("%s: %s, want %s: %v", name, b.String(), want, err)
		}
		if w.held != 0 || w.lent != 0 {
			t.Errorf("%s: %d held, %d lent", name, w.held, w.lent)
		}
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("boom") }

func TestNullableIsOneValue(t *testing.T) {
	failure := errors.New("failed")
	for name, body := range map[string]func(w *Writer) error{
		"none":  func(w *Writer) error { return nil },
		"two":   func(w *Writer) error { w.Int(1); w.Int(2); return nil },
		"outer": func(w *Writer) error { w.EndArray(); w.BeginArray(); return nil },
		"outer, failed": func(w *Writer) error {
			w.EndArray()
			w.EndArray()
			w.BeginObject()
			w.Name("a")
			w.BeginArray()
			return failure
		},
	} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{})
		w.BeginArray()
		w.BeginArray()
		w.BeginArray()
		w.Int(0)
		w.Nullable(nil, body)
		w.EndArray()
		w.EndArray()
		w.EndArray()
		if err := w.Close(); !errors.Is(err, ErrMisuse) {
			t.Errorf("%s: got %s, %v", name, b.String(), err)
		}
	}
}

func TestAppendOfNothing(t *testing.T) {
	for name, body := range map[string]func(w *Writer){
		"Append": func(w *Writer) { w.Append(func(b []byte) []byte { return b }) },
		"nil":    func(w *Writer) { w.Append(func(b []byte) []byte { return nil }) },
		"Raw":    func(w *Writer) { w.Raw(nil) },
	} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{})
		w.BeginArray()
		w.Int(1)
		body(w)
		w.EndArray()
		if err := w.Close(); err == nil {
			t.Errorf("%s: got %s", name, b.String())
		}
	}
}

type short struct{ bytes.Buffer }

func (s *short) Write(b []byte) (int, error) { return s.Buffer.Write(b[:len(b)/2]) }

type panicking struct {
	bytes.Buffer
	times int
}

func (p *panicking) Write(b []byte) (int, error) {
	if p.times--; p.times >= 0 {
		_, _ = p.Buffer.Write(b[:len(b)/2])
		panic("boom")
	}
	return p.Buffer.Write(b)
}

func TestDestinationsThatBreakTheirContract(t *testing.T) {
	var s short
	w := NewWriter(&s, Options{})
	w.String("0123456789")
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v for half of the document", err)
	}
	p := panicking{times: 1}
	w = NewWriter(&p, Options{MinChunk: 1, MaxChunk: 1})
	protect(func() { w.BeginArray(); w.Int(1) })
	w.Int(2)
	w.EndArray()
	if err := w.Close(); err == nil {
		t.Errorf("got %s after a panic of the destination", p.String())
	}
	p = panicking{times: 1}
	w = NewWriter(&p, Options{})
	w.Int(1)
	protect(func() { _ = w.Close() })
	if err := w.Close(); !errors.Is(err, errPanicked) {
		t.Errorf("Close after one that panicked: %v", err)
	}
}

func TestErrorsThatCannotBeWritten(t *testing.T) {
	for name, err := range map[string]error{
		"extensions": &Error{Message: "m", Status: 403, Extensions: map[string]any{"f": func() {}}},
		"path":       &Error{Message: "m", Status: 403, Path: Path{make(chan int)}},
		"marshaler":  &Error{Message: "m", Status: 403, Extensions: map[string]any{"p": panics{}}},
		"status 42":  &Error{Message: "m", Status: 42},
		"status 100": &Error{Message: "m", Status: 100},
		"status 204": &Error{Message: "m", Status: 204},
		"status 1e6": &Error{Message: "m", Status: 1_000_000},
		"nil":        (*Error)(nil),
		"wrapped":    fmt.Errorf("wrapped: %w", (*Error)(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			s, errs := serve(t, false, nil, Options{}, func(*Writer) error { return err })
			got := get(t, s, "*/*")
			<-errs
			var response struct{ Errors []struct{ Message string } }
			if bad := json.Unmarshal([]byte(got.body), &response); bad != nil || len(response.Errors) != 1 || got.status < 400 {
				t.Errorf("got %d %q", got.status, got.body)
			}
		})
	}
}

func TestEscapeHTMLEverywhere(t *testing.T) {
	name := NewName("<a>")
	var b bytes.Buffer
	w := NewWriter(&b, Options{EscapeHTML: true})
	w.BeginArray()
	w.BeginObject()
	w.Member(name)
	w.Int(1)
	w.Name("<b>")
	w.Raw([]byte(`{"</script>":"&"}`))
	w.EndObject()
	w.Raw([]byte("\"\u2028\""))
	_ = w.Any(map[string]any{"<c>": json.RawMessage(`"<d>"`)})
	w.Raw([]byte(`"` + strings.Repeat("<", 100_000) + `"`))
	w.EndArray()
	if err := w.Close(); err != nil || strings.ContainsAny(b.String(), "<>&\u2028") {
		t.Errorf("got %.300s, %v", b.String(), err)
	}
}

func TestRejectInvalidUTF8Everywhere(t *testing.T) {
	for name, body := range map[string]func(w *Writer){
		"name":      func(w *Writer) { w.Name("\xff"); w.Null() },
		"prepared":  func(w *Writer) { w.Member(NewName("\xff")); w.Null() },
		"struct":    func(w *Writer) { w.Name("a"); _ = w.Any(struct{ S string }{"\xff"}) },
		"raw":       func(w *Writer) { w.Name("a"); w.Raw([]byte("\"\xff\"")) },
		"marshaler": func(w *Writer) { w.Name("a"); _ = w.Any([]any{json.RawMessage("\"\xff\"")}) },
		"map":       func(w *Writer) { w.Name("a"); _ = w.Any(map[string]string{"\xff": "a"}) },
	} {
		w := NewWriter(io.Discard, Options{RejectInvalidUTF8: true})
		w.BeginObject()
		body(w)
		w.EndObject()
		if err := w.Close(); !errors.Is(err, ErrUTF8) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The timeout is that of the client, not of what makes the response.
func TestSlowProducer(t *testing.T) {
	const timeout = 2 * time.Second // for the client, on a busy machine
	const longer = timeout + timeout/10
	var all sync.WaitGroup // They sleep at once, which t.Parallel allows to no more than there are cores.
	defer all.Wait()
	for _, http2 := range []bool{false, true} {
		for name, n := range map[string]int{"small": 1, "flushed": 2, "chunks": many} {
			test := func(t *testing.T) {
				s, errs := serve(t, http2, nil, Options{WriteTimeout: timeout}, func(w *Writer) error {
					time.Sleep(longer)
					return list(n, func(w *Writer) error {
						if n > 1 {
							_ = w.Flush()
						}
						time.Sleep(longer)
						return closed(w)
					})(w)
				})
				got := get(t, s, "*/*")
				if err := <-errs; err != nil || got.err != nil || !json.Valid([]byte(got.body)) {
					t.Errorf("got %v, %v, %d bytes", err, got.err, len(got.body))
				}
			}
			all.Go(func() { t.Run(fmt.Sprintf("http2=%v/%s", http2, name), test) })
		}
	}
}

// HTTP/1.0, which nginx speaks to servers by default, ends a response by closing the
// connection: an aborted one would look complete.
func TestHTTP10(t *testing.T) {
	s, errs := serve(t, false, nil, Options{}, list(many, func(*Writer) error { return errors.New("failed") }))
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if <-errs == nil {
		t.Error("Respond returned nil")
	}
	if err == nil && (response.StatusCode == 200 || !json.Valid(body)) {
		t.Errorf("a client takes %d with %d bytes for complete", response.StatusCode, len(body))
	}
}
