package matview

import (
	"iter"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Leads reports whether this instance is the one that refreshes: it is refreshing the view,
// or was the last one to do so and has not let its turn pass. Others do not claim the same,
// except for the quarter of an interval after an instance has started with a short Patience.
// Nobody leads while refreshes fail.
func (r *Refresher) Leads() bool { return r.history.leads() }

// Staleness returns the age of what readers see, if the last refresh is that of this
// instance. Of the refreshes of others the age is not known.
func (r *Refresher) Staleness() (_ time.Duration, known bool) { return r.history.staleness() }

// Metrics implements [gqlboost.Source]. The staleness is that of the instance that
// refreshed last; others have none.
func (r *Refresher) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		attrs := []gqlboost.Attr{{Key: "db.collection.name", Value: r.config.View}}
		leads := 0.0
		if r.Leads() {
			leads = 1
		}
		list := []gqlboost.Metric{
			{Kind: gqlboost.Gauge, Name: "gqlboost.matview.leader", Unit: "1", Help: "Whether this instance refreshes the view.", Value: leads, Attrs: attrs},
			{Kind: gqlboost.Counter, Name: "gqlboost.matview.refreshes", Unit: "{refresh}", Help: "Refreshes by this instance.", Value: float64(r.refreshes.Load()), Attrs: attrs},
			{Kind: gqlboost.Counter, Name: "gqlboost.matview.failures", Unit: "{refresh}", Help: "Refreshes and looks at the view that failed.", Value: float64(r.failures.Load()), Attrs: attrs},
			{Kind: gqlboost.Gauge, Name: "gqlboost.matview.duration", Unit: "s", Help: "Time that this instance's last refresh took.", Value: float64(r.took.Load()) / 1e9, Attrs: attrs},
		}
		if age, known := r.Staleness(); known {
			list = append(list, gqlboost.Metric{Kind: gqlboost.Gauge, Name: "gqlboost.matview.staleness", Unit: "s", Help: "Age of what readers see.", Value: age.Seconds(), Attrs: attrs})
		}
		return list
	})
}
