package matview

import (
	"iter"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Leads reports whether this instance is refreshing the view, or refreshed it last and is not
// overdue for the next refresh. At most one instance leads, except that after an instance
// has started with a Patience shorter than Every, two may lead for a quarter of an interval.
// While refreshes fail, no instance leads.
func (r *Refresher) Leads() bool { return r.history.leads() }

// Staleness returns the age of the data that readers see, if this instance refreshed the view
// last. An instance does not know the age of a refresh by another one.
func (r *Refresher) Staleness() (_ time.Duration, known bool) { return r.history.staleness() }

// Metrics implements [gqlboost.Source]. Only the instance that refreshed the view last has the
// metric staleness.
func (r *Refresher) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		attrs := []gqlboost.Attr{{Key: "db.collection.name", Value: r.config.View}}
		leads := 0.0
		if r.Leads() {
			leads = 1
		}
		list := []gqlboost.Metric{
			{Kind: gqlboost.Gauge, Name: "gqlboost.matview.leader", Unit: "1", Help: "Whether this instance leads, as 1 or 0.",
				Value: leads, Attrs: attrs},
			{Kind: gqlboost.Counter, Name: "gqlboost.matview.refreshes", Unit: "{refresh}", Help: "Refreshes by this instance.",
				Value: float64(r.refreshes.Load()), Attrs: attrs},
			{Kind: gqlboost.Counter, Name: "gqlboost.matview.failures", Unit: "{refresh}",
				Help: "Refreshes and looks at the view that failed.", Value: float64(r.failures.Load()), Attrs: attrs},
			{Kind: gqlboost.Gauge, Name: "gqlboost.matview.duration", Unit: "s",
				Help: "Duration of this instance's last refresh.", Value: float64(r.took.Load()) / 1e9, Attrs: attrs},
		}
		if age, known := r.Staleness(); known {
			list = append(list, gqlboost.Metric{Kind: gqlboost.Gauge, Name: "gqlboost.matview.staleness", Unit: "s",
				Help: "Age of the data that readers see.", Value: age.Seconds(), Attrs: attrs})
		}
		return list
	})
}
