package main

import (
	"bytes"
	"fmt"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const (
	planRate  = 12_000 // requests per second that the plan asks for
	planBound = 85.0   // milliseconds that P95 must stay below meanwhile
	planCores = 16
)

// modelSection is the part of the page about more cores.
func modelSection(b *bytes.Buffer, m *model.Report, tables map[string]string) {
	shared := "The load generator had cores of its own."
	if len(m.Servers) > 0 && len(m.Servers[0].Rounds) > 0 && m.Servers[0].Rounds[0].Two.Shared {
		shared = "The load generator had the other core in the run on one; in that on two it shared them, as there are no " +
			"more. What sharing costs besides CPU is taken for a serial share."
	}
	fmt.Fprintf(b, "\n### More cores\n\n%s. %s. `%s`: each server with its Postgres, pinned to one core and to two, "+
		"under 64 clients without a pause. %s What the generator, other processes and other machines used of these cores is "+
		"counted, and subtracted from what the server and Postgres had. The machine in the worst of the runs: %s.\n\n",
		m.Date.Format("2 January 2006"), versions(m.Versions), m.Command, shared, m.Conditions.Figures())
	b.WriteString("**The check.** From the run on one core, throughput on two is predicted as if every request needed " +
		"as much CPU there, and no core waited for another one; the error is the prediction against the " +
		"measurement. What is missing on two cores is taken for the share of the work that only one core at " +
		"a time can do (Amdahl's law); where less than one and a half cores were left, it cannot be " +
		"told. With the share from the other rounds, the round that was left out is " +
		"predicted again. The median of the rounds, the lowest and the highest:\n\n")
	b.WriteString(tables["model"])
	fmt.Fprintf(b, "\n**The prediction** for %d cores that the server and Postgres have for themselves, and how many "+
		"cores %s requests/s need with a P95 below %.0f ms. It assumes that CPU is the limit: a network, a "+
		"disk that is written to, and a connection pool that is too small are not in it; nor is what more "+
		"than two cores cost each other in caches, which two points cannot tell. The cores are those at the "+
		"highest share of the throughput on one core, of those that were tried, at which no request failed and P95 stayed "+
		"below the bound: at the same share, more cores wait less. Where there is none (above, or with errors), they are "+
		"those for the throughput alone, at the lowest share. In parentheses the range of what single rounds say, "+
		"which is the error bar: a serial share is the small difference of two large figures, and %d cores "+
		"multiply its error.\n\n", planCores, load.Thousands(planRate), planBound, planCores)
	b.WriteString(tables["cores"])
}

// checkTable sets what was predicted for two cores beside what was measured.
func checkTable(m *model.Report) string {
	var rows []table.Row
	for _, s := range m.Servers {
		fitted, left, share := s.Fitted(), "-", "-"
		if off, ok := fitted.LeftOut(); ok {
			left = ranged(off, "%+.0f %%", 100)
		}
		if len(fitted.Rounds) > 0 {
			share = ranged(fitted.Over(func(r model.Round) float64 { return r.Law().Serial }), "%.2f", 1)
		}
		others := s.Over(func(r model.Round) float64 { return r.Two.Others() })
		rows = append(rows, table.Row{
			named(s), fmt.Sprintf("%d, %d", len(s.Rounds), len(fitted.Rounds)),
			ranged(s.Over(func(r model.Round) float64 { return r.One.Throughput }), "%.0f", 1),
			ranged(s.Over(func(r model.Round) float64 { return r.Two.Throughput }), "%.0f", 1),
			each(s.Over(func(r model.Round) float64 { return r.One.Server }).Median, 1),
			each(s.Over(func(r model.Round) float64 { return r.One.Postgres }).Median, 1),
			each(s.Over(func(r model.Round) float64 { return r.One.Generator }).Median, 1),
			each(s.Over(func(r model.Round) float64 { return r.Two.Server + r.Two.Postgres }).Median, 1),
			ranged(others, "%.2f", 1),
			ranged(s.Linear(), "%+.0f %%", 100), share, left,
		})
	}
	return markdown(table.Row{"server", "rounds, with a share", "1 core, requests/s", "2 cores", "CPU per request on 1",
		"Postgres's", "the generator's", "both on 2 cores", "cores that others took",
		"error, nothing serial", "serial share", "error with it"}, rows)
}

// named is a server, with its errors if it has any.
func named(s *model.Server) string {
	if n := s.Errors(); n > 0 {
		return fmt.Sprintf("%s (%d requests failed)", s.Name, n)
	}
	return s.Name
}

// coresTable has what the model predicts.
func coresTable(m *model.Report) string {
	var rows []table.Row
	for _, s := range m.Servers {
		fitted, predicted := s.Fitted(), "-"
		if len(fitted.Rounds) > 0 {
			predicted = ranged(fitted.Over(func(r model.Round) float64 { return r.Law().Throughput(planCores) }),
				"%.0f", 1)
		}
		linearly := s.Over(func(r model.Round) float64 {
			return model.Law{PerCore: r.Law().PerCore}.Throughput(planCores)
		})
		row := table.Row{named(s), predicted, ranged(linearly, "%.0f", 1)}
		share, p95, ok := s.Highest(planBound)
		latency := fmt.Sprintf("%.1f ms at %.0f %%", p95, 100*share)
		switch {
		case !ok && share > 0 && p95 < planBound:
			latency += ", with errors"
		case !ok:
			latency += ", above"
		}
		var linear []model.Law
		for _, l := range s.Laws() {
			linear = append(linear, model.Law{PerCore: l.PerCore})
		}
		rows = append(rows, append(row, latency,
			coresNeeded(fitted.Law(), fitted.Laws(), planRate/share),
			coresNeeded(model.Law{PerCore: s.Law().PerCore}, linear, planRate/share)))
	}
	return markdown(table.Row{"server", fmt.Sprintf("%d cores, requests/s", planCores), "if nothing were serial",
		"P95 on one core", fmt.Sprintf("cores for %s/s", load.Thousands(planRate)), "if nothing were serial"}, rows)
}

// coresNeeded is the number for a law, and the range of the rounds' laws.
func coresNeeded(law model.Law, rounds []model.Law, throughput float64) string {
	if len(rounds) == 0 {
		return "-"
	}
	cores := func(l model.Law) int {
		if n, ok := l.Cores(throughput); ok {
			return n
		}
		return math.MaxInt // More than any machine has.
	}
	write := func(n int) string {
		if n == math.MaxInt {
			return "more than one machine"
		}
		return fmt.Sprint(n)
	}
	least, most := math.MaxInt, 0
	for _, l := range rounds {
		least, most = min(least, cores(l)), max(most, cores(l))
	}
	if least == most {
		return write(cores(law))
	}
	return fmt.Sprintf("%s (%s to %s)", write(cores(law)), write(least), write(most))
}

// ranged writes a range, or a single value if it is one.
func ranged(r model.Range, format string, scale float64) string {
	write := func(v float64) string { return fmt.Sprintf(format, scale*v) }
	if write(r.Lowest) == write(r.Highest) {
		return write(r.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", write(r.Median), write(r.Lowest), write(r.Highest))
}
