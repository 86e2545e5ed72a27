package load

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	lowest  = 1                                 // microseconds
	highest = int64(10 * time.Minute / 1000)    // microseconds
	digits  = 3                                 // of a run's percentiles
	maxKind = 20                                // different error texts that are kept
	settled = (requestTimeout/time.Second + 60) // seconds after which no result of a second is to come
)

// recorder collects results. It is safe for concurrent use.
type recorder struct {
	mu         sync.Mutex
	all        *hdrhistogram.Histogram
	operations []*tally
	seconds    map[int]*tally
	timeline   []Second
	errors     map[string]int64
	bytes      int64
}

// tally counts the requests of an operation, or of a second.
type tally struct {
	latency *hdrhistogram.Histogram
	errors  int64
}

func newHistogram(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(lowest, highest, digits)
}

func newRecorder(mix Mix) *recorder {
	r := &recorder{all: newHistogram(digits), seconds: map[int]*tally{}, errors: map[string]int64{}}
	for range mix {
		r.operations = append(r.operations, &tally{latency: newHistogram(digits)})
	}
	return r
}

// record takes the result of a request that was due at a time since the start
// of the measurement. A negative time belongs to the warm-up and is dropped.
func (r *recorder) record(operation int, due, latency time.Duration, bytes int, err error) {
	if due < 0 {
		return
	}
	micros := min(max(latency.Microseconds(), lowest), highest)
	r.mu.Lock()
	defer r.mu.Unlock()
	second := r.second(int(due / time.Second))
	if err != nil {
		r.operations[operation].errors++
		second.errors++
		kind := err.Error()
		if _, known := r.errors[kind]; !known && len(r.errors) >= maxKind {
			kind = "other"
		}
		r.errors[kind]++
		return
	}
	r.bytes += int64(bytes)
	// The histograms span every latency that is possible: no error to handle.
	_ = r.all.RecordValue(micros)
	_ = r.operations[operation].latency.RecordValue(micros)
	_ = second.latency.RecordValue(micros)
}

// second returns the record of second n, and summarizes those long past: a run
// of hours must not keep a histogram for each of its seconds.
func (r *recorder) second(n int) *tally {
	s := r.seconds[n]
	if s == nil {
		s = &tally{latency: newHistogram(2)}
		r.seconds[n] = s
		for m := range r.seconds {
			if m < n-int(settled) {
				r.settle(m)
			}
		}
	}
	return s
}

func (r *recorder) settle(n int) {
	s := r.seconds[n]
	delete(r.seconds, n)
	r.timeline = append(r.timeline, Second{
		Second: n, Requests: s.latency.TotalCount(), Errors: s.errors,
		P50: millis(s.latency, 50), P95: millis(s.latency, 95), P99: millis(s.latency, 99),
	})
}

func millis(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtPercentile(percentile)) / 1000
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	return Latency{
		Mean: h.Mean() / 1000, P50: millis(h, 50), P90: millis(h, 90), P95: millis(h, 95), P99: millis(h, 99),
		P999: millis(h, 99.9), Max: float64(h.Max()) / 1000,
	}
}

// steps are those of a histogram's percentiles in each decade of the tail.
const steps = 8

// percentilesOf returns the latencies at percentiles that come ever closer to 100, as far as
// enough requests are beyond them.
func percentilesOf(h *hdrhistogram.Histogram) (list [][2]float64) {
	for i := 0; ; i++ {
		percentile := 100 * (1 - math.Pow(10, -float64(i)/steps))
		if !knows(h.TotalCount(), percentile) {
			return list
		}
		latency := millis(h, percentile)
		if i == 0 {
			latency = float64(h.Min()) / 1000
		}
		list = append(list, [2]float64{math.Round(1e4*percentile) / 1e4, latency})
	}
}

// progress returns the results so far.
func (r *recorder) progress() (requests, errors int64, p95 float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.operations {
		errors += o.errors
	}
	return r.all.TotalCount(), errors, millis(r.all, 95)
}

// result fills in what was recorded over the measured time.
func (r *recorder) result(mix Mix, measured time.Duration) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.seconds {
		r.settle(n)
	}
	slices.SortFunc(r.timeline, func(a, b Second) int { return a.Second - b.Second })
	result := &Result{
		Seconds: measured.Seconds(), Requests: r.all.TotalCount(), ErrorKinds: maps.Clone(r.errors),
		Throughput: float64(r.all.TotalCount()) / measured.Seconds(), Bytes: r.bytes,
		Latency: latencyOf(r.all), Percentiles: percentilesOf(r.all), Timeline: r.timeline,
	}
	for i, o := range r.operations {
		result.Errors += o.errors
		if mix[i].Weight > 0 {
			result.Operations = append(result.Operations, OperationResult{
				Name: mix[i].Name, Requests: o.latency.TotalCount(), Errors: o.errors, Latency: latencyOf(o.latency),
			})
		}
	}
	return result
}
