package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// peersTable has a row for each contender, and for those that were skipped.
func peersTable(p *load.PeerReport) string {
	var rows []table.Row
	for i, r := range p.Results {
		throughput, p95 := fmt.Sprintf("%.0f", r.Throughput), known(r, 95, r.Latency.P95)
		for _, g := range p.Gains {
			if g.Server == r.Server {
				throughput += against(g.Throughput)
				p95 += against(g.P95)
			}
		}
		u := cmp.Or(r.Resources, new(load.Resources))
		rows = append(rows, table.Row{
			r.Server, throughput, spread(p, i), known(r, 50, r.Latency.P50), p95,
			known(r, 99, r.Latency.P99), each(u.ServerCPU, r.Requests), each(u.PostgresCPU, r.Requests),
			humanize.IBytes(u.ServerMemory), fmt.Sprintf("%.1f", u.Statements), r.Errors, r.Conditions,
		})
	}
	for _, s := range p.Skipped {
		reason, _, _ := strings.Cut(s.Reason, "\n")
		rows = append(rows, table.Row{s.Name, "skipped: " + strings.ReplaceAll(reason, "|", "/")})
	}
	return markdown(table.Row{
		"server", "requests/s", "of all rounds", "P50", "P95", "P99",
		"CPU per request", "Postgres's CPU", "memory", "statements", "errors", "machine",
	}, rows, "machine")
}

// spread is the lowest and the highest throughput of a contender.
func spread(p *load.PeerReport, contender int) string {
	if contender >= len(p.Throughputs) || len(p.Throughputs[contender]) == 0 {
		return ""
	}
	list := p.Throughputs[contender] // It is sorted.
	return fmt.Sprintf("%.0f to %.0f", list[0], list[len(list)-1])
}

// peersSection is the part of the page about peers.
func peersSection(b *bytes.Buffer, p *load.PeerReport, tables map[string]string) {
	clients := 0
	if len(p.Results) > 0 {
		clients = p.Results[0].Clients
	}
	m := p.Machine
	fmt.Fprintf(b, "\n### Peers\n\n%s, %v, %s. %s. `%s`: ", p.Date.Format("2 January 2006"), m, humanize.IBytes(m.Memory), versions(p.Versions), p.Command)
	fmt.Fprintf(b, "what else serves the same blog, set up as [its documentation advises](peers/README.md), on the same "+
		"Postgres, with the same requests and checked answers, in turns: %d clients without a pause%s. The load generator, "+
		"the server and Postgres share the cores. The round with the median throughput; in parentheses the median of the "+
		"ratios to the first row in the same round, the lowest and the highest of them; then the lowest and the highest "+
		"throughput: where they are far apart, "+
		"so is the truth. CPU and resident memory are summed over all processes of a server. "+
		"pgbench sends the statements of `direct`, and is no server.\n\n", clients, rounds(p.Gains, p.Results))
	var sessions []string
	for _, c := range p.Conditions {
		sessions = append(sessions, c.Figures())
	}
	fmt.Fprintf(b, "The machine: %s.\n\n%s", strings.Join(sessions, "; "), tables["peers"])
}
