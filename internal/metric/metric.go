// Package metric has what the blocks share to measure themselves.
package metric

import (
	"iter"
	"slices"

	"github.com/gqlboost/gqlboost"
)

// Sequence yields a snapshot, which is taken each time it is ranged over.
func Sequence(take func() []gqlboost.Metric) iter.Seq[gqlboost.Metric] {
	return func(yield func(gqlboost.Metric) bool) { slices.Values(take())(yield) }
}
