package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

// charts are those of a report's page, without those that have nothing to show.
func charts(r *Report) (list []chart.Chart) {
	list = append(list, serverChart(r.Results), gainChart(r))
	for _, g := range grouped(r.Results) {
		list = append(list, g.latency(), g.cpu(), g.seconds("throughput", "Throughput over time", "requests/s",
			func(s Second) float64 { return float64(s.Requests) }),
			g.seconds("p95", "P95 over time", "ms", func(s Second) float64 { return s.P95 }), g.memory())
	}
	return slices.DeleteFunc(list, chart.Chart.Empty)
}

// serverChart shows the throughput of each server in the closed loop, with its P95 beside it.
func serverChart(results []*Result) chart.Chart {
	c := chart.Chart{Name: "servers", Title: "Requests per second, 64 clients", Kind: chart.Bars, Y: "requests/s",
		About: "Throughput of each server when 64 clients send without a pause, with the 95th percentile of its latency."}
	bars := chart.Series{Name: "throughput"}
	for _, r := range results {
		if r.Preset == "closed" {
			c.Names = append(c.Names, r.Server)
			bars.Values = append(bars.Values, r.Throughput)
			bars.Labels = append(bars.Labels, fmt.Sprintf("%.0f/s, P95 %.0f ms", r.Throughput, r.Latency.P95))
		}
	}
	c.Series = []chart.Series{bars}
	return c
}

// gainChart shows throughput and P95 of the closed loop, in multiples of the baseline's.
func gainChart(r *Report) chart.Chart {
	c := chart.Chart{Name: "gains", Title: "Against the baseline, 64 clients", Kind: chart.Bars, Line: 1,
		About: "Throughput, of which more is better, and 95th percentile of the latency, of which less is better, as " +
			"multiples of the baseline's: " +
			"of servers, and of the baseline with one block alone."}
	throughput, p95 := chart.Series{Name: "throughput"}, chart.Series{Name: "P95"}
	add := func(to *chart.Series, ratio Ratio) {
		to.Values, to.Labels = append(to.Values, ratio.Median), append(to.Labels, fmt.Sprintf("%.2fx", ratio.Median))
	}
	for _, g := range r.Gains {
		if g.Preset != "closed" {
			continue
		}
		name := g.Server
		if r.BlockAlone(g) {
			name += " alone"
		}
		c.Names = append(c.Names, name)
		add(&throughput, g.Throughput)
		add(&p95, g.P95)
	}
	c.Series = []chart.Series{throughput, p95}
	return c
}

// group is the results that are compared with each other.
type group struct {
	name, title string
	results     []*Result
	label       func(*Result) string
}

// grouped puts the servers of each preset together; where there is one server only, all of
// its presets.
func grouped(results []*Result) (groups []group) {
	one := true
	for _, r := range results {
		one = one && r.Server == results[0].Server
	}
	if one && len(results) > 0 {
		return []group{{"all", results[0].Server, results, func(r *Result) string { return r.Preset }}}
	}
	at := map[string]int{}
	for _, r := range results {
		i, known := at[r.Preset]
		if !known {
			i = len(groups)
			at[r.Preset] = i
			title := r.Preset
			if p, err := PresetNamed(r.Preset); err == nil {
				title = p.About
			}
			groups = append(groups, group{name: r.Preset, title: title, label: func(r *Result) string { return r.Server }})
		}
		groups[i].results = append(groups[i].results, r)
	}
	return groups
}

func (g group) chart(name, title, y, about string, kind chart.Kind) chart.Chart {
	return chart.Chart{Name: name + "-" + strings.ToLower(g.name), Title: title + ", " + g.title, Kind: kind, Y: y,
		About: about}
}

func (g group) latency() chart.Chart {
	c := g.chart("latency", "Latency by percentile", "ms",
		"The share of requests that were answered within a latency; the axis stretches towards the slowest ones, "+
			"and a line ends where fewer than ten requests were slower.", chart.Percentiles)
	for _, r := range g.results {
		c.Series = append(c.Series, chart.Series{Name: g.label(r), Points: r.percentiles()})
	}
	return c
}

// percentiles are those that were recorded, or the named ones.
func (r *Result) percentiles() (list [][2]float64) {
	if len(r.Percentiles) > 0 {
		return r.Percentiles
	}
	l := r.Latency
	for _, p := range [][2]float64{{50, l.P50}, {90, l.P90}, {95, l.P95}, {99, l.P99}, {99.9, l.P999}} {
		if r.Knows(p[0]) {
			list = append(list, p)
		}
	}
	return list
}

// cpu shows who used how much of it.
func (g group) cpu() chart.Chart {
	c := g.chart("cpu", "CPU per request", "µs",
		"CPU time that a request takes in the server, in Postgres, and in the load generator, which share the cores.",
		chart.Stack)
	parts := []chart.Series{{Name: "server"}, {Name: "Postgres"}, {Name: "load generator"}}
	var sums [3]float64
	for _, r := range g.results {
		if r.Resources == nil {
			continue
		}
		c.Names = append(c.Names, g.label(r))
		for i, seconds := range []float64{r.Resources.ServerCPU, r.Resources.PostgresCPU, r.Resources.GeneratorCPU} {
			parts[i].Values = append(parts[i].Values, 1e6*seconds/float64(max(r.Requests, 1)))
			sums[i] += seconds
		}
	}
	for i, part := range parts {
		if sums[i] > 0 { // It was measured.
			c.Series = append(c.Series, part)
		}
	}
	return c
}

// seconds shows a figure of each second.
func (g group) seconds(name, title, unit string, of func(Second) float64) chart.Chart {
	c := g.chart(name, title, unit, title+": a point for each second of the run.", chart.Lines)
	c.X = "second of the run"
	for _, r := range g.results {
		s := chart.Series{Name: g.label(r)}
		for _, second := range r.Timeline {
			if float64(second.Second+1) > r.Seconds {
				continue // It is not a whole one.
			}
			s.Points = append(s.Points, [2]float64{float64(second.Second), of(second)})
		}
		c.Series = append(c.Series, s)
	}
	return c
}

func (g group) memory() chart.Chart {
	c := g.chart("memory", "Memory over time", "MiB", "Resident memory of the server.", chart.Lines)
	c.X = "second of the run"
	for _, r := range g.results {
		s := chart.Series{Name: g.label(r)}
		if r.Resources != nil {
			for _, m := range r.Resources.Memory {
				s.Points = append(s.Points, [2]float64{m.Second, float64(m.Bytes) / (1 << 20)})
			}
		}
		c.Series = append(c.Series, s)
	}
	return c
}
