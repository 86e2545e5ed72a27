package pool

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost"
)

// bounds are those that OpenTelemetry's conventions ask for durations of database
// clients, in seconds.
var bounds = [...]float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}

// histogram counts durations. It is safe for concurrent use.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i, _ := slices.BinarySearch(bounds[:], d.Seconds())
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// buckets returns the counts, and zeros observations of nothing besides.
func (h *histogram) buckets(zeros uint64) []gqlboost.Bucket {
	list := make([]gqlboost.Bucket, len(h.counts))
	for i := range list {
		list[i] = gqlboost.Bucket{UpperBound: math.Inf(1), Count: h.counts[i].Load()}
		if i < len(bounds) {
			list[i].UpperBound = bounds[i]
		}
	}
	list[0].Count += zeros
	return list
}
