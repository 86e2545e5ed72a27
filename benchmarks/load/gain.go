package load

import (
	"fmt"
	"html/template"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
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
	Errors      int64  `json:"errors"`
	Throughput  Ratio  `json:"throughput"`
	P50         Ratio  `json:"p50"`
	P95         Ratio  `json:"p95"`
	P99         Ratio  `json:"p99"`
	ServerCPU   Ratio  `json:"serverCpu"`
	PostgresCPU Ratio  `json:"postgresCpu"`
	Allocations Ratio  `json:"allocations"`
}

// Gains returns those of all servers but the first.
func (c *Comparison) Gains() []*Gain {
	var list []*Gain
	for i := 1; i < len(c.Rounds[0]); i++ {
		g := &Gain{Server: c.Rounds[0][i].Server, Preset: c.Preset, Rounds: len(c.Rounds)}
		for _, round := range c.Rounds {
			g.Errors += round[i].Errors
		}
		for _, f := range []struct {
			to *Ratio
			of func(*Result) float64
		}{
			{&g.Throughput, func(r *Result) float64 { return r.Throughput }},
			{&g.P50, func(r *Result) float64 { return r.Latency.P50 }},
			{&g.P95, func(r *Result) float64 { return r.Latency.P95 }},
			{&g.P99, func(r *Result) float64 { return r.Latency.P99 }},
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
		"Postgres CPU/req", "allocs/req", "errors"})
	for _, g := range r.Gains {
		t.AppendRow(table.Row{g.Server, g.Preset, g.Throughput, g.P50, g.P95, g.P99, g.ServerCPU, g.PostgresCPU,
			g.Allocations, g.Errors})
	}
	t.Render()
}

// WriteExports prints the exports of a report for people.
func WriteExports(w io.Writer, r *Report) {
	if len(r.Exports) == 0 {
		return
	}
	t := newTable(w)
	t.AppendHeader(table.Row{"100 000 rows", "size", "first byte ms", "whole ms", "memory"})
	for _, e := range r.Exports {
		t.AppendRow(table.Row{e.Server, humanize.IBytes(uint64(e.Bytes)), ms(e.FirstByte), ms(e.Whole),
			humanize.IBytes(e.Memory)})
	}
	t.Render()
}

// gainPlot draws the throughput of the closed loop and its P95, in multiples of the
// baseline's.
func gainPlot(gains []*Gain) (template.HTML, error) {
	p := plot.New()
	p.Title.Text = "Closed loop, against the baseline"
	p.Y.Label.Text = "ratio"
	var names []string
	var throughput, p95 plotter.Values
	for _, g := range gains {
		if g.Preset == "closed" {
			names = append(names, g.Server)
			throughput, p95 = append(throughput, g.Throughput.Median), append(p95, g.P95.Median)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	const width = vg.Length(14)
	for i, series := range []struct {
		name   string
		values plotter.Values
	}{{"throughput", throughput}, {"P95", p95}} {
		bars, err := plotter.NewBarChart(series.values, width)
		if err != nil {
			return "", err
		}
		bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0
		bars.Offset = width * vg.Length(2*i-1) / 2
		p.Add(bars)
		p.Legend.Add(series.name, bars)
	}
	p.NominalX(names...)
	p.Y.Min = 0
	p.Legend.Top = true
	return svg(p)
}
