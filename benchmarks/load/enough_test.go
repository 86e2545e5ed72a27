package load

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

func TestKnows(t *testing.T) {
	for _, c := range []struct {
		requests   int64
		percentile float64
		want       bool
	}{
		{0, 0, false}, {9, 0, false}, {10, 0, true}, {19, 50, false}, {20, 50, true}, {MinRequests - 1, 95, false}, {MinRequests, 95, true},
		{999, 99, false}, {1000, 99, true}, {9999, 99.9, false}, {10_000, 99.9, true}, {99_999, 99.99, false}, {100_000, 99.99, true},
	} {
		r := Result{Requests: c.requests}
		if got := r.Knows(c.percentile); got != c.want {
			t.Errorf("P%v of %d: %v", c.percentile, c.requests, got)
		}
		if shown := tail(c.requests, c.percentile, 7) == "7.0"; shown != c.want {
			t.Errorf("P%v of %d is written: %v", c.percentile, c.requests, shown)
		}
	}
}

// Percentiles end where fewer than ten requests are slower, and are those of the requests.
func TestPercentilesOf(t *testing.T) {
	for n, last := range map[int]float64{0: -1, 9: -1, 10: 0, 100: 90, 1000: 99, 10_000: 99.9} {
		h := newHistogram(digits)
		for i := range n {
			if err := h.RecordValue(int64(1000 * (i + 1))); err != nil {
				t.Fatal(err)
			}
		}
		list := percentilesOf(h)
		if last < 0 {
			if len(list) > 0 {
				t.Errorf("%d requests: %v", n, list)
			}
			continue
		}
		if got := list[len(list)-1][0]; got != last {
			t.Errorf("%d requests: the last is P%v", n, got)
		}
		for i, p := range list {
			want := max(float64(n)*p[0]/100, 1) // The latencies are 1 to n ms.
			if p[1] < want*0.99-1 || p[1] > want*1.01+1 || i > 0 && (p[0] <= list[i-1][0] || p[1] < list[i-1][1]) {
				t.Errorf("%d requests: P%v is %v, want %v", n, p[0], p[1], want)
			}
		}
	}
}

// A run that has sent next to nothing is an error that says why, not a row.
func TestTooFewRequestsAreNoResult(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "totals") {
			_, _ = io.WriteString(w, `{"data":{"totals":{"users":1000,"posts":1000,"comments":5000}}}`)
			return
		}
		answerOK(w, r)
	})
	target := Target{Name: "slow one", URL: url}
	c := Config{Mix: fixed, Totals: totals, Clients: 1, Duration: 200 * time.Millisecond, MinRequests: 1 << 40}
	r, err := Measure(t.Context(), target, c, io.Discard)
	if r != nil || !errors.Is(err, ErrTooFew) || !strings.Contains(err.Error(), "slow one") || !strings.Contains(err.Error(), "the machine: ") {
		t.Errorf("%+v, %v", r, err)
	}
	c.MinRequests = 1
	if r, err = Measure(t.Context(), target, c, io.Discard); err != nil || r.Requests == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	few := Result{Server: "a", Requests: 3, Seconds: 5, Errors: 9, ErrorKinds: map[string]int64{"timeout": 2, "connection refused": 7},
		Conditions: &machine.Conditions{Others: 0.5}}
	const want = "load: a: too few requests for a result: 3 in 5.0 s, where 200 are the least; errors: 9\n  7 x connection refused\n  2 x timeout\n" +
		"  the machine: busy: other processes used 50 % of the CPU"
	if err := few.enough(MinRequests); err == nil || err.Error() != want || !errors.Is(err, ErrTooFew) {
		t.Error(err)
	}
	few.Requests = MinRequests
	if err := few.enough(MinRequests); err != nil {
		t.Error(err)
	}
}

func TestHeadline(t *testing.T) {
	result := func(server string) *Result {
		return &Result{Server: server, Preset: "closed", Mode: "64 clients", Requests: 1000, Throughput: 100, Latency: Latency{P95: 50}}
	}
	gain := func(server string, low, median float64) *Gain {
		return &Gain{Server: server, Preset: "closed", Throughput: Ratio{median, low, 2 * median}, P95: Ratio{1 / median, 1 / median, 1}}
	}
	both := []*Result{result("baseline"), result("a"), result("b")}
	broken := gain("b", 2, 3)
	broken.Errors = 1
	for name, c := range map[string]struct {
		report Report
		want   string
	}{
		"nothing":    {Report{}, "Nothing was measured."},
		"one server": {Report{Results: both[:1]}, "baseline answers 100 requests/s with a P95 of 50.0 ms (64 clients)."},
		"all gain": {Report{Results: both, Gains: []*Gain{gain("b", 1.5, 4), gain("a", 1.1, 2), gain("stream", 5, 9)}},
			"Both other servers answered more than baseline's 100 requests/s with a P95 of 50.0 ms (64 clients); b the most: 4.00 times as many, at 0.25 times the P95."},
		"one round": {Report{Results: both[:2], Gains: []*Gain{{Server: "a", Preset: "closed", Rounds: 1, Throughput: Ratio{2, 2, 2}, P95: Ratio{0.5, 0.5, 0.5}}}},
			"The other server answered more than baseline's 100 requests/s with a P95 of 50.0 ms (64 clients); a the most: 2.00 times as many, at 0.50 times the P95. " +
				"There was one round only, so it may be luck."},
		"one gains": {Report{Results: both, Gains: []*Gain{gain("b", 0.9, 4), gain("a", 1.1, 2)}},
			"1 of 2 other servers answered more than baseline's 100 requests/s with a P95 of 50.0 ms (64 clients); a the most: 2.00 times as many, at 0.50 times the P95."},
		"by luck": {Report{Results: both, Gains: []*Gain{gain("b", 0.9, 4), gain("a", 0.8, 1.2)}},
			"Nothing was gained for certain: no server answered more in every round than baseline's 100 requests/s with a P95 of 50.0 ms (64 clients)."},
		"with errors": {Report{Results: both, Gains: []*Gain{broken}},
			"Nothing was gained for certain: no server answered more in every round than baseline's 100 requests/s with a P95 of 50.0 ms (64 clients)."},
	} {
		if got := Headline(&c.report); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Whatever has failed is named, but nothing twice: a server has a result and a gain.
func TestFailed(t *testing.T) {
	r := &Report{Results: []*Result{{Server: "baseline", Preset: "closed"}, {Server: "a", Preset: "closed"}},
		Gains: []*Gain{{Server: "a", Preset: "closed"}, {Server: "gc", Preset: "closed", Alone: true}}}
	if err := r.Failed(); err != nil {
		t.Error(err)
	}
	r.Results[1].Requests, r.Results[1].Errors, r.Results[1].ErrorKinds = 98, 2, map[string]int64{"timeout": 2}
	r.Gains[0].Errors, r.Gains[1].Errors = 2, 3
	const want = "a, closed: 2 requests failed (2.00 %): map[timeout:2]\ngc alone or the baseline beside it, closed: 3 requests failed"
	if err := r.Failed(); err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestWarning(t *testing.T) {
	r := exampleReport()
	r.Gains = []*Gain{{Server: "reader", Preset: "closed", Conditions: &machine.Conditions{Others: 0.01}}}
	if got := Warning(r); got != "" {
		t.Error(got)
	}
	r.Results[1].Conditions = &machine.Conditions{Steal: 0.2}
	r.Gains[0].Conditions.Others = 0.4
	const want = "The machine was busy in 2 of 3 rows (at worst other processes used 40 % of the CPU, other machines took 20 % of the CPU)" +
		": compare the figures with each other, and with no other run."
	if got := Warning(r); got != want {
		t.Error(got)
	}
}

// The median of rounds has the worst conditions of all of them: its ratios come from all.
func TestMedianHasTheWorstConditions(t *testing.T) {
	c := Comparison{Preset: "closed"}
	for i, others := range []float64{0.1, 0.3, 0.2} {
		round := []*Result{{Server: "baseline", Throughput: 100}, {Server: "a", Throughput: float64(100 * (i + 1))}}
		round[1].Conditions = &machine.Conditions{Others: others}
		c.Rounds = append(c.Rounds, round)
	}
	median := c.Median()
	if median[1].Throughput != 200 || median[1].Conditions.Others != 0.3 || median[0].Conditions != nil {
		t.Errorf("%+v, %+v", median[0], median[1])
	}
	if g := c.Gains()[0]; g.Conditions == nil || g.Conditions.Others != 0.3 {
		t.Errorf("%+v", g.Conditions)
	}
}

func TestCharts(t *testing.T) {
	r := exampleReport()
	names := func() (list []string) {
		for _, c := range charts(r) {
			list = append(list, c.Name)
			for _, s := range c.Series {
				list = append(list, s.Name)
			}
		}
		return list
	}
	const one = "[servers throughput latency-all closed peak cpu-all server Postgres throughput-all closed peak p95-all closed peak]"
	if got := fmt.Sprint(names()); got != one {
		t.Errorf("one server: %s", got)
	}
	r.Results[0].Server, r.Results[0].Resources.GeneratorCPU = "boosted", 1
	r.Results[0].Resources.Memory = []MemorySample{{0, 1 << 20}, {1, 2 << 20}}
	r.Gains = []*Gain{{Server: "boosted", Preset: "closed", Throughput: Ratio{2, 2, 2}}, {Server: "gc", Preset: "closed"}, {Server: "boosted", Preset: "peak"}}
	const two = "[servers throughput gains throughput P95 latency-closed boosted cpu-closed server Postgres load generator throughput-closed boosted p95-closed boosted" +
		" memory-closed boosted latency-peak baseline cpu-peak server Postgres throughput-peak baseline p95-peak baseline]"
	if got := fmt.Sprint(names()); got != two {
		t.Errorf("two servers: %s", got)
	}
	list := charts(r)
	if got := fmt.Sprint(list[1].Names, list[1].Series[0].Labels); got != "[boosted gc alone] [2.00x 0.00x]" {
		t.Errorf("gains: %s", got)
	}
	if got := fmt.Sprint(list[2].Series[0].Points); got != "[[50 1] [90 2]]" {
		t.Errorf("percentiles of 100 requests: %s", got)
	}
	if got := fmt.Sprint(list[6].Series[0].Points); got != "[[0 1] [1 2]]" {
		t.Errorf("memory in MiB: %s", got)
	}
}

// A ratio is that of percentiles that both servers know.
func TestGainsOfUnknownPercentiles(t *testing.T) {
	run := func(requests int64, p95, p99 float64) *Result {
		return &Result{Server: "a", Requests: requests, Throughput: 1, Latency: Latency{P50: 1, P95: p95, P99: p99}}
	}
	c := Comparison{Rounds: [][]*Result{{run(5000, 10, 20), run(5000, 5, 10)}, {run(5000, 10, 20), run(500, 4, 1)}, {run(500, 10, 1), run(100, 1, 1)}}}
	g := c.Gains()[0]
	if g.P99 != (Ratio{0.5, 0.5, 0.5}) || g.P95 != (Ratio{0.45, 0.4, 0.5}) || g.P50 != (Ratio{1, 1, 1}) {
		t.Errorf("P99 %v, P95 %v, P50 %v", g.P99, g.P95, g.P50)
	}
}
