package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
)

const (
	planRate  = 12_000 // requests per second that the plan asks for
	planBound = 85.0   // milliseconds that P95 must stay below meanwhile
	planCores = 16
)

// modelSection is the part of the page about more cores.
func modelSection(b *bytes.Buffer, m *model.Report, tables map[string]string) {
	var versions []string
	for _, v := range m.Versions {
		versions = append(versions, v.Name+" "+v.Version)
	}
	shared := "The load generator had cores of its own."
	if len(m.Servers) > 0 && len(m.Servers[0].Rounds) > 0 && m.Servers[0].Rounds[0].Two.Shared {
		shared = "The load generator had the other core in the run on one; in that on two it shared them, as there are no " +
			"more, and the CPU that it used is subtracted from what the server and Postgres had; what sharing costs besides " +
			"is taken for a serial share."
	}
	fmt.Fprintf(b, "\n### More cores\n\n%s. %s. `%s`: each server with its Postgres, pinned to one core and to two, under 64 "+
		"clients without a pause. %s The machine in the worst of the runs: %s.\n\n", m.Date.Format("2 January 2006"),
		strings.Join(versions, ", "), m.Command, shared, m.Conditions.Figures())
	b.WriteString("**The check.** From the run on one core, throughput on two is predicted as if every request needed " +
		"as much CPU there, and no core waited for another one; the error is the prediction against the " +
		"measurement. What is missing on two cores is taken for the share of the work that only one core at " +
		"a time can do (Amdahl's law). With the share from the other rounds, the round that was left out is " +
		"predicted again. The median of the rounds, the lowest and the highest:\n\n")
	b.WriteString(tables["model"])
	fmt.Fprintf(b, "\n**The prediction** for %d cores that the server and Postgres have for themselves, and how many "+
		"cores %s requests/s need with a P95 below %.0f ms. It assumes that CPU is the limit: a network, a "+
		"disk that is written to, and a connection pool that is too small are not in it; nor is what more "+
		"than two cores cost each other in caches, which two points cannot tell. The cores are those at the "+
		"highest share of the throughput on one core, of those that were tried, whose P95 stayed below the "+
		"bound: at the same share, more cores wait less. In parentheses the range of what single rounds say, "+
		"which is the error bar: a serial share is the small difference of two large figures, and %d cores "+
		"multiply its error.\n\n", planCores, thousands(planRate), planBound, planCores)
	b.WriteString(tables["cores"])
}

func thousands(n int) string { return fmt.Sprintf("%d %03d", n/1000, n%1000) }

// checkTable sets what was predicted for two cores beside what was measured.
func checkTable(m *model.Report) string {
	var rows []table.Row
	for _, s := range m.Servers {
		left := "-"
		if off, ok := s.LeftOut(); ok {
			left = ranged(off, "%+.0f %%", 100)
		}
		serial := s.Over(func(r model.Round) float64 { return model.Fit(r.One, r.Two).Serial })
		rows = append(rows, table.Row{
			s.Name, len(s.Rounds),
			ranged(s.Over(func(r model.Round) float64 { return r.One.Throughput }), "%.0f", 1),
			ranged(s.Over(func(r model.Round) float64 { return r.Two.Throughput }), "%.0f", 1),
			each(s.Over(func(r model.Round) float64 { return r.One.Server }).Median, 1),
			each(s.Over(func(r model.Round) float64 { return r.One.Postgres }).Median, 1),
			each(s.Over(func(r model.Round) float64 { return r.One.Generator }).Median, 1),
			each(s.Over(func(r model.Round) float64 { return r.Two.Server + r.Two.Postgres }).Median, 1),
			ranged(s.Linear(), "%+.0f %%", 100), ranged(serial, "%.2f", 1), left,
		})
	}
	return markdown(table.Row{"server", "rounds", "1 core, requests/s", "2 cores", "CPU per request on 1", "Postgres's",
		"the generator's", "both on 2 cores", "error, nothing serial", "serial share", "error with it"}, rows)
}

// coresTable has what the model predicts.
func coresTable(m *model.Report) string {
	var rows []table.Row
	for _, s := range m.Servers {
		predicted := s.Over(func(r model.Round) float64 { return model.Fit(r.One, r.Two).Throughput(planCores) })
		row := table.Row{s.Name, ranged(predicted, "%.0f", 1),
			fmt.Sprintf("%.0f", model.Law{PerCore: s.Law().PerCore}.Throughput(planCores))}
		share, p95, ok := s.Highest(planBound)
		if !ok {
			rows = append(rows, append(row, "-", "P95 was above the bound at every load that was tried", ""))
			continue
		}
		linear, _ := model.Law{PerCore: s.Law().PerCore}.Cores(planRate / share)
		rows = append(rows, append(row, fmt.Sprintf("%.1f ms at %.0f %%", p95, 100*share), coresNeeded(s, planRate/share),
			linear))
	}
	return markdown(table.Row{"server", fmt.Sprintf("%d cores, requests/s", planCores), "if nothing were serial",
		"P95 on one core", fmt.Sprintf("cores for %s/s", thousands(planRate)), "if nothing were serial"}, rows)
}

// coresNeeded is the number for the median law, and the range of the rounds' laws.
func coresNeeded(s *model.Server, throughput float64) string {
	count := func(l model.Law) string {
		if n, ok := l.Cores(throughput); ok {
			return fmt.Sprint(n)
		}
		return "more than one machine"
	}
	least, most := "", ""
	var fewest, largest float64
	for _, l := range s.Laws() {
		cores := math.Inf(1)
		if n, ok := l.Cores(throughput); ok {
			cores = float64(n)
		}
		if least == "" || cores < fewest {
			least, fewest = count(l), cores
		}
		if most == "" || cores > largest {
			most, largest = count(l), cores
		}
	}
	if least == most {
		return count(s.Law())
	}
	return fmt.Sprintf("%s (%s to %s)", count(s.Law()), least, most)
}

// ranged writes a range, or a single value if it is one.
func ranged(r model.Range, format string, scale float64) string {
	write := func(v float64) string { return fmt.Sprintf(format, scale*v) }
	if write(r.Lowest) == write(r.Highest) {
		return write(r.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", write(r.Median), write(r.Lowest), write(r.Highest))
}
