package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// tables are in Markdown, by name. Each is of the first machine that has it; the table "machines" says which one
// that is.
func (r *results) tables() map[string]string {
	tables := map[string]string{}
	for _, m := range slices.Backward(r.Machines) {
		maps.Copy(tables, m.tables())
	}
	tables["machines"] = r.machineTable()
	return tables
}

func (m *measurements) tables() map[string]string {
	tables := map[string]string{}
	if m.Demo != nil {
		for _, preset := range []string{"closed", "peak"} {
			tables[preset] = servers(m.Demo, preset)
		}
		tables["blocks"], tables["exports"], tables["pauses"] = blocks(m.Demo), exports(m.Demo), pauses(m.Demo)
	}
	if m.Peers != nil {
		tables["peers"] = peersTable(m.Peers)
	}
	if m.Model != nil {
		tables["model"], tables["cores"] = checkTable(m.Model), coresTable(m.Model)
	}
	addBenchmarks(tables, m.Benchmarks)
	return tables
}

// machineTable has the machines of a package's tables, by package.
func (r *results) machineTable() string {
	of, seen := map[string][]string{}, map[string]bool{}
	for _, m := range r.Machines {
		own := map[string]bool{}
		for _, f := range m.Benchmarks {
			name := f.benchmark()
			if seen[name] {
				continue
			}
			own[name] = true
			if text := m.Machine.String(); !slices.Contains(of[f.Package], text) {
				of[f.Package] = append(of[f.Package], text)
			}
		}
		maps.Copy(seen, own)
	}
	var rows []table.Row
	for _, name := range slices.Sorted(maps.Keys(of)) {
		rows = append(rows, table.Row{name, strings.Join(of[name], "; ")})
	}
	return markdown(table.Row{"package", "machine"}, rows, "machine")
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
		throughput, p95 := fmt.Sprintf("%.0f", s.Throughput), known(s, 95, s.Latency.P95)
		if i := slices.IndexFunc(r.Gains, func(g *load.Gain) bool {
			return g.Server == s.Server && g.Preset == preset
		}); i >= 0 {
			throughput += against(r.Gains[i].Throughput)
			p95 += against(r.Gains[i].P95)
		}
		row := table.Row{s.Server, throughput, known(s, 50, s.Latency.P50), p95, known(s, 99, s.Latency.P99)}
		if u := s.Resources; u != nil {
			row = append(row, each(u.ServerCPU, s.Requests), each(u.PostgresCPU, s.Requests), fmt.Sprintf("%.0f", u.Allocations),
				humanize.IBytes(u.ServerMemory))
		}
		rows = append(rows, append(row, s.Errors, s.Conditions))
	}
	return markdown(table.Row{"server", "requests/s", "P50", "P95", "P99", "CPU per request", "Postgres's CPU",
		"allocations", "memory", "errors", "machine"}, rows, "machine")
}

// against is a ratio to the first server's figure, with its range over the rounds; "" if it is
// not known.
func against(r load.Ratio) string {
	if r.Median == 0 {
		return ""
	}
	lowest, highest := fmt.Sprintf("%.2f", r.Lowest), fmt.Sprintf("%.2f", r.Highest)
	if r.Lowest == 0 || lowest == highest {
		return fmt.Sprintf(" (%.2fx)", r.Median)
	}
	return fmt.Sprintf(" (%.2fx, %s to %s)", r.Median, lowest, highest)
}

// known is a percentile's latency, "-" if there are too few requests for it.
func known(r *load.Result, percentile, latency float64) string {
	if !r.Knows(percentile) {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", latency)
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
		rows = append(rows, table.Row{e.Server, fmt.Sprintf("%.1f ms", e.FirstByte),
			fmt.Sprintf("%.0f ms%s", e.Whole, e.Range()), humanize.IBytes(e.Memory)})
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
	first := reference(impls)
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

// ours is the name of the library in most benchmarks.
const ours = "gqlboost"

// reference returns what the others of a benchmark are compared with.
func reference(impls []string) string {
	for _, name := range own {
		if slices.Contains(impls, name) {
			return name
		}
	}
	return impls[0]
}
