package stream

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/incremental"
)

// comments is how many deferred parts a response has.
const comments = 20

// BenchmarkIncremental answers a request with an initial result and deferred parts, each of
// which is sent when it is there.
func BenchmarkIncremental(b *testing.B) {
	for _, c := range []struct {
		name string
		run  func(http.ResponseWriter, *http.Request) error
	}{{"gqlboost", deliver}, {"encoding-json", encodeParts}} {
		b.Run("work=20-parts/impl="+c.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", "application/x-ndjson")
			b.ReportAllocs()
			for b.Loop() {
				w := &discarding{header: http.Header{}}
				if err := c.run(w, r); err != nil {
					b.Fatal(err)
				}
				if w.flushed == 0 {
					b.Fatal("nothing was sent")
				}
			}
		})
	}
}

// discarding is a client that reads everything at once.
type discarding struct {
	header  http.Header
	flushed int
}

func (d *discarding) Header() http.Header              { return d.header }
func (d *discarding) Write(p []byte) (int, error)      { return len(p), nil }
func (d *discarding) WriteHeader(int)                  {}
func (d *discarding) Flush()                           { d.flushed++ }
func (d *discarding) SetWriteDeadline(time.Time) error { return nil }

func deliver(w http.ResponseWriter, r *http.Request) error {
	d, err := incremental.New(w, r, incremental.Options{})
	if err != nil {
		return err
	}
	var parts [comments]*incremental.Part
	for i := range parts {
		parts[i] = d.Defer(incremental.Path{"posts", i}, "comments")
	}
	err = d.Initial(func(w *stream.Writer) error {
		w.Name("data")
		w.Raw([]byte(`{"posts":[]}`))
		return nil
	})
	for _, p := range parts {
		err = errors.Join(err, p.Complete(func(w *stream.Writer) error {
			w.Raw([]byte(`{"comments":["Nice"]}`))
			return nil
		}))
	}
	return errors.Join(err, d.Close())
}

// encodeParts writes the same by hand, without what keeps parts in their order.
func encodeParts(w http.ResponseWriter, _ *http.Request) error {
	type part struct {
		ID    string         `json:"id"`
		Path  []any          `json:"path"`
		Label string         `json:"label"`
		Data  map[string]any `json:"data,omitempty"`
	}
	type result struct {
		Data        any    `json:"data,omitempty"`
		Pending     []part `json:"pending,omitempty"`
		Incremental []part `json:"incremental,omitempty"`
		Completed   []part `json:"completed,omitempty"`
		HasNext     bool   `json:"hasNext"`
	}
	encoder := json.NewEncoder(w)
	initial := result{Data: map[string]any{"posts": []any{}}, HasNext: true}
	for i := range comments {
		initial.Pending = append(initial.Pending, part{ID: "0", Path: []any{"posts", i}, Label: "comments"})
	}
	err := encoder.Encode(initial)
	w.(http.Flusher).Flush()
	for i := range comments {
		p := part{ID: "0", Path: []any{"posts", i}, Label: "comments", Data: map[string]any{"comments": []any{"Nice"}}}
		err = errors.Join(err, encoder.Encode(result{Incremental: []part{p}, Completed: []part{{ID: "0"}}, HasNext: i+1 < comments}))
		w.(http.Flusher).Flush()
	}
	return err
}
