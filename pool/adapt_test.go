package pool

import (
	"sync/atomic"
	"testing"
	"time"
)

// The controller finds a good size for servers of different kinds, from below and
// from above, and stays there.
func TestControllerConverges(t *testing.T) {
	const shortest = 100 * time.Microsecond
	for name, c := range map[string]struct {
		use      func(n float64) time.Duration // with so many at work
		callers  float64
		min, max int64
	}{
		// Two processors: what comes beyond waits for them.
		"two processors": {func(n float64) time.Duration { return time.Duration(float64(shortest) * max(1, n/2)) }, 100, 3, 8},
		"sixteen":        {func(n float64) time.Duration { return time.Duration(float64(shortest) * max(1, n/16)) }, 100, 14, 24},
		// Each waits for something of its own: more is better.
		"waiting":     {func(float64) time.Duration { return 5 * time.Millisecond }, 300, 100, 100},
		"few callers": {func(float64) time.Duration { return 5 * time.Millisecond }, 10, 10, 13},
	} {
		for _, from := range []int64{minSize, 100} {
			k := &controller{max: 100}
			limit := from
			lowest, highest := int64(1000), int64(0)
			for i := range 1200 { // a minute
				used := min(float64(limit), c.callers)
				k.waiting = c.callers > float64(limit)
				limit = k.next(limit, used, c.use(used))
				// From above it must wait for a probe.
				if settled := i > 60 && from == minSize || i > 3*probeEvery; settled && k.probing == 0 {
					lowest, highest = min(lowest, limit), max(highest, limit)
				}
			}
			if from == 100 && c.callers < 100 {
				continue // Nothing is wrong with a limit that nobody reaches.
			}
			if from == 100 {
				c.max = min(c.max*3/2, 100) // Probes find the shortest use step by step.
			}
			if lowest < c.min || highest > c.max {
				t.Errorf("%s from %d: between %d and %d, want %d to %d", name, from, lowest, highest, c.min, c.max)
			}
		}
	}
}

func TestAdaptiveSize(t *testing.T) {
	p := open(t, "pool_max_conns=20&pool_adaptive=true")
	if n := p.admission.limit.Load(); n != minSize {
		t.Errorf("it starts with %d", n)
	}
	const enough = 6 // On a busy machine it does not come to 20: connections do slow each other down.
	deadline := time.Now().Add(time.Minute)
	var reached atomic.Bool // It may go back when the crowd leaves.
	crowd(40, func(int) {
		for !reached.Load() && time.Now().Before(deadline) {
			if p.admission.limit.Load() >= enough {
				reached.Store(true)
			}
			if _, err := p.Exec(t.Context(), "select pg_sleep(0.005)"); err != nil {
				t.Error(err)
			}
		}
	})
	if !reached.Load() {
		t.Errorf("with queries that wait it went to %d, not to %d", p.admission.limit.Load(), enough)
	}
	if n := p.admission.inside.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}
