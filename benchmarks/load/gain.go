package load

import (
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// Ratio is that of a figure to the first server's, of each round of a comparison.
type Ratio struct {
	Median  float64 `json:"median"`
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
}

// String returns the ratio with its range.
func (r Ratio) String() string {
	if r.Median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", r.Median, r.Lowest, r.Highest)
}

// Gain is what a server makes of a load, against the first server of a comparison.
type Gain struct {
	Server      string `json:"server"`
	Preset      string `json:"preset"`
	Rounds      int    `json:"rounds"`
	Alone       bool   `json:"alone,omitempty"` // of the first server with one block and nothing else
	Errors      int64  `json:"errors"`
	Throughput  Ratio  `json:"throughput"`
	P50         Ratio  `json:"p50"`
	P95         Ratio  `json:"p95"`
	P99         Ratio  `json:"p99"`
	ServerCPU   Ratio  `json:"serverCpu"`
	PostgresCPU Ratio  `json:"postgresCpu"`
	Allocations Ratio  `json:"allocations"`
	// Conditions are the worst of all rounds, of this server's runs and the first server's.
	Conditions *machine.Conditions `json:"conditions,omitempty"`
}

// Gains returns those of all servers but the first.
func (c *Comparison) Gains() []*Gain {
	var list []*Gain
	for i := 1; i < len(c.Rounds[0]); i++ {
		g := &Gain{Server: c.Rounds[0][i].Server, Preset: c.Preset, Rounds: len(c.Rounds), Conditions: c.conditions(0, i)}
		for _, round := range c.Rounds {
			g.Errors += round[i].Errors
		}
		for _, f := range []struct {
			to *Ratio
			of func(*Result) float64
		}{
			{&g.Throughput, func(r *Result) float64 { return r.Throughput }},
			{&g.P50, func(r *Result) float64 { return r.Latency.P50 }},
			{&g.P95, func(r *Result) float64 { return r.known(95, r.Latency.P95) }},
			{&g.P99, func(r *Result) float64 { return r.known(99, r.Latency.P99) }},
			{&g.ServerCPU, func(r *Result) float64 { return r.each(func(u *Resources) float64 { return u.ServerCPU }) }},
			{&g.PostgresCPU, func(r *Result) float64 { return r.each(func(u *Resources) float64 { return u.PostgresCPU }) }},
			{&g.Allocations, func(r *Result) float64 {
				if r.Resources == nil {
					return 0
				}
				return r.Resources.Allocations
			}},
		} {
			*f.to = c.ratio(i, f.of)
		}
		list = append(list, g)
	}
	return list
}

// WriteGains prints the gains of a report for people.
func WriteGains(w io.Writer, r *Report) {
	if len(r.Gains) == 0 {
		return
	}
	t := newTable(w)
	t.AppendHeader(table.Row{"against baseline", "preset", "throughput", "P50", "P95", "P99", "CPU/req",
		"Postgres CPU/req", "allocs/req", "errors", "machine"})
	for _, g := range r.Gains {
		t.AppendRow(table.Row{g.Server, g.Preset, g.Throughput, g.P50, g.P95, g.P99, g.ServerCPU, g.PostgresCPU,
			g.Allocations, g.Errors, g.Conditions})
	}
	t.Render()
}

// WriteExports prints the exports of a report for people.
func WriteExports(w io.Writer, r *Report) {
	if len(r.Exports) == 0 {
		return
	}
	t := newTable(w)
	fmt.Fprintf(w, "100 000 rows: %s\n", r.ExportsAre())
	t.AppendHeader(table.Row{"server", "size", "first byte ms", "whole ms", "memory"})
	for _, e := range r.Exports {
		t.AppendRow(table.Row{e.Server, humanize.IBytes(uint64(e.Bytes)), ms(e.FirstByte), ms(e.Whole) + e.Range(),
			humanize.IBytes(e.Memory)})
	}
	t.Render()
}
