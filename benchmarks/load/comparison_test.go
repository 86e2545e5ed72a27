package load

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Each contender has each place, and each of the others right before it, equally often.
func TestOrderIsBalanced(t *testing.T) {
	for n := 1; n <= 13; n++ {
		rounds, times := n, 1
		if n%2 == 1 {
			rounds, times = 2*n, 2
		}
		places, behind := map[[2]int]int{}, map[[2]int]int{}
		for round := range rounds {
			order := Order(n, round)
			for place, i := range order {
				places[[2]int{i, place}]++
				if place > 0 {
					behind[[2]int{order[place-1], i}]++
				}
			}
			if slices.Sort(order); len(slices.Compact(order)) != n || order[0] != 0 || order[n-1] != n-1 {
				t.Fatalf("%d contenders, round %d: %v", n, round, Order(n, round))
			}
		}
		if len(places) != n*n || len(behind) != n*(n-1) {
			t.Errorf("%d contenders: %d places, %d pairs", n, len(places), len(behind))
		}
		for _, counts := range []map[[2]int]int{places, behind} {
			for pair, count := range counts {
				if count != times {
					t.Errorf("%d contenders: %v %d times, want %d", n, pair, count, times)
				}
			}
		}
	}
}

// A session that goes on with others has the rounds that come next.
func TestTurnsOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // Contenders pause after each other.
		var turns []string
		var list []turn
		for _, name := range []string{"a", "b", "c", "d"} {
			list = append(list, turn{contender{name: name, runs: new(int)}, &turns})
		}
		c, err := CompareFrom(t.Context(), "closed", list, Config{}, 1, 2, nil, io.Discard)
		if want := []string{"b", "c", "a", "d", "c", "d", "b", "a"}; err != nil || !slices.Equal(turns, want) {
			t.Errorf("%v, want %v, %v", turns, want, err)
		}
		for _, round := range c.Rounds {
			for i, r := range round {
				if r.Server != list[i].name {
					t.Errorf("the result of %s is that of %s", list[i].name, r.Server)
				}
			}
		}
	})
}

// A server whose process is not known is none of the other processes.
func TestOthersBesideAnUnknownServer(t *testing.T) {
	own := os.Getpid()
	for name, c := range map[string]struct {
		target  Target
		unknown bool
	}{
		"neither":   {Target{}, true},
		"server":    {Target{PID: own}, true},
		"Postgres":  {Target{PostgresPID: own}, true},
		"all known": {Target{PID: own, PostgresPID: own}, false},
	} {
		m := startMeter(t.Context(), c.target)
		time.Sleep(50 * time.Millisecond) // The system's counters have steps of a hundredth of a second.
		_, conditions := m.end(t.Context(), 1, nil)
		if conditions == nil {
			t.Skip("the system does not tell its conditions")
		}
		if conditions.OthersUnknown != c.unknown || c.unknown && conditions.Others != 0 {
			t.Errorf("%s: %+v", name, conditions)
		}
	}
}

// turn notes when a contender is measured.
type turn struct {
	contender
	turns *[]string
}

func (c turn) Measure(ctx context.Context, config Config, log io.Writer) (*Result, error) {
	*c.turns = append(*c.turns, c.name)
	return c.contender.Measure(ctx, config, log)
}

// At a given rate all rounds have the same throughput but for noise: P95 tells which is the median
// one. In a closed loop the throughput does.
func TestMedianRound(t *testing.T) {
	for name, c := range map[string]struct {
		rate float64
		p95  []float64 // of rounds with a throughput of 100, 101, 102 ...
		want float64
		by   string
	}{
		"closed loop":  {0, []float64{30, 90, 20}, 90, ""},
		"given rate":   {100, []float64{30, 90, 20}, 30, ByP95},
		"an even rate": {100, []float64{30, 90, 20, 40}, 40, ByP95}, // The worse of the two in the middle.
	} {
		var comparison Comparison
		for i, p95 := range c.p95 {
			comparison.Rounds = append(comparison.Rounds, []*Result{
				{Rate: c.rate, Throughput: float64(100 + i), Latency: Latency{P95: p95}}})
		}
		m := comparison.Median()[0]
		if m.Latency.P95 != c.want || m.MedianBy != c.by {
			t.Errorf("%s: P95 %v by %q, want %v by %q", name, m.Latency.P95, m.MedianBy, c.want, c.by)
		}
		text := (&Report{Results: []*Result{m}}).MedianRound()
		if strings.Contains(text, "P95") != (c.by == ByP95) {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// The errors of all rounds are a share of the requests of all rounds, each of a kind.
func TestErrorRateOfRounds(t *testing.T) {
	var c Comparison
	for i := range 4 {
		r := &Result{Requests: 99, Throughput: float64(i), Errors: 1, ErrorKinds: map[string]int64{"timeout": 1}}
		if i == 3 {
			r.ErrorKinds = map[string]int64{"connection refused": 1}
		}
		c.Rounds = append(c.Rounds, []*Result{r})
	}
	m := c.Median()[0]
	want := map[string]int64{"timeout": 3, "connection refused": 1}
	if m.Requests != 99 || m.Errors != 4 || m.ErrorRate() != 0.01 || !maps.Equal(m.ErrorKinds, want) {
		t.Errorf("%d errors of %v, a rate of %v", m.Errors, m.ErrorKinds, m.ErrorRate())
	}
	if one := c.Rounds[0][0]; one.Errors != 1 || one.ErrorRate() != 0.01 || len(one.ErrorKinds) != 1 {
		t.Errorf("the round has changed: %+v", one)
	}
}
