package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func TestTables(t *testing.T) {
	bench := filepath.Join(t.TempDir(), "bench.txt")
	if err := os.WriteFile(bench, []byte(`pkg: example.com/b/arena
host: {"cpu":"ThisCPU","cores":2,"simd":"AVX2","date":"2026-02-03T00:00:00Z"}
BenchmarkTree/mode=serial/impl=gqlboost-2 100 200 ns/op 0 B/op 0 allocs/op
BenchmarkTree/mode=serial/impl=heap-2 100 500 ns/op 8 B/op 3 allocs/op
machine: {"stealShare":0.1,"othersCpuShare":0}
pkg: example.com/b/arena
BenchmarkTree/mode=serial/impl=gqlboost-2 100 220 ns/op 0 B/op 0 allocs/op
BenchmarkTree/mode=serial/impl=heap-2 100 510 ns/op 8 B/op 3 allocs/op
machine: {"stealShare":0,"othersCpuShare":0.2}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	host, list, err := readBenchmarks(bench)
	if err != nil || host != (load.Machine{CPU: "ThisCPU", Cores: 2, SIMD: "AVX2"}) {
		t.Fatal(host, err)
	}
	old := []figure{{Package: "arena", Work: "Tree/mode=gone"}, {Package: "zoo", Work: "Kept"}}
	r := &measurements{Machine: host, Benchmarks: merge(old, list), Demo: &load.Report{
		Results: []*load.Result{{Server: "baseline", Preset: "closed", Throughput: 100, Latency: load.Latency{P95: 50}}, {Server: "boosted", Preset: "closed", Throughput: 200, Latency: load.Latency{P95: 20}}},
		Gains:   []*load.Gain{{Server: "boosted", Preset: "closed", Throughput: load.Ratio{Median: 2}, P95: load.Ratio{Median: 0.4}}, {Server: "reader", Preset: "closed", Throughput: load.Ratio{Median: 1.35, Lowest: 1.2, Highest: 1.5}}},
	}}
	if n := len(r.Benchmarks); n != len(list)+1 || r.Benchmarks[n-1] != old[1] {
		t.Errorf("merged: %v", r.Benchmarks)
	}
	r.Peers = &load.PeerReport{
		Results:     []*load.Result{{Server: "gqlgen", Throughput: 100, Clients: 64}, {Server: "other", Throughput: 50, Requests: 10, Errors: 3, Resources: &load.Resources{ServerCPU: 0.02}}},
		Gains:       []*load.Gain{{Server: "other", Throughput: load.Ratio{Median: 0.5}}},
		Throughputs: [][]float64{{90, 100, 120}, {40, 50, 60}},
		Skipped:     []load.Skipped{{Name: "Yoga", Reason: "no node | here\nmore"}}, Conditions: []*machine.Conditions{{Load: 7.5, Steal: 0.25, OthersUnknown: true}, {Load: 1, Others: 0.5}},
	}
	r.Demo.Exports = []*load.Export{{Server: "old", FirstByte: 5, Whole: 70}, {Server: "new", Whole: 60, Rounds: 5, Lowest: 55, Highest: 81}}
	tables := r.tables()
	for name, want := range map[string]string{
		"closed": "200 (2.00x)", "peers": "| other | 50 (0.50x) | 40 to 60 |", "blocks": "1.35 (1.20 to 1.50)",
		"exports": "| old | 5.0 ms | 70 ms | 0 B |\n| new | 0.0 ms | 60 ms (55 to 81) |", "arena/Tree": "| mode=serial | 210 ns (200 to 220) | 505 ns (2.4x) |", "arena/Tree allocs/op": "| mode=serial | 0 | 3 |",
	} {
		if !strings.Contains(tables[name], want) {
			t.Errorf("%s: no %s in\n%s", name, want, tables[name])
		}
	}
	for _, want := range []string{"2000 us", "| Yoga | skipped: no node / here |", "| 3 |"} {
		if !strings.Contains(tables["peers"], want) {
			t.Errorf("no %s in\n%s", want, tables["peers"])
		}
	}
	text := "a\n<!-- table closed -->\nold 7\n<!-- end -->\nb\n"
	filled, err := fill([]byte(text), tables)
	if err != nil || strings.Contains(string(filled), "old") || !strings.HasSuffix(string(filled), "<!-- end -->\nb\n") {
		t.Errorf("%s, %v", filled, err)
	}
	if again, err := fill(filled, tables); err != nil || string(again) != string(filled) {
		t.Errorf("filled again it is another text: %s, %v", again, err)
	}
	for text, good := range map[string]bool{
		"# Speed\n<!-- table x -->\n| 5 ns |\n<!-- end -->\nIt has 4 cores.\n": true, "Waits 5 ms.\n# Speed\n": true, "## Speed\nIt takes 5 ns.\n": false,
		"## Speed\n| 1.5x |\n": false, "## Blocks\n<!-- figure blocks; a; b -->1.5x<!-- end --> 4x\n": false,
		"## Blocks\n<!-- figure blocks; a; b -->1.5x<!-- end --> and more\n": true, "## Speed\nRequests of 64 KB\n": false,
	} {
		if err := onlyPublished([]byte(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := fill([]byte("<!-- table nothing -->\n<!-- end -->"), tables); err == nil {
		t.Error("no error for a table without results")
	}
	for text, want := range map[string]string{
		"| <!-- figure blocks; reader; throughput -->0<!-- end --> |":                  "1.35 (1.20 to 1.50)",
		"<!-- figure blocks; reader; throughput; first -->1 (1)<!-- end --> times":     "1.35",
		"<!-- figure arena/Tree; mode=serial; heap; ratio --><!-- end --> as fast":     "2.4x",
		"a <!-- figure arena/Tree allocs/op; mode=serial; heap -->9<!-- end --> and b": "3",
		"<!-- figure blocks; nobody; throughput -->1<!-- end -->":                      "",
		"<!-- figure blocks; reader; nothing -->1<!-- end -->":                         "",
		"<!-- figure nothing; reader; throughput -->1<!-- end -->":                     "",
		"<!-- figure arena/Tree; mode=serial; gqlboost; ratio -->1<!-- end -->":        "",
	} {
		filled, err := fill([]byte(text), tables)
		comments := strings.SplitAfter(text, "-->")
		if wanted := comments[0] + want + "<!-- end -->" + comments[2]; want == "" && err == nil ||
			want != "" && (err != nil || string(filled) != wanted) {
			t.Errorf("%s: %q, %v, want %q", text, filled, err, wanted)
		}
	}
	all := &results{Machines: []*measurements{r}}
	for _, want := range []string{
		"## ThisCPU, 2 cores, AVX2\n", "### arena", "3 February 2026", "busy: other processes used 20 % of the CPU, other machines took 10 % of the CPU",
		tables["arena/Tree"], tables["peers"],
		"load average 7.5 before the run, 25.00 % of the CPU time stolen during it; load average 1.0 before the run, 0.00 % of the CPU time stolen during it, 50.0 % used",
	} {
		if p := string(all.page("", nil, nil, nil)); !strings.Contains(p, want) {
			t.Errorf("no %q in %s", want, p)
		}
	}
}

func TestReference(t *testing.T) {
	for want, impls := range map[string][]string{
		"gqlboost": {"peer", "gqlboost"},
		"reader":   {"reader-transaction", "pgxpool-2", "reader"},
		"pgxpool":  {"pgxpool", "pool/queue"},
	} {
		if got := reference(impls); got != want {
			t.Errorf("%v are compared with %s, want %s", impls, got, want)
		}
	}
}

// A figure shows how certain it is, however few runs it has.
func TestText(t *testing.T) {
	for want, f := range map[string]figure{
		"17 ms":                  {Unit: "sec/op", Median: 0.017, Low: 0.017, High: 0.017, Runs: 1},
		"17 ms (14.9 to 18.2)":   {Unit: "sec/op", Median: 0.017, Low: 0.0149, High: 0.0182, Runs: 3},
		"990 µs (980 to 1100)":   {Unit: "sec/op", Median: 990e-6, Low: 980e-6, High: 1100e-6, Runs: 3},
		"17 ms ± 12 %":           {Unit: "sec/op", Median: 0.017, Low: 0.0149, High: 0.0182, Confidence: 0.97, Runs: 6},
		"1.09 GB/s (1 to 1.2)":   {Unit: "B/s", Median: 1.09e9, Low: 1e9, High: 1.2e9, Runs: 3},
		"3.46 (3.1 to 3.6)":      {Unit: "x-queries/s", Median: 3.46, Low: 3.1, High: 3.6, Runs: 3},
		"1000":                   {Unit: "B/op", Median: 1000, Low: 991, High: 1009, Runs: 3}, // Within a hundredth.
		"0 (0 to 2)":             {Unit: "late/op", Low: 0, High: 2, Runs: 3},
		"500 ms":                 {Unit: "sec/op", Median: 0.5}, // Without its runs.
		"0":                      {Unit: "allocs/op", Runs: 3},
		"0.843 (0.721 to 0.894)": {Unit: "ratio", Median: 0.8427, Low: 0.7211, High: 0.8942, Runs: 3},
	} {
		if got := f.text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A ratio is not taken for the range before it.
func TestRatioOf(t *testing.T) {
	tables := map[string]string{"x": markdown(table.Row{"work", "ours", "peer"},
		[]table.Row{{"a", "17 ms (16 to 19)", "34 ms (33 to 40) (2x)"}, {"b", "1 s", "2e+03 s (1.5e+03x)"}})}
	for name, want := range map[string]string{
		"x; a; peer; ratio": "2x", "x; b; peer; ratio": "1.5e+03x", "x; a; ours; ratio": "", "x; b; ours; ratio": "",
		"x; a; peer; first": "34",
	} {
		if got, err := figureNamed(name, tables); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestUncertain(t *testing.T) {
	if n := uncertain([]figure{{Runs: 3}, {Runs: 6, Confidence: 0.97}, {Runs: 1}}); n != 2 {
		t.Error(n)
	}
}
