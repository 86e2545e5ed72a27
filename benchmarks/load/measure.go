package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"
)

// Measure runs a load against a target and adds what it cost. Progress goes to
// log, a line every few seconds. When the run is cut short the result so far
// comes with the error; a run with fewer requests than c.MinRequests has no result, and
// neither has one whose server ended meanwhile, if Launch started it.
func Measure(ctx context.Context, t Target, c Config, log io.Writer) (*Result, error) {
	totals, err := t.Totals(ctx)
	if err != nil {
		return nil, err
	}
	c.URL, c.Totals = t.URL, totals
	c.Variants = max(c.Variants, 1)
	c.Seed = max(c.Seed, 1)
	var m *meter
	c.Measuring = func() { m = startMeter(ctx, t) }
	c.Progress = func(elapsed time.Duration, requests, errors int64, p95 float64) {
		if seconds := int(elapsed.Seconds()); seconds%5 == 0 {
			fmt.Fprintf(log, "  %4ds  %8d requests  %6.0f/s  P95 %6.1f ms  %d errors\n",
				seconds, requests, float64(requests)/elapsed.Seconds(), p95, errors)
		}
	}
	fmt.Fprintf(log, "%s: %s for %v\n", t.Name, c.Mode(), c.Duration)
	sending, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-t.exited:
			stop() // There is nobody to send anything to.
		case <-sending.Done():
		}
	}()
	result, err := Run(sending, c)
	if gone := t.gone(); gone != nil {
		if m != nil {
			m.end(ctx, 0, nil)
		}
		return nil, gone
	}
	if result == nil {
		return nil, err
	}
	if m != nil {
		result.Resources, result.Conditions = m.end(ctx, result.Requests, c.Cores)
	}
	result.Server, result.Mode, result.Rate = t.Name, c.Mode(), c.meanRate()
	if few := result.enough(cmp.Or(c.MinRequests, MinRequests)); few != nil && err == nil {
		return nil, few
	}
	return result, err
}

// Measure is the function of that name, for comparisons.
func (t Target) Measure(ctx context.Context, c Config, log io.Writer) (*Result, error) {
	return Measure(ctx, t, c, log)
}

// String returns the target's name.
func (t Target) String() string { return t.Name }

// FindMaximum searches for the highest rate of an open loop whose P95 stays
// under bound with no errors. It starts from a closed loop's throughput, which
// is the most that the server can do at any latency, and halves the interval.
func FindMaximum(ctx context.Context, t Target, bound, each time.Duration, log io.Writer) (*Result, error) {
	closed, err := Measure(ctx, t, Config{Mix: BlogMix(), Clients: 64, Duration: each, Warmup: each / 5}, log)
	if err != nil {
		return nil, err
	}
	low, high := 0.0, 1.2*closed.Throughput
	var best *Result
	for range 6 {
		rate := (low + high) / 2
		long := max(each, time.Duration(1.5*MinRequests/rate*float64(time.Second))) // Enough for a result.
		r, err := Measure(ctx, t, Config{Mix: BlogMix(), Phases: []Phase{{rate, time.Hour}}, Arrivals: Poisson,
			Duration: long, Warmup: each / 5}, log)
		if err != nil {
			return nil, err
		}
		if r.Errors == 0 && r.Latency.P95 <= float64(bound)/float64(time.Millisecond) {
			low, best = rate, r
		} else {
			high = rate
		}
		if high-low < 0.04*high {
			break
		}
	}
	if best == nil {
		return nil, fmt.Errorf("load: no rate above %.0f/s keeps P95 under %v", high, bound)
	}
	best.Preset = "max"
	return best, nil
}
