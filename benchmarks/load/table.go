package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
)

func newTable(w io.Writer) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	return t
}

func ms(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// WriteTable prints results for people, a row each.
func WriteTable(w io.Writer, results []*Result) {
	t := newTable(w)
	t.AppendHeader(table.Row{"server", "preset", "sent", "req/s", "errors", "P50", "P90", "P95", "P99", "P99.9 ms",
		"machine"})
	for _, r := range results {
		t.AppendRow(table.Row{r.Server, r.Preset, r.Mode, fmt.Sprintf("%.0f", r.Throughput), percent(r.ErrorRate()),
			ms(r.Latency.P50), ms(r.Latency.P90), tail(r.Requests, 95, r.Latency.P95), tail(r.Requests, 99, r.Latency.P99),
			tail(r.Requests, 99.9, r.Latency.P999), r.Conditions})
	}
	t.Render()

	t = newTable(w)
	t.AppendHeader(table.Row{"server", "preset", "CPU us/req", "Postgres CPU us/req", "generator CPU us/req",
		"peak memory", "Postgres memory", "statements/req", "allocs/req", "bytes/req", "GC cycles", "GC share",
		"GC pause P99 ms"})
	for _, r := range results {
		u := r.Resources
		if u == nil {
			continue
		}
		t.AppendRow(table.Row{r.Server, r.Preset, perRequest(u.ServerCPU, r.Requests), perRequest(u.PostgresCPU, r.Requests),
			perRequest(u.GeneratorCPU, r.Requests),
			humanize.IBytes(u.ServerMemory), humanize.IBytes(u.PostgresMemory), fmt.Sprintf("%.2f", u.Statements),
			fmt.Sprintf("%.0f", u.Allocations),
			humanize.IBytes(uint64(u.AllocatedBytes)), fmt.Sprintf("%.0f", u.GCCycles), percent(u.GCShare),
			fmt.Sprintf("%.3f", u.GCPauseP99)})
	}
	t.Render()

	for _, r := range results {
		for _, kind := range slices.Sorted(maps.Keys(r.ErrorKinds)) {
			fmt.Fprintf(w, "%s %s: %d x %s\n", r.Server, r.Preset, r.ErrorKinds[kind], kind)
		}
	}
}

// formats are what the templates of the page and of the Markdown format with.
var formats = map[string]any{
	"ms": ms, "tail": tail, "percent": percent, "each": perRequest, "bytes": humanize.IBytes,
	"size":  func(n int64) string { return humanize.IBytes(uint64(n)) },
	"whole": func(v float64) string { return humanize.Comma(int64(v)) },
	"kilo":  func(v float64) string { return humanize.IBytes(uint64(v)) },
	"two":   func(v float64) string { return fmt.Sprintf("%.2f", v) },
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func perRequest(seconds float64, requests int64) string {
	return fmt.Sprintf("%.0f", 1e6*seconds/float64(max(requests, 1)))
}

// WriteComparison prints the runs of two reports side by side, those of one
// preset beside each other. The ratio is that of the second to the first.
func WriteComparison(w io.Writer, before, after *Report) {
	t := newTable(w)
	t.AppendHeader(table.Row{"preset", "figure", "before", "after", "ratio"})
	for _, a := range after.Results {
		i := slices.IndexFunc(before.Results, func(b *Result) bool { return b.Preset == a.Preset && b.Server == a.Server })
		if i < 0 {
			i = slices.IndexFunc(before.Results, func(b *Result) bool { return b.Preset == a.Preset })
		}
		if i < 0 {
			t.AppendRow(table.Row{a.Preset, "only in the second report", "", "", ""})
			continue
		}
		b := before.Results[i]
		for _, f := range []struct {
			name string
			of   func(*Result) float64
		}{
			{"requests/s", func(r *Result) float64 { return r.Throughput }},
			{"error rate", (*Result).ErrorRate},
			{"P50 ms", func(r *Result) float64 { return r.Latency.P50 }},
			{"P95 ms", func(r *Result) float64 { return r.Latency.P95 }},
			{"P99 ms", func(r *Result) float64 { return r.Latency.P99 }},
			{"CPU us/request",
				func(r *Result) float64 { return r.each(func(u *Resources) float64 { return 1e6 * u.ServerCPU }) }},
			{"Postgres CPU us/request",
				func(r *Result) float64 { return r.each(func(u *Resources) float64 { return 1e6 * u.PostgresCPU }) }},
		} {
			old, now := f.of(b), f.of(a)
			ratio := "-"
			if old > 0 {
				ratio = fmt.Sprintf("%.2f", now/old)
			}
			t.AppendRow(table.Row{a.Preset, f.name, fmt.Sprintf("%.4g", old), fmt.Sprintf("%.4g", now), ratio})
		}
		t.AppendSeparator()
	}
	t.Render()
}

// each divides a resource by the requests; 0 if it was not measured.
func (r *Result) each(of func(*Resources) float64) float64 {
	if r.Resources == nil {
		return 0
	}
	return of(r.Resources) / float64(max(r.Requests, 1))
}
