package stream

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/klauspost/compress/gzhttp"
)

// TestCompression has a middleware between a response and its client, which must
// neither break what is written nor make a whole of what is not.
func TestCompression(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		items int
		err   error
	}{"small": {10, nil}, "large": {100_000, nil}, "broken": {100_000, broken}} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(gzhttp.GzipHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				err := stream.Respond(rw, r, func(w *stream.Writer) error {
					w.BeginObject()
					w.Name("data")
					w.BeginArray()
					for i := range c.items {
						w.Int(int64(i))
					}
					if c.err != nil {
						return c.err
					}
					w.EndArray()
					return nil
				})
				if !errors.Is(err, c.err) {
					t.Errorf("Respond returned %v", err)
				}
			})))
			defer s.Close()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
			r.Header.Set("Accept-Encoding", "gzip")
			response, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var body io.Reader = response.Body
			if compressed := response.Header.Get("Content-Encoding") == "gzip"; compressed != (c.items > 1000) {
				t.Errorf("compressed: %v", compressed)
			} else if compressed {
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			text, err := io.ReadAll(body)
			if (err != nil) != (c.err != nil) || json.Valid(text) != (c.err == nil) {
				t.Errorf("the client got %d bytes, error %v", len(text), err)
			}
		})
	}
}
