package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// How slow new instances may be, compared with the others at the same time.
const (
	mostFirst  = 1.25        // in their first second
	mostSecond = mostLatency // in their second one
)

// pair is the latencies of a new instance in a second, and those of the others in the same one: what
// disturbs the machine disturbs both.
type pair struct{ fresh, others []time.Duration }

// beginnings returns the pairs of the second that begins some time after each start of an instance.
func (w *watcher) beginnings(after time.Duration) (list []pair, worst *machine.Conditions) {
	for _, s := range w.starts {
		if s.at < 0 {
			continue // It was before the load.
		}
		var p pair
		from := s.at + after
		for _, r := range w.between(from, from+time.Second) {
			switch {
			case r.err != nil || r.slot == 0:
			case r.slot == s.slot:
				p.fresh = append(p.fresh, r.took)
			default:
				p.others = append(p.others, r.took)
			}
		}
		if len(p.fresh) > 0 && len(p.others) > 0 {
			list = append(list, p)
			worst = machine.Worst(worst, w.conditions(from, from+time.Second))
		}
	}
	return list, worst
}

// fastAtOnce says that new instances must answer as the others do.
func (w *watcher) fastAtOnce(what string, after time.Duration, most float64) Check {
	c := Check{What: fmt.Sprintf("P95 of new instances in their %s second is within %.0f %% of that of the others "+
		"at the same time", what, 100*(most-1))}
	pairs, conditions := w.beginnings(after)
	if len(pairs) == 0 {
		c.Found = "no instance was new"
		return c
	}
	fresh, others := together(pairs)
	low := pairsAtLeast(pairs)
	c.Held = low <= most
	c.Found = fmt.Sprintf("%.1f ms (%d requests to %d instances), the others %.1f ms (%d): %.2f of it, "+
		"at least %.2f with a certainty of %.0f %%; P50 %.1f and %.1f ms",
		millis(percentile(fresh, 0.95)), len(fresh), len(pairs), millis(percentile(others, 0.95)), len(others),
		ratio(fresh, others), low, 100*certainty, millis(percentile(fresh, 0.5)), millis(percentile(others, 0.5)))
	if !c.Held && conditions.Busy() {
		c.Open = true
		c.Found += "; " + conditions.String()
	}
	return c
}

// together returns the latencies of all pairs.
func together(pairs []pair) (fresh, others []time.Duration) {
	for _, p := range pairs {
		fresh, others = append(fresh, p.fresh...), append(others, p.others...)
	}
	return fresh, others
}

func ratio(fresh, others []time.Duration) float64 {
	return float64(percentile(fresh, 0.95)) / float64(max(percentile(others, 0.95), 1))
}

// pairsAtLeast returns what the ratio of the P95s is above with the certainty: by drawing pairs
// again, with replacement.
func pairsAtLeast(pairs []pair) float64 {
	random := rand.New(rand.NewPCG(1, 2))
	ratios := make([]float64, resamples)
	for i := range ratios {
		drawn := make([]pair, len(pairs))
		for n := range drawn {
			drawn[n] = pairs[random.IntN(len(pairs))]
		}
		ratios[i] = ratio(together(drawn))
	}
	slices.Sort(ratios)
	return ratios[int((1-certainty)*resamples)]
}
