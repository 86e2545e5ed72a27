package load

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// PeerReport is what other servers make of the same load.
type PeerReport struct {
	Date     time.Time `json:"date"`
	Command  string    `json:"command"`
	Machine  Machine   `json:"machine"`
	Versions []Version `json:"versions"`
	// Conditions are the machine's in each session of the run: the load average before it, and
	// the worst of what else was done while a contender was measured.
	Conditions []*machine.Conditions `json:"conditions"`
	// Results has the round of each contender whose throughput is the median one, Gains
	// the ratios to the first contender in the same round.
	Results []*Result `json:"results"`
	Gains   []*Gain   `json:"gains"`
	// Skipped are those that could not be measured.
	Skipped []Skipped `json:"skipped,omitempty"`
	// Rounds are all rounds, by contender, which a later session can add to.
	Rounds [][]*Result `json:"rounds,omitempty"`
	// Throughputs are what Compact leaves of them: those of each contender, sorted.
	Throughputs [][]float64 `json:"throughputs,omitempty"`
}

// Skipped is a contender that was not measured.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Add takes the rounds of another session in, before which the machine had a load average. It
// must have measured the same contenders.
func (p *PeerReport) Add(c *Comparison, skipped []Skipped, loadBefore float64) error {
	if len(p.Rounds) > 0 {
		for i, r := range p.Rounds[0] {
			if len(c.Rounds[0]) != len(p.Rounds[0]) || c.Rounds[0][i].Server != r.Server {
				return fmt.Errorf("load: the rounds so far have other contenders than this session, which skipped %v", skipped)
			}
		}
	}
	p.Rounds = append(p.Rounds, c.Rounds...)
	all := &Comparison{Preset: c.Preset, Rounds: p.Rounds}
	p.Results, p.Gains, p.Skipped = all.Median(), all.Gains(), skipped
	conditions := c.Conditions()
	if conditions != nil {
		conditions.Load = loadBefore // That before a single run is the load of the one before it.
	}
	p.Conditions = append(p.Conditions, conditions)
	return nil
}

// Compact drops what is too much to publish.
func (p *PeerReport) Compact() {
	p.Throughputs = nil
	for i, r := range p.Results {
		r.Timeline, r.Operations = nil, nil
		var list []float64
		for _, round := range p.Rounds {
			list = append(list, round[i].Throughput)
		}
		slices.Sort(list)
		p.Throughputs = append(p.Throughputs, list)
	}
	p.Rounds = nil
}

// WritePeers prints a report for people.
func WritePeers(w io.Writer, p *PeerReport) {
	t := newTable(w)
	t.AppendHeader(table.Row{
		"server", "req/s", "P50", "P95", "P99 ms", "CPU us/req", "Postgres CPU us/req", "memory", "statements/req", "errors",
	})
	for _, r := range p.Results {
		u := r.Resources
		t.AppendRow(table.Row{
			r.Server, fmt.Sprintf("%.0f", r.Throughput), ms(r.Latency.P50), ms(r.Latency.P95), ms(r.Latency.P99),
			perRequest(u.ServerCPU, r.Requests), perRequest(u.PostgresCPU, r.Requests),
			humanize.IBytes(u.ServerMemory), fmt.Sprintf("%.2f", u.Statements), r.Errors,
		})
	}
	t.Render()
	for _, s := range p.Skipped {
		fmt.Fprintf(w, "%s was skipped: %s\n", s.Name, s.Reason)
	}
	for _, c := range p.Conditions {
		fmt.Fprintln(w, c.Figures())
	}
	for _, r := range p.Results {
		for kind, count := range r.ErrorKinds {
			fmt.Fprintf(w, "%s: %d x %s\n", r.Server, count, kind)
		}
	}
}
