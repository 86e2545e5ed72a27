package fleet

import (
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// How slow new instances may be, compared with the others at the same time.
const (
	mostFirst  = 1.25        // in their first second
	mostSecond = mostLatency // in their second one
)

// beginnings returns the latencies of new instances, and those of the others, in the second that begins
// some time after each start of an instance.
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
				p.own = append(p.own, r.took)
			default:
				p.others = append(p.others, r.took)
			}
		}
		if len(p.own) > 0 && len(p.others) > 0 {
			list = append(list, p)
			worst = machine.Worst(worst, w.conditions(from, from+time.Second))
		}
	}
	return list, worst
}

// fastAtOnce says that new instances must answer as the others do.
func (w *watcher) fastAtOnce(what string, after time.Duration, most float64) Check {
	c := Check{What: fmt.Sprintf("P95 of new instances in their %s second is at most %.3g times that of the others "+
		"at the same time", what, most)}
	pairs, conditions := w.beginnings(after)
	if len(pairs) == 0 {
		c.Found = "no instance was new"
		return c
	}
	fresh, others := together(pairs)
	low := atLeast(func(draw func([]pair) []pair) float64 { return ratio(draw(pairs)) })
	c.Held = low <= most
	c.Found = fmt.Sprintf("%.1f ms (%d requests to %d instances), the others %.1f ms (%d): %.2f times, "+
		"at least %.2f with a certainty of %.0f %%; P50 %.1f and %.1f ms",
		p95(fresh), len(fresh), len(pairs), p95(others), len(others),
		ratio(pairs), low, 100*certainty, millis(percentile(fresh, 0.5)), millis(percentile(others, 0.5)))
	c.openIfBusy(conditions)
	return c
}
