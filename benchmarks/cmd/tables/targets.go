package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// target is what the plan that this library began with promised. Its loads were absolute
// figures of a larger machine: what can be compared is their ratio.
type target struct {
	name  string
	asked string
	ratio float64 // that the gain must reach: at most it if below 1, at least if above
	// server and figure name the gain, of the closed loop: throughput or P95.
	server string
	alone  bool
	figure func(*load.Gain) load.Ratio
	// part of the baseline's CPU profile that the block takes over, "" if there is none.
	part string
	// itself is a figure of the block without a server, and what it says.
	itself, says string
	// why is what keeps a target from being reached.
	why string
}

func throughput(g *load.Gain) load.Ratio { return g.Throughput }
func p95(g *load.Gain) load.Ratio        { return g.P95 }

var targets = []target{
	{name: "P95 120 to 85 ms, blocks in gqlgen", asked: "0.71x", ratio: 85.0 / 120, server: "boosted", figure: p95},
	{name: "P95 120 to 85 ms, executor replaced", asked: "0.71x", ratio: 85.0 / 120, server: "compiled", figure: p95},
	{name: "8.5k to 12k requests/s, blocks in gqlgen", asked: "1.41x", ratio: 12.0 / 8.5, server: "boosted",
		figure: throughput},
	{name: "8.5k to 12k requests/s, executor replaced", asked: "1.41x", ratio: 12.0 / 8.5, server: "compiled",
		figure: throughput},
	{name: "simdjson", asked: "+18 %", ratio: 1.18, server: "simdjson", alone: true, figure: throughput,
		part:   "JSON decode",
		itself: "simdjson/DecodeRequest; 1.7KB; encoding-json-map; ratio",
		says:   "encoding/json takes %s the time for a request of 1.7 KB"},
	{name: "stream", asked: "+25 %", ratio: 1.25, server: "stream", alone: true, figure: throughput, part: "serialization",
		itself: "stream/Rows; 10k-rows; structs-encoding-json; ratio",
		says:   "structs and encoding/json take %s the time for 10 000 rows"},
	{name: "plancache", asked: "+12 %", ratio: 1.12, server: "plancache", alone: true, figure: throughput,
		part:   "parse, validate, plan",
		itself: "plancache/Ratio *; geomean; gqlboost", says: "hit ratio %s over the traces",
		why: "The baseline has a query cache already, and few query texts: a hit costs both next to nothing."},
	{name: "pool, the pool alone", asked: "+7 %", ratio: 1.07, server: "pool", alone: true, figure: throughput,
		part: "pool",
		why:  "pgxpool has connections for all here: limits and shedding, which are what the pool adds, have nothing to do."},
	{name: "pool, with its Reader", asked: "+7 %", ratio: 1.07, server: "reader", alone: true, figure: throughput,
		part:   "pool",
		itself: "pool/Turns *; x-queries/s, ten-texts/goroutines=256; reader",
		says:   "%s times pgxpool's point queries per second at 256 goroutines"},
	{name: "advisor and materialized views", asked: "+3 to +5 %", ratio: 1.03,
		why: "They change nothing by themselves, and what their advice brings depends on the database: this load's has the " +
			"indexes that it needs."},
}

// targetTable sets what was asked beside what was measured. The profile is the baseline
// server's.
func targetTable(r *load.Report, profile []load.Part, tables map[string]string) (string, error) {
	var rows []table.Row
	for _, t := range targets {
		g := t.gain(r)
		measured, verdict, why := "not measured by this load", "-", t.why
		if g != nil {
			ratio := t.figure(g)
			measured, verdict = ratio.String(), "missed"
			if t.reached(ratio.Median) {
				verdict, why = "reached", ""
				if !t.reached(t.worst(ratio)) {
					verdict = "reached by the median, not in each round"
				}
			} else if limit := t.limit(r, profile); limit > 0 {
				why = fmt.Sprintf("It replaces the part \"%s\", %.1f %% of the baseline server's CPU: without it all, throughput "+
					"would be %.2fx. %s",
					t.part, 100*partShare(profile, t.part), limit, why)
			}
		}
		itself := ""
		if t.itself != "" {
			figure, err := figureNamed(t.itself, tables)
			if err != nil {
				return "", err
			}
			itself = fmt.Sprintf(t.says, figure)
		}
		rows = append(rows, table.Row{t.name, t.asked, measured, verdict, itself, strings.TrimSpace(why)})
	}
	return markdown(table.Row{"the plan's", "asked", "measured, against the baseline", "", "the block by itself",
		"why not more"}, rows, "", "the block by itself", "why not more"), nil
}

// gain finds the target's gain, nil if it was not measured.
func (t target) gain(r *load.Report) *load.Gain {
	i := slices.IndexFunc(r.Gains, func(g *load.Gain) bool {
		return g.Server == t.server && g.Preset == "closed" && r.BlockAlone(g) == t.alone
	})
	if i < 0 {
		return nil
	}
	return r.Gains[i]
}

// reached compares a ratio as it is written, with two digits behind the point.
func (t target) reached(ratio float64) bool {
	if t.ratio < 1 {
		return ratio < t.ratio+0.005
	}
	return ratio > t.ratio-0.005
}

// worst is that of the round with the least gain.
func (t target) worst(r load.Ratio) float64 {
	if t.ratio < 1 {
		return r.Highest
	}
	return r.Lowest
}

// limit is the throughput, against the baseline's, of a server that does not do the target's
// part at all, while server, Postgres and generator share the cores. 0 if it is unknown.
func (t target) limit(r *load.Report, profile []load.Part) float64 {
	if t.part == "" || len(r.Results) == 0 || r.Results[0].Resources == nil {
		return 0
	}
	u := r.Results[0].Resources
	all := u.ServerCPU + u.PostgresCPU + u.GeneratorCPU
	if all <= 0 {
		return 0
	}
	return all / (all - partShare(profile, t.part)*u.ServerCPU)
}

func partShare(profile []load.Part, name string) float64 {
	for _, p := range profile {
		if p.Name == name {
			return p.Share
		}
	}
	return 0
}
