package load

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A figure that grows drifts, one that is only noisy does not, nor one that gets better.
func TestDrifts(t *testing.T) {
	windows := func(change func(w *Window, i int, noise float64)) (list []Window) {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 60 {
			w := Window{Minutes: float64(i), P50: 10, P95: 20, Throughput: 1000, Memory: 100e6, LiveHeap: 50e6, Goroutines: 30, Connections: 8}
			change(&w, i, random.NormFloat64())
			list = append(list, w)
		}
		return list
	}
	for _, c := range []struct {
		name   string
		change func(w *Window, i int, noise float64)
		drifts string
	}{
		{"steady", func(*Window, int, float64) {}, ""},
		{"noise", func(w *Window, _ int, n float64) { w.P95 += 5 * n; w.Memory += 2e7 * n; w.Throughput += 100 * n }, ""},
		{"warming up", func(w *Window, i int, _ float64) { w.Memory = 100e6 * min(1, 0.5+float64(i)/10) }, ""},
		{"faster", func(w *Window, i int, _ float64) { w.P95 -= float64(i) / 10; w.Throughput += float64(10 * i) }, ""},
		{"leak", func(w *Window, i int, n float64) { w.Memory += float64(i)*1e6 + 5e6*n }, "memory"},
		{"goroutines", func(w *Window, i int, _ float64) { w.Goroutines += float64(i / 5) }, "goroutines"},
		{"slower", func(w *Window, i int, n float64) { w.P95 += float64(i)/10 + n }, "P95"},
		{"less", func(w *Window, i int, n float64) { w.Throughput -= float64(5*i) + 20*n }, "throughput"},
	} {
		for _, d := range Drifts(windows(c.change)) {
			if d.Drifts != (d.Figure == c.drifts) {
				t.Errorf("%s: %+v", c.name, d)
			}
		}
	}
	if list := Drifts(nil); len(list) == 0 || list[0].Drifts {
		t.Errorf("without windows: %+v", list)
	}
}

// A run that was cut short, in the middle of a line, goes on where it was.
func TestSoakGoesOn(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) < 60 { // the question how much data there is
			_, _ = io.WriteString(w, `{"data":{"totals":{"users":100,"posts":100,"comments":100}}}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"search":[]}}`)
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	mix, err := BlogMix().Only("search")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "soak.jsonl")
	if err := os.WriteFile(file, []byte("{\"minutes\":0,\"requests\":7}\n{\"minutes\":1,\"requ"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := Config{Mix: mix, Clients: 1}
	windows, err := Soak(t.Context(), Target{Name: "fake", URL: s.URL}, c, 100*time.Millisecond, 300*time.Millisecond, file, io.Discard)
	if err != nil || len(windows) != 3 || windows[0].Requests != 7 || windows[2].Requests == 0 || windows[2].Errors != 0 {
		t.Errorf("%+v, %v", windows, err)
	}
	if again, err := readWindows(file); err != nil || len(again) != 3 {
		t.Errorf("%d windows in the file, %v", len(again), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Soak(ctx, Target{Name: "fake", URL: s.URL}, c, time.Second, time.Minute, file, io.Discard); err == nil {
		t.Error("no error of a context that has ended")
	}
}
