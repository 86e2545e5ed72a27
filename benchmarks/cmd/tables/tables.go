package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// tables are in Markdown, by name.
func (r *results) tables() map[string]string {
	tables := map[string]string{}
	if r.Demo != nil {
		for _, preset := range []string{"closed", "peak"} {
			tables[preset] = servers(r.Demo, preset)
		}
		tables["blocks"], tables["exports"], tables["pauses"] = blocks(r.Demo), exports(r.Demo), pauses(r.Demo)
	}
	if r.Peers != nil {
		tables["peers"] = peersTable(r.Peers)
	}
	addBenchmarks(tables, r.Benchmarks)
	return tables
}

// markdown renders a table whose first column is text, as are the named ones, and the others
// numbers.
func markdown(header table.Row, rows []table.Row, texts ...string) string {
	t := table.NewWriter()
	t.AppendHeader(header)
	t.AppendRows(rows)
	var columns []table.ColumnConfig
	for i, name := range header[1:] {
		align := text.AlignRight
		if slices.Contains(texts, fmt.Sprint(name)) {
			align = text.AlignLeft
		}
		columns = append(columns, table.ColumnConfig{Number: i + 2, Align: align})
	}
	t.SetColumnConfigs(columns)
	return t.RenderMarkdown() + "\n"
}

func servers(r *load.Report, preset string) string {
	var rows []table.Row
	for _, s := range r.Results {
		if s.Preset != preset {
			continue
		}
		throughput, p95 := fmt.Sprintf("%.0f", s.Throughput), fmt.Sprintf("%.1f ms", s.Latency.P95)
		if i := slices.IndexFunc(r.Gains, func(g *load.Gain) bool {
			return g.Server == s.Server && g.Preset == preset
		}); i >= 0 {
			throughput += fmt.Sprintf(" (%.2fx)", r.Gains[i].Throughput.Median)
			p95 += fmt.Sprintf(" (%.2fx)", r.Gains[i].P95.Median)
		}
		p99 := "-"
		if s.Knows(99) {
			p99 = fmt.Sprintf("%.1f ms", s.Latency.P99)
		}
		row := table.Row{s.Server, throughput, fmt.Sprintf("%.1f ms", s.Latency.P50), p95, p99}
		if u := s.Resources; u != nil {
			row = append(row, each(u.ServerCPU, s.Requests), each(u.PostgresCPU, s.Requests), fmt.Sprintf("%.0f", u.Allocations),
				humanize.IBytes(u.ServerMemory))
		}
		rows = append(rows, append(row, s.Errors, s.Conditions))
	}
	return markdown(table.Row{"server", "requests/s", "P50", "P95", "P99", "CPU per request", "Postgres's CPU",
		"allocations", "memory", "errors", "machine"}, rows, "machine")
}

func each(seconds float64, requests int64) string {
	return fmt.Sprintf("%.0f us", 1e6*seconds/float64(max(requests, 1)))
}

// blocks are those that were measured alone: they are no server of the loads.
func blocks(r *load.Report) string {
	var rows []table.Row
	for _, g := range r.Gains {
		if !r.BlockAlone(g) {
			continue
		}
		rows = append(rows, table.Row{g.Server, g.Throughput, g.P95, g.ServerCPU, g.PostgresCPU, g.Conditions})
	}
	return markdown(table.Row{"block alone", "throughput", "P95", "CPU per request", "Postgres's CPU", "machine"}, rows,
		"machine")
}

func exports(r *load.Report) string {
	var rows []table.Row
	for _, e := range r.Exports {
		rows = append(rows, table.Row{e.Server, fmt.Sprintf("%.1f ms", e.FirstByte), fmt.Sprintf("%.0f ms", e.Whole),
			humanize.IBytes(e.Memory)})
	}
	return markdown(table.Row{"100 000 rows", "first byte", "whole", "memory"}, rows)
}

// standard are the units that Go reports itself.
var standard = []string{"sec/op", "B/s", "B/op", "allocs/op"}

// benchmark names what a figure is of.
func (f figure) benchmark() string {
	name, _, _ := strings.Cut(f.Work, "/")
	return f.Package + "/" + name
}

// addBenchmarks adds the tables of benchmarks: "arena/Tree" has times, "arena/Tree
// allocs/op" what its unit says, and "arena/Tree *" has all units that the benchmark
// reports besides Go's, in rows.
func addBenchmarks(tables map[string]string, list []figure) {
	of := map[string][]figure{}
	for _, f := range list {
		name := f.benchmark()
		table := name
		if f.Unit != "sec/op" {
			table += " " + f.Unit
		}
		of[table] = append(of[table], f)
		if !slices.Contains(standard, f.Unit) {
			_, rest, _ := strings.Cut(f.Work, "/")
			f.Work = strings.TrimSuffix("/"+f.Unit+", "+rest, ", ")
			of[name+" *"] = append(of[name+" *"], f)
		}
	}
	for name, figures := range of {
		tables[name] = pivot(figures)
	}
}

// pivot has a row for each work of a benchmark, and a column for each implementation. Times
// of peers are followed by their ratio to the first.
func pivot(list []figure) string {
	var works, impls []string
	cells := map[[2]string]figure{}
	for _, f := range list {
		if !slices.Contains(works, f.Work) {
			works = append(works, f.Work)
		}
		if !slices.Contains(impls, f.Impl) {
			impls = append(impls, f.Impl)
		}
		cells[[2]string{f.Work, f.Impl}] = f
	}
	first := impls[0] // In most benchmarks ours is the first to be measured.
	if slices.Contains(impls, ours) {
		first = ours
	}
	impls = append([]string{first}, slices.DeleteFunc(impls, func(impl string) bool { return impl == first })...)
	header := table.Row{"work"}
	for _, impl := range impls {
		header = append(header, cmp.Or(impl, "measured"))
	}
	var rows []table.Row
	for _, work := range works {
		_, short, _ := strings.Cut(work, "/")
		row := table.Row{cmp.Or(strings.ReplaceAll(short, "work=", ""), work)}
		own := cells[[2]string{work, first}]
		for _, impl := range impls {
			f, ok := cells[[2]string{work, impl}]
			cell := ""
			if ok {
				cell = f.text()
			}
			if ok && impl != first && own.Median > 0 && f.Median > 0 && f.Unit == "sec/op" {
				cell += fmt.Sprintf(" (%sx)", digits(f.Median/own.Median))
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return markdown(header, rows)
}

// ours is what the others are compared with, where there is one of that name.
const ours = "gqlboost"

// picture shows a plot, the dark one on dark pages.
func picture(file, alt string) string {
	return fmt.Sprintf("<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"%s-dark.svg\"><img alt=\"%s\" "+
		"src=\"%s.svg\"></picture>", file, alt, file)
}

// page is all that there is.
func (r *results) page(tables map[string]string, history []record, soak []load.Window) []byte {
	var b bytes.Buffer
	b.WriteString("# Results\n\nWritten by `make tables` from [results.json](results.json).\n")
	if d := r.Demo; d != nil {
		fmt.Fprintf(&b, "\n## Servers\n\n%s, %s, %d cores, %s. ", d.Date.Format("2 January 2006"), d.Machine.CPU,
			d.Machine.Cores, humanize.IBytes(d.Machine.Memory))
		var versions []string
		for _, v := range d.Versions {
			versions = append(versions, v.Name+" "+v.Version)
		}
		fmt.Fprintf(&b,
			"%s. `%s`: the load generator, the servers and Postgres share the cores. The round with the median throughput; in "+
				"parentheses the median of the ratios to the baseline in the same round.\n", strings.Join(versions, ", "),
			d.Command)
		fmt.Fprintf(&b, "\n**%s** ", load.Headline(d))
		if warning := load.Warning(d); warning != "" {
			fmt.Fprintf(&b, "%s ", warning)
		}
		b.WriteString("\"-\" stands where fewer than ten requests were slower than a percentile; *machine* is what else " +
			"the machine did, in the worst of the rounds.\n")
		for _, part := range [][2]string{{"closed", "64 clients without a pause"},
			{"peak", "70 % of the baseline's maximum, at random times"},
			{"blocks", "Each block alone, against the baseline: the median of the rounds, the lowest and the highest"},
			{"pauses", "The garbage collector under 64 clients; a pause stops all goroutines, and \"-\" is what the run has " +
				"not recorded"},
			{"exports", "A long list"}} {
			fmt.Fprintf(&b, "\n%s:\n\n%s", part[1], tables[part[0]])
		}
	}
	if r.Demo != nil {
		for _, p := range [][2]string{{"gains", "Throughput and P95 against the baseline"},
			{"latency-closed", "Latency by percentile, 64 clients"},
			{"latency-peak", "Latency by percentile at 70 % of the baseline's maximum"},
			{"cpu-closed", "CPU per request of server, Postgres and load generator"}} {
			fmt.Fprintf(&b, "\n%s\n", picture("plots/"+p[0], p[1]))
		}
	}
	if text := tables["targets"]; text != "" {
		fmt.Fprintf(&b,
			"\n## Targets\n\nWhat the plan that this library began with asked for, beside what was measured in the run above: "+
				"the median of the rounds, the lowest and the highest. "+
				"Its loads were those of a larger machine, so their ratios are compared. Each block alone is the baseline with "+
				"this block and nothing else; the shares of the CPU are those of the [baseline's "+
				"profile](baseline/README.md).\n\n%s", text)
	}
	if r.Peers != nil {
		peersSection(&b, r.Peers, tables)
	}
	historySection(&b, history)
	soakSection(&b, soak)
	last, seen := "", map[string]bool{}
	show := func(name, title string) {
		if table, ok := tables[name]; ok && !seen[name] {
			seen[name] = true
			fmt.Fprintf(&b, "\n%s:\n\n%s", title, table)
		}
	}
	for _, f := range r.Benchmarks {
		if f.Package != last {
			last = f.Package
			fmt.Fprintf(&b,
				"\n## %s\n\n`make bench PACKAGES=%s COUNT=%d` on %s: medians. In parentheses the ratio to the first column.\n",
				f.Package, f.Package, f.Runs, f.CPU)
			if f.Conditions != nil {
				fmt.Fprintf(&b, "\nThe machine, in the worst of the rounds: %v.\n", f.Conditions)
			}
		}
		name := f.benchmark()
		_, title, _ := strings.Cut(name, "/")
		show(name, title)
		show(name+" B/s", title+", bytes per second")
		show(name+" allocs/op", title+", allocations")
		show(name+" *", title+", what else it reports")
	}
	return b.Bytes()
}
