package fleet

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	certainty = 0.99 // with which a ratio must be too high to fail
	resamples = 300
)

// pair is the latencies of some requests, and those of others at the same time: what disturbs the
// machine disturbs both.
type pair struct{ own, others []time.Duration }

// ratio is the P95 of the requests of all pairs, of that of the others.
func ratio(pairs []pair) float64 {
	own, others := together(pairs)
	return float64(max(percentile(own, 0.95), 1)) / float64(max(percentile(others, 0.95), 1))
}

// together returns the latencies of all pairs.
func together(pairs []pair) (own, others []time.Duration) {
	for _, p := range pairs {
		own, others = append(own, p.own...), append(others, p.others...)
	}
	return own, others
}

// atLeast returns what a figure is above with the certainty: it is computed again and again from pairs
// that are drawn with replacement. What disturbs one request disturbs its neighbours, so pairs must be
// of times that are long enough to count as independent.
func atLeast(figure func(draw func([]pair) []pair) float64) float64 {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(pairs []pair) []pair {
		drawn := make([]pair, len(pairs))
		for i := range drawn {
			drawn[i] = pairs[random.IntN(len(pairs))]
		}
		return drawn
	}
	figures := make([]float64, resamples)
	for i := range figures {
		figures[i] = figure(draw)
	}
	slices.Sort(figures)
	return figures[int((1-certainty)*resamples)]
}

// percentile returns that of latencies, 0 if there are none.
func percentile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// took returns the latencies of requests that were answered.
func took(list []result) (out []time.Duration) {
	for _, r := range list {
		if r.err == nil {
			out = append(out, r.took)
		}
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
