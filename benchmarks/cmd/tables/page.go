package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// page is all that there is: the first machine, what differs between it and the others, and the others.
// Targets are those of the first demo.
func (r *results) page(targets string, baseline *load.Report, history []record, soak []load.Window) []byte {
	var b bytes.Buffer
	b.WriteString("# Results\n\nWritten by `make tables` from [results.json](results.json). Figures of different machines " +
		"stand in tables of their own, those of the machine on which most was measured first:\n\n")
	for _, m := range r.Machines {
		name := m.Machine.String()
		fmt.Fprintf(&b, "- [%s](%s), last on %s\n", name, anchor(name), m.newest().Format("2 January 2006"))
	}
	if len(r.Machines) > 1 {
		fmt.Fprintf(&b, "\n[%s](%s) says how far figures hold elsewhere.\n", differences, anchor(differences))
	}
	for i, m := range r.Machines {
		fmt.Fprintf(&b, "\n## %v\n", m.Machine)
		m.sections(&b, m.Demo != nil && m.Demo == r.demo(), targets)
		if i == 0 && len(r.Machines) > 1 {
			r.differencesSection(&b, baseline)
		}
	}
	historySection(&b, history)
	soakSection(&b, soak)
	return b.Bytes()
}

var noAnchor = regexp.MustCompile(`[^a-z0-9 -]`)

// anchor is the link to a heading.
func anchor(heading string) string {
	return "#" + strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// sections are those of one machine. The plots and the targets are of one demo only.
func (m *measurements) sections(b *bytes.Buffer, published bool, targets string) {
	tables := m.tables()
	if m.Demo != nil {
		demoSection(b, m.Demo, tables)
	}
	if published {
		for _, p := range [][2]string{{"gains", "Throughput and P95 against the baseline"},
			{"latency-closed", "Latency by percentile, 64 clients"},
			{"latency-peak", "Latency by percentile at 70 % of the baseline's maximum"},
			{"cpu-closed", "CPU per request of server, Postgres and load generator"}} {
			fmt.Fprintf(b, "\n%s\n", picture("plots/"+p[0], p[1]))
		}
		fmt.Fprintf(b,
			"\n### Targets\n\nWhat the plan that this library began with asked for, beside what was measured in the run above: "+
				"the median of the rounds, the lowest and the highest. "+
				"Its loads were those of a larger machine, so their ratios are compared. Each block alone is the baseline with "+
				"this block and nothing else; the shares of the CPU are those of the [baseline's "+
				"profile](baseline/README.md).\n\n%s", targets)
	}
	if m.Model != nil {
		modelSection(b, m.Model, tables)
	}
	if m.Peers != nil {
		peersSection(b, m.Peers, tables)
	}
	benchmarkSections(b, m.Benchmarks, tables)
}

func demoSection(b *bytes.Buffer, d *load.Report, tables map[string]string) {
	fmt.Fprintf(b, "\n### Servers\n\n%s, %v, %s. ", d.Date.Format("2 January 2006"), d.Machine,
		humanize.IBytes(d.Machine.Memory))
	fmt.Fprintf(b,
		"%s. `%s`%s: the load generator, the servers and Postgres share the cores. The %s; in "+
			"parentheses the median of the ratios to the baseline in the same round, the lowest and the highest.\n",
		versions(d.Versions), d.Command, rounds(d.Gains, d.Results), d.MedianRound())
	fmt.Fprintf(b, "\n**%s** ", load.Headline(d))
	if warning := load.Warning(d); warning != "" {
		fmt.Fprintf(b, "%s ", warning)
	}
	for _, e := range load.ExamplesIn(d) {
		fmt.Fprintf(b, "*%s* is %s. ", e.Name, e.About)
	}
	b.WriteString("\"-\" stands where fewer than ten requests were slower than a percentile; *machine* is what else " +
		"the machine did, in the worst of the rounds.\n")
	for _, part := range [][2]string{{"closed", "64 clients without a pause"},
		{"peak", "70 % of the baseline's maximum, at random times"},
		{"blocks", "Each block alone, against the baseline: the median of the rounds, the lowest and the highest"},
		{"pauses", "The garbage collector under 64 clients; a pause stops all goroutines, and \"-\" is what the run has " +
			"not recorded"},
		{"exports", "A long list, " + d.ExportsAre()}} {
		fmt.Fprintf(b, "\n%s:\n\n%s", part[1], tables[part[0]])
	}
}

// rounds says how many there were of a load, and how long each was; "" if it is not known.
func rounds(gains []*load.Gain, results []*load.Result) string {
	if len(gains) == 0 || len(results) == 0 || gains[0].Rounds == 0 {
		return ""
	}
	return fmt.Sprintf(", %d rounds of %.2g s each", gains[0].Rounds, results[0].Seconds)
}

// versions are those of all parts.
func versions(list []load.Version) string {
	var parts []string
	for _, v := range list {
		parts = append(parts, v.String())
	}
	return strings.Join(parts, ", ")
}

// picture shows a plot, the dark one on dark pages.
func picture(file, alt string) string {
	return fmt.Sprintf("<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"%s-dark.svg\"><img alt=\"%s\" "+
		"src=\"%s.svg\"></picture>", file, alt, file)
}

// source says how a figure was measured.
func (f figure) source() string {
	return fmt.Sprintf("`make bench PACKAGES=%s COUNT=%d`, %s; the machine, in the worst of the rounds: %v.", f.Package,
		f.Runs, f.Date.Format("2 January 2006"), f.Conditions)
}

// benchmarkSections has one of each package.
func benchmarkSections(b *bytes.Buffer, list []figure, tables map[string]string) {
	last, source, seen := "", "", map[string]bool{}
	show := func(name, title string) {
		if table, ok := tables[name]; ok && !seen[name] {
			seen[name] = true
			fmt.Fprintf(b, "\n%s:\n\n%s", title, table)
		}
	}
	for _, f := range list {
		if f.Package != last {
			last, source = f.Package, ""
			fmt.Fprintf(b, "\n### %s\n\nMedians, with half of the 95 %% interval behind ±; where there are too few runs "+
				"for one, the lowest and the highest in parentheses. The last parentheses have the ratio to the first column.\n",
				f.Package)
		}
		name := f.benchmark()
		// Those of one package need not be of one run.
		if s := f.source(); s != source && !seen[name] {
			source = s
			fmt.Fprintf(b, "\n%s\n", s)
		}
		_, title, _ := strings.Cut(name, "/")
		if !slices.Contains(sized, name) {
			show(name, title)
			show(name+" B/s", title+", bytes per second")
			show(name+" allocs/op", title+", allocations")
		}
		show(name+" *", title+", what else it reports")
	}
}
