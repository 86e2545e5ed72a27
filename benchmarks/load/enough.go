package load

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// MinRequests is how many requests a run must have answered to be a result: ten are then
// slower than its P95. With fewer the P95 is a matter of a few requests' luck.
const MinRequests = 200

// beyond is how many requests must be slower than a percentile for it to be shown.
const beyond = 10

// ErrTooFew is the error of a run that has answered too few requests for its percentiles to
// say anything.
var ErrTooFew = errors.New("too few requests for a result")

// Knows reports whether there are enough requests for a percentile.
func (r *Result) Knows(percentile float64) bool { return knows(r.Requests, percentile) }

func knows(requests int64, percentile float64) bool {
	return float64(requests)*(100-percentile)/100 >= beyond-1e-6
}

// known returns a percentile's latency, or 0 if there are too few requests for it.
func (r *Result) known(percentile, latency float64) float64 {
	if !r.Knows(percentile) {
		return 0
	}
	return latency
}

// tail writes a percentile's latency, or that there are too few requests for it.
func tail(requests int64, percentile, latency float64) string {
	if !knows(requests, percentile) {
		return "-"
	}
	return ms(latency)
}

// enough returns an error that says what happened if the run is no result.
func (r *Result) enough(least int64) error {
	if r.Requests >= least {
		return nil
	}
	err := fmt.Errorf("load: %s: %w: %d in %.1f s, where %d are the least; errors: %d", r.Server, ErrTooFew, r.Requests,
		r.Seconds, least, r.Errors)
	for _, kind := range slices.Sorted(maps.Keys(r.ErrorKinds)) {
		err = fmt.Errorf("%w\n  %d x %s", err, r.ErrorKinds[kind], kind)
	}
	return fmt.Errorf("%w\n  the machine: %v", err, r.Conditions)
}
