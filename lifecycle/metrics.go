package lifecycle

import (
	"iter"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Metrics implements [gqlboost.Source].
func (l *Lifecycle) Metrics() iter.Seq[gqlboost.Metric] { return metric.Sequence(l.metrics) }

func (l *Lifecycle) metrics() (list []gqlboost.Metric) {
	l.mu.Lock()
	state, running := l.state, l.work.running
	l.mu.Unlock()
	for s := Starting; s <= Closed; s++ {
		m := gqlboost.Metric{Name: "gqlboost.lifecycle.state", Unit: "1", Kind: gqlboost.Gauge,
			Help: "1 for the present state.", Attrs: []gqlboost.Attr{{Key: "state", Value: s.String()}}}
		if s == state {
			m.Value = 1
		}
		list = append(list, m)
	}
	for kind, name := range []string{"request", "stream"} {
		list = append(list, gqlboost.Metric{Name: "gqlboost.lifecycle.running", Unit: "{request}", Kind: gqlboost.Gauge,
			Help: "Work that runs now.", Value: float64(running[kind]),
			Attrs: []gqlboost.Attr{{Key: "kind", Value: name}}})
	}
	return append(list,
		gqlboost.Metric{Name: "gqlboost.lifecycle.shed", Unit: "{request}", Kind: gqlboost.Counter,
			Help: "Work that was refused, because the instance was starting or draining.", Value: float64(l.work.shed.Load())},
		gqlboost.Metric{Name: "gqlboost.lifecycle.cut", Unit: "{request}", Kind: gqlboost.Counter,
			Help: "Requests that were told to end, because draining took too long.", Value: float64(l.work.cut.Load())})
}
