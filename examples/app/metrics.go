package app

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/gqlboost/gqlboost"
)

// Metrics serves what sources count as a JSON array of gqlboost.Metric, without histograms. It
// is safe for concurrent use; a server whose blocks are opened later adds them then.
type Metrics struct {
	mu      sync.Mutex
	sources []gqlboost.Source
}

// Add adds sources.
func (m *Metrics) Add(sources ...gqlboost.Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources = append(m.sources, sources...)
}

// ServeHTTP implements [http.Handler].
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	sources := m.sources
	m.mu.Unlock()
	list := []gqlboost.Metric{}
	for _, s := range sources {
		for each := range s.Metrics() {
			if each.Kind != gqlboost.Histogram { // Its last bound is no JSON.
				list = append(list, each)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // The client may have gone.
}
