package stream

import (
	"iter"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
)

// counters are the package's own, for Source. They move once a document.
var counters struct {
	documents, failed, aborted, bytes, chunks, blocked atomic.Int64
}

func (s *Stats) count() {
	counters.documents.Add(1)
	counters.bytes.Add(s.Bytes)
	counters.chunks.Add(int64(s.Chunks))
	counters.blocked.Add(int64(s.Blocked))
}

// Source returns what the package does in this process.
func Source() gqlboost.Source { return packageSource{} }

type packageSource struct{}

// Metrics implements [gqlboost.Source].
func (packageSource) Metrics() iter.Seq[gqlboost.Metric] {
	return func(yield func(gqlboost.Metric) bool) {
		for _, m := range []struct {
			name, unit, help string
			value            float64
		}{
			{"documents", "{document}", "Documents that were written whole.", float64(counters.documents.Load())},
			{"errors", "{document}", "Documents that were not.", float64(counters.failed.Load())},
			{"aborted", "{response}", "HTTP responses that were aborted because of an error after their first byte.",
				float64(counters.aborted.Load())},
			{"size", "By", "Bytes of the documents.", float64(counters.bytes.Load())},
			{"chunks", "{chunk}", "Chunks of the documents.", float64(counters.chunks.Load())},
			{"blocked", "s", "Time that writing chunks took: how slow clients were.", float64(counters.blocked.Load()) / 1e9},
		} {
			if !yield(gqlboost.Metric{Name: "gqlboost.stream." + m.name, Unit: m.unit, Help: m.help,
				Kind: gqlboost.Counter, Value: m.value}) {
				return
			}
		}
	}
}
