package compiled

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// reasons counts operations by reason.
type reasons struct{ counts sync.Map } // of *atomic.Uint64

func (r *reasons) add(reason string) {
	count, ok := r.counts.Load(reason)
	if !ok {
		count, _ = r.counts.LoadOrStore(reason, new(atomic.Uint64))
	}
	count.(*atomic.Uint64).Add(1)
}

func (r *reasons) all() map[string]uint64 {
	out := map[string]uint64{}
	r.counts.Range(func(reason, count any) bool {
		out[reason.(string)] = count.(*atomic.Uint64).Load()
		return true
	})
	return out
}

// Fallbacks returns how many operations gqlgen's own schema has executed, by reason.
func (s *Executable) Fallbacks() map[string]uint64 { return s.delegated.all() }

// Held returns how many operations have been answered as a whole although a resolver offers to
// stream a list, by reason.
func (s *Executable) Held() map[string]uint64 { return s.held.all() }

// Metrics implements [gqlboost.Source].
func (s *Executable) Metrics() iter.Seq[gqlboost.Metric] { return metric.Sequence(s.metrics) }

func (s *Executable) metrics() []gqlboost.Metric {
	list := []gqlboost.Metric{
		{Name: "gqlboost.compiled.operations", Unit: "{operation}",
			Help: "Operations that were executed from plans.", Value: float64(s.compiled.Load())},
		{Name: "gqlboost.compiled.plans", Unit: "{operation}", Kind: gqlboost.Gauge,
			Help: "Operations whose plans are kept, as far as there is room.", Value: float64(s.plans.count.Load())},
		{Name: "gqlboost.compiled.unkept", Unit: "{plan}",
			Help:  "Plans that were compiled and not kept, because there was no room for them.",
			Value: float64(s.unkept.Load())},
		{Name: "gqlboost.compiled.streamed", Unit: "{operation}",
			Help: "Operations whose lists could be sent while they were made.", Value: float64(s.streamed.Load())},
		{Name: "gqlboost.compiled.broken", Unit: "{operation}",
			Help:  "Responses that were broken off, for an error behind what had been sent.",
			Value: float64(s.broken.Load())},
	}
	list = append(list, s.delegated.metrics("gqlboost.compiled.fallbacks",
		"Operations that gqlgen's own schema has executed, by reason.")...)
	return append(list, s.held.metrics("gqlboost.compiled.held",
		"Operations that were answered as a whole although a resolver offers to stream, by reason.")...)
}

func (r *reasons) metrics(name, help string) (list []gqlboost.Metric) {
	counts := r.all()
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, gqlboost.Metric{Name: name, Unit: "{operation}", Help: help, Value: float64(counts[reason]),
			Attrs: []gqlboost.Attr{{Key: "reason", Value: reason}}})
	}
	return list
}
