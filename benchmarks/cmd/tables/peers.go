package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// peersTable has a row for each contender, and for those that were skipped.
func peersTable(p *load.PeerReport) string {
	var rows []table.Row
	for _, r := range p.Results {
		throughput, p95 := fmt.Sprintf("%.0f", r.Throughput), fmt.Sprintf("%.1f ms", r.Latency.P95)
		if i := slices.IndexFunc(p.Gains, func(g *load.Gain) bool { return g.Server == r.Server }); i >= 0 {
			throughput += fmt.Sprintf(" (%.2fx)", p.Gains[i].Throughput.Median)
			p95 += fmt.Sprintf(" (%.2fx)", p.Gains[i].P95.Median)
		}
		row := table.Row{r.Server, throughput, fmt.Sprintf("%.1f ms", r.Latency.P50), p95, fmt.Sprintf("%.1f ms", r.Latency.P99)}
		if u := r.Resources; u != nil {
			row = append(row, each(u.ServerCPU, r.Requests), each(u.PostgresCPU, r.Requests), humanize.IBytes(u.ServerMemory),
				fmt.Sprintf("%.1f", u.Statements))
		} else {
			row = append(row, "", "", "", "")
		}
		rows = append(rows, append(row, r.Errors))
	}
	for _, s := range p.Skipped {
		reason, _, _ := strings.Cut(s.Reason, "\n")
		rows = append(rows, table.Row{s.Name, "skipped: " + strings.ReplaceAll(reason, "|", "/"), "", "", "", "", "", "", "", ""})
	}
	return markdown(table.Row{"server", "requests/s", "P50", "P95", "P99", "CPU per request", "Postgres's CPU", "memory", "statements", "errors"}, rows)
}

// peersSection is the part of the page about peers.
func peersSection(b *bytes.Buffer, p *load.PeerReport, tables map[string]string) {
	var versions []string
	for _, v := range p.Versions {
		versions = append(versions, v.Name+" "+v.Version)
	}
	clients := 0
	if len(p.Results) > 0 {
		clients = p.Results[0].Clients
	}
	fmt.Fprintf(b, "\n## Peers\n\n%s, %s, %d cores, %s. %s. `%s`: what else serves the same blog, set up as [its documentation advises](peers/README.md), "+
		"on the same Postgres, with the same requests and checked answers, in turns. %d clients without a pause; the load generator, the server and Postgres share the cores. "+
		"The round with the median throughput; in parentheses the median of the ratios to the first row in the same round. "+
		"CPU and resident memory are summed over all processes of a server. pgbench sends the statements of `direct`, and is no server.\n",
		p.Date.Format("2 January 2006"), p.Machine.CPU, p.Machine.Cores, humanize.IBytes(p.Machine.Memory), strings.Join(versions, ", "), p.Command, clients)
	for i, n := range p.Noise {
		fmt.Fprintf(b, "%s%s", map[bool]string{true: "\nThe machine: ", false: "; "}[i == 0], n)
	}
	fmt.Fprintf(b, ".\n\n%s", tables["peers"])
}
