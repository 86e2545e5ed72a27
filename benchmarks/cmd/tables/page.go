package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// page is all that there is: the machine that was measured last, what differs between it and
// the others, and the others. Targets are those of the demo that was run last.
func (r *results) page(targets string, baseline *load.Report, history []record, soak []load.Window) []byte {
	var b bytes.Buffer
	b.WriteString("# Results\n\nWritten by `make tables` from [results.json](results.json). Figures of different machines " +
		"stand in tables of their own, those of the machine that was measured last first:\n\n")
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
	var versions []string
	for _, v := range d.Versions {
		versions = append(versions, v.Name+" "+v.Version)
	}
	fmt.Fprintf(b,
		"%s. `%s`: the load generator, the servers and Postgres share the cores. The round with the median throughput; in "+
			"parentheses the median of the ratios to the baseline in the same round.\n", strings.Join(versions, ", "),
		d.Command)
	fmt.Fprintf(b, "\n**%s** ", load.Headline(d))
	if warning := load.Warning(d); warning != "" {
		fmt.Fprintf(b, "%s ", warning)
	}
	b.WriteString("\"-\" stands where fewer than ten requests were slower than a percentile; *machine* is what else " +
		"the machine did, in the worst of the rounds.\n")
	for _, part := range [][2]string{{"closed", "64 clients without a pause"},
		{"peak", "70 % of the baseline's maximum, at random times"},
		{"blocks", "Each block alone, against the baseline: the median of the rounds, the lowest and the highest"},
		{"pauses", "The garbage collector under 64 clients; a pause stops all goroutines, and \"-\" is what the run has " +
			"not recorded"},
		{"exports", "A long list"}} {
		fmt.Fprintf(b, "\n%s:\n\n%s", part[1], tables[part[0]])
	}
}

// picture shows a plot, the dark one on dark pages.
func picture(file, alt string) string {
	return fmt.Sprintf("<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"%s-dark.svg\"><img alt=\"%s\" "+
		"src=\"%s.svg\"></picture>", file, alt, file)
}

// benchmarkSections has one of each package.
func benchmarkSections(b *bytes.Buffer, list []figure, tables map[string]string) {
	last, seen := "", map[string]bool{}
	show := func(name, title string) {
		if table, ok := tables[name]; ok && !seen[name] {
			seen[name] = true
			fmt.Fprintf(b, "\n%s:\n\n%s", title, table)
		}
	}
	for _, f := range list {
		if f.Package != last {
			last = f.Package
			fmt.Fprintf(b,
				"\n### %s\n\n`make bench PACKAGES=%s COUNT=%d`, %s: medians. In parentheses the ratio to the first column.\n",
				f.Package, f.Package, f.Runs, f.Date.Format("2 January 2006"))
			if f.Conditions != nil {
				fmt.Fprintf(b, "\nThe machine, in the worst of the rounds: %v.\n", f.Conditions)
			}
		}
		name := f.benchmark()
		_, title, _ := strings.Cut(name, "/")
		show(name, title)
		show(name+" B/s", title+", bytes per second")
		show(name+" allocs/op", title+", allocations")
		show(name+" *", title+", what else it reports")
	}
}
