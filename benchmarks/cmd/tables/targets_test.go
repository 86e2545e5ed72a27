package main

import (
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func TestTargetTable(t *testing.T) {
	ratio := func(v float64) load.Ratio { return load.Ratio{Median: v, Lowest: v - 0.1, Highest: v + 0.1} }
	r := &load.Report{
		Results: []*load.Result{{Server: "baseline", Preset: "closed", Resources: &load.Resources{ServerCPU: 5, PostgresCPU: 4, GeneratorCPU: 1}},
			{Server: "boosted", Preset: "closed"}, {Server: "compiled", Preset: "closed"}},
		Gains: []*load.Gain{
			{Server: "boosted", Preset: "peak", Throughput: ratio(9), P95: ratio(0.1)},
			{Server: "boosted", Preset: "closed", Throughput: ratio(1.40), P95: ratio(0.71)},
			{Server: "compiled", Preset: "closed", Throughput: ratio(1.41), P95: ratio(0.72)},
			{Server: "compiled", Preset: "closed", Alone: true, Throughput: ratio(9), P95: ratio(0.1)},
			{Server: "simdjson", Preset: "closed", Alone: true, Throughput: ratio(1.01)},
			{Server: "stream", Preset: "closed", Alone: true, Throughput: ratio(1.4)},
		},
	}
	tables := map[string]string{
		"simdjson/DecodeRequest": "| work | encoding-json-map |\n|---|---|\n| 1.7KB | 9 ms (18x) |\n",
		"stream/Rows":            "| work | structs-encoding-json |\n|---|---|\n| 10k-rows | 9 ms (4x) |\n",
		"plancache/Ratio *":      "| work | gqlboost |\n|---|---|\n| geomean | 0.6 |\n",
		"pool/Turns *":           "| work | reader |\n|---|---|\n| x-queries/s, ten-texts/goroutines=256 | 3 |\n",
	}
	got, err := targetTable(r, []load.Part{{Name: "JSON decode", Share: 0.4}}, tables)
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range map[string][3]string{ // measured, verdict, in the reason
		"P95 120 to 85 ms, blocks in gqlgen":        {"0.71 (0.61 to 0.81)", "reached by the median, not in each round", ""},
		"P95 120 to 85 ms, executor replaced":       {"0.72 (0.62 to 0.82)", "missed", ""},
		"8.5k to 12k requests/s, blocks in gqlgen":  {"1.40 (1.30 to 1.50)", "missed", ""},
		"8.5k to 12k requests/s, executor replaced": {"1.41 (1.31 to 1.51)", "reached by the median, not in each round", ""},
		"simdjson":                       {"1.01 (0.91 to 1.11)", "missed", "40.0 % of the baseline server's CPU: without it all, throughput would be 1.25x"},
		"stream":                         {"1.40 (1.30 to 1.50)", "reached", ""},
		"plancache":                      {"not measured by this load", "-", "query cache"},
		"advisor and materialized views": {"not measured by this load", "-", "change nothing by themselves"},
	} {
		measured, ok := cellOf(got, row, "measured, against the baseline")
		verdict, _ := cellOf(got, row, "")
		why, _ := cellOf(got, row, "why not more")
		if !ok || measured != want[0] || verdict != want[1] || !strings.Contains(why, want[2]) || want[2] == "" && why != "" {
			t.Errorf("%s: %q, %q, %q", row, measured, verdict, why)
		}
	}
	if itself, _ := cellOf(got, "simdjson", "the block by itself"); !strings.Contains(itself, "18x") {
		t.Error(itself)
	}
	delete(tables, "pool/Turns *")
	if _, err := targetTable(r, nil, tables); err == nil {
		t.Error("no error for a figure without results")
	}
}
