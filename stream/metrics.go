package stream

import (
	"iter"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
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
	return metric.Sequence(func() []gqlboost.Metric {
		return []gqlboost.Metric{
			counter("documents", "{document}", "Documents that were written whole.", float64(counters.documents.Load())),
			counter("errors", "{document}", "Documents that were not.", float64(counters.failed.Load())),
			counter("aborted", "{response}", "HTTP responses that were aborted because of an error after their first byte.",
				float64(counters.aborted.Load())),
			counter("size", "By", "Bytes of the documents.", float64(counters.bytes.Load())),
			counter("chunks", "{chunk}", "Chunks of the documents.", float64(counters.chunks.Load())),
			counter("blocked", "s", "Time that writing chunks took: how slow clients were.",
				float64(counters.blocked.Load())/1e9),
		}
	})
}

func counter(name, unit, help string, value float64) gqlboost.Metric {
	return gqlboost.Metric{Name: "gqlboost.stream." + name, Unit: unit, Help: help, Kind: gqlboost.Counter, Value: value}
}
