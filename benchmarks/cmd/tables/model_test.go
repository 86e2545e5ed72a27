package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
)

func TestModelTables(t *testing.T) {
	round := func(one, two, p95 float64) model.Round {
		return model.Round{
			One:  model.Run{Cores: 1, Throughput: one, Server: 0.001, Postgres: 0.0005, Generator: 0.0001},
			Two:  model.Run{Cores: 2, Throughput: two, Server: 0.0012, Postgres: 0.0006},
			Open: []model.Open{{Share: 0.7, P95: 10}, {Share: 0.85, P95: p95}},
		}
	}
	m := &model.Report{Date: day(3), Command: "make model", Conditions: &machine.Conditions{Steal: 0.01}, Servers: []*model.Server{
		{Name: "linear", Rounds: []model.Round{round(1000, 2000, 50), round(1000, 2000, 60), round(1000, 2000, 70)}},
		{Name: "serial", Rounds: []model.Round{round(1000, 1600, 50), round(1000, 1600, 90), round(1000, 2000, 95)}}, // Shares of 0.25, 0.25, 0.
		{Name: "slow", Rounds: []model.Round{{One: model.Run{Cores: 1, Throughput: 10}, Two: model.Run{Cores: 2, Throughput: 20}, Open: []model.Open{{Share: 0.7, P95: 100}}}}},
		{Name: "busy", Rounds: []model.Round{{One: model.Run{Cores: 1, Throughput: 800, Taken: 0.2}, Two: model.Run{Cores: 2, Throughput: 800, Taken: 1.2}, Open: []model.Open{{Share: 0.85, P95: 80}}}}},
		{Name: "failing", Rounds: []model.Round{{One: model.Run{Cores: 1, Throughput: 10}, Two: model.Run{Cores: 2, Throughput: 20},
			Open: []model.Open{{Share: 0.7, P95: 10, Errors: 4}, {Share: 0.85, P95: 12, Errors: 5}}}}},
	}}
	check, cores := checkTable(m), coresTable(m)
	for _, want := range []string{
		"| linear | 3, 3 | 1000 | 2000 | 1000 us | 500 us | 100 us | 1800 us | 0.00 | +0 % | 0.00 | +0 % |",
		"| serial | 3, 3 | 1000 | 1600 (1600 to 2000) |", "| +25 % (+0 % to +25 %) | 0.25 (0.00 to 0.25) | +11 % (-20 % to +11 %) |",
		"| slow | 1, 1 |", "| busy | 1, 0 | 800 | 800 | 0 us | 0 us | 0 us | 0 us | 1.20 | +0 % | - | - |", "| +0 % | 0.00 | - |",
		"| failing (9 requests failed) | 1, 1 |",
	} {
		if !strings.Contains(check, want) {
			t.Errorf("no %q in\n%s", want, check)
		}
	}
	for _, want := range []string{
		"| linear | 16000 | 16000 | 60.0 ms at 85 % | 15 | 15 |",
		// 12 000 are 17 143 at 70 %: 18 cores if linear, and 1000/0.25 is the most with a share of 0.25.
		"| serial | 3368 (3368 to 16000) | 16000 | 10.0 ms at 70 % | more than one machine (18 to more than one machine) | 18 |",
		"| busy | - | 16000 | 80.0 ms at 85 % | - | 15 |",
		"| slow | 160 | 160 | 100.0 ms at 70 %, above | 1715 | 1715 |",
		"| failing (9 requests failed) | 160 | 160 | 10.0 ms at 70 %, with errors | 1715 | 1715 |",
	} {
		if !strings.Contains(cores, want) {
			t.Errorf("no %q in\n%s", want, cores)
		}
	}
	var b bytes.Buffer
	for _, shared := range []bool{false, true} {
		b.Reset()
		m.Servers[0].Rounds[0].Two.Shared = shared
		modelSection(&b, m, map[string]string{"model": check, "cores": cores})
		for _, want := range []string{"3 January 2026", "12 000 requests/s", "1.00 % of the CPU time stolen", check, cores} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
		if got := strings.Contains(b.String(), "it shared them"); got != shared {
			t.Errorf("shared %v:\n%s", shared, b.String())
		}
	}
}
