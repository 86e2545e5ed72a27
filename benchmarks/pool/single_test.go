package pool

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkSingle has one caller, who asks the Reader and pgxpool in turns, a hundred queries
// each, so that what else the machine does meets both. Its metric is how many times as fast
// the Reader is.
func BenchmarkSingle(b *testing.B) {
	setUp(b)
	ours, peer := querier(open(b, server.DSN()).Reader()), querier(fixed(b, server.DSN(), 8))
	id := 0
	turn := func(q querier) time.Duration {
		start := time.Now()
		for range 100 {
			id = (id + 7919) % rows
			if err := point(b.Context(), q, id+1); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	for range 5 { // Statements become known.
		turn(ours)
		turn(peer)
	}
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		order := []querier{ours, peer}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		took := map[querier]time.Duration{}
		for _, q := range order {
			took[q] = turn(q)
		}
		ratios = append(ratios, float64(took[peer])/float64(took[ours]))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-pgxpool")
}
