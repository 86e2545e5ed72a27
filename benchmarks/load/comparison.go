package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// Contender is what a comparison measures: a server, or what else takes the same load.
type Contender interface {
	// Measure runs a load against it, and adds what it cost.
	Measure(ctx context.Context, c Config, log io.Writer) (*Result, error)
	// String returns its name in reports.
	String() string
}

// Comparison runs the same load against servers in turns, round after round, so that what
// the machine does meanwhile meets all of them.
type Comparison struct {
	Preset string
	Rounds [][]*Result // of each round, by server
}

// Order returns the order in which so many contenders take their turns in a round, which counts
// from 0. What one leaves behind, such as rows to vacuum and buffers to write, must not always be
// charged to the same other one: over as many rounds as there are contenders, or twice as many if
// their number is odd, each has each place equally often, and each of the others right before it
// in a round equally often (a Williams design).
func Order(contenders, round int) []int {
	order := make([]int, contenders)
	for place := range order {
		step := (place + 1) / 2 // 0, 1, -1, 2, -2, ...: the distances between neighbours all differ.
		if place%2 == 0 {
			step = contenders - step
		}
		order[place] = (step + round) % contenders
	}
	if contenders%2 == 1 && round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// Compare runs rounds of a load. The servers take turns, in another [Order] in each round.
func Compare[C Contender](
	ctx context.Context, preset string, contenders []C, c Config, rounds int, log io.Writer,
) (*Comparison, error) {
	return CompareFrom(ctx, preset, contenders, c, 0, rounds, nil, log)
}

// CompareFrom is Compare for a session that is not the first one: it has had so many rounds
// already. A contender that cannot be measured, other than the first one, is left out of all
// rounds, and drop is told why; if drop is nil there is no comparison.
func CompareFrom[C Contender](
	ctx context.Context, preset string, contenders []C, c Config, had, rounds int, drop func(name string, why error),
	log io.Writer,
) (*Comparison, error) {
	if rounds < 1 || len(contenders) == 0 {
		return nil, fmt.Errorf("load: %d rounds of %d contenders compare nothing", rounds, len(contenders))
	}
	comparison := &Comparison{Preset: preset}
	dropped := make([]bool, len(contenders))
	for round := had; round < had+rounds; round++ {
		results := make([]*Result, len(contenders))
		for _, i := range Order(len(contenders), round) {
			if dropped[i] {
				continue
			}
			c.Seed = uint64(round + 1)
			r, err := contenders[i].Measure(ctx, c, log)
			if err != nil && (drop == nil || i == 0 || ctx.Err() != nil) {
				return nil, fmt.Errorf("%s: %w", contenders[i], err)
			}
			if err != nil {
				dropped[i] = true
				drop(contenders[i].String(), err)
				continue
			}
			r.Preset = preset
			results[i] = r
			// What one leaves behind, such as closing connections, must not be the next one's.
			time.Sleep(200 * time.Millisecond)
		}
		comparison.Rounds = append(comparison.Rounds, results)
	}
	for i, results := range comparison.Rounds {
		var left []*Result
		for n, r := range results {
			if !dropped[n] {
				left = append(left, r)
			}
		}
		comparison.Rounds[i] = left
	}
	return comparison, nil
}

// Median returns, of each server, the round that is the median one (the worse of the two in the
// middle), with the errors and the worst conditions of all rounds: a result that was measured, not
// one that was put together. In a closed loop that is the round with the median throughput; at a
// given rate, where the throughput is that of the load, the one with the median P95.
func (c *Comparison) Median() []*Result {
	var medians []*Result
	for i := range c.Rounds[0] {
		list := make([]*Result, 0, len(c.Rounds))
		for _, round := range c.Rounds {
			list = append(list, round[i])
		}
		by, worse := "", func(a, b *Result) int { return cmp.Compare(a.Throughput, b.Throughput) }
		if list[0].Rate > 0 {
			by, worse = ByP95, func(a, b *Result) int { return cmp.Compare(b.Latency.P95, a.Latency.P95) }
		}
		slices.SortFunc(list, worse)
		median := *list[(len(list)-1)/2]
		median.MedianBy, median.Conditions = by, c.conditions(i)
		median.addErrors(list)
		medians = append(medians, &median)
	}
	return medians
}

// addErrors sets the errors to those of all rounds.
func (r *Result) addErrors(rounds []*Result) {
	r.Errors, r.ErrorKinds, r.AllRequests = 0, nil, 0
	for _, each := range rounds {
		r.Errors += each.Errors
		r.AllRequests += each.Requests
		for kind, count := range each.ErrorKinds {
			if r.ErrorKinds == nil {
				r.ErrorKinds = map[string]int64{}
			}
			r.ErrorKinds[kind] += count
		}
	}
}

// Conditions are the worst that any contender met in any round; nil if none were recorded.
func (c *Comparison) Conditions() *machine.Conditions {
	var worst *machine.Conditions
	for _, round := range c.Rounds {
		for _, r := range round {
			worst = machine.Worst(worst, r.Conditions)
		}
	}
	return worst
}

// conditions returns the worst that servers met in any round.
func (c *Comparison) conditions(servers ...int) (worst *machine.Conditions) {
	for _, round := range c.Rounds {
		for _, i := range servers {
			worst = machine.Worst(worst, round[i].Conditions)
		}
	}
	return worst
}

// ratio returns that of a figure of server i to that of the first server in the same
// round. A figure of 0 is one that a round does not know.
func (c *Comparison) ratio(i int, figure func(*Result) float64) Ratio {
	var list []float64
	for _, round := range c.Rounds {
		if base, own := figure(round[0]), figure(round[i]); base > 0 && own > 0 {
			list = append(list, own/base)
		}
	}
	if len(list) == 0 {
		return Ratio{}
	}
	slices.Sort(list)
	n := len(list)
	return Ratio{(list[n/2] + list[(n-1)/2]) / 2, list[0], list[n-1]}
}
