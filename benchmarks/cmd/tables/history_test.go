package main

import (
	"bytes"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// demoOf is a demo on a day, whose compiled server has a gain.
func demoOf(day int, gain float64) *load.Report {
	return &load.Report{
		Date: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC), Machine: load.Machine{CPU: "C", Cores: 2},
		Results: []*load.Result{{Server: "baseline"}, {Server: "compiled"}},
		Gains: []*load.Gain{
			{Server: "compiled", Preset: "closed", Throughput: load.Ratio{Median: gain}, P95: load.Ratio{Median: 0.5},
				ServerCPU: load.Ratio{Median: 0.25}},
			{Server: "compiled", Preset: "peak", Throughput: load.Ratio{Median: 1}},
			{Server: "compiled", Preset: "closed", Alone: true, Throughput: load.Ratio{Median: 9}},
		},
	}
}

func seconds(pkg, work, impl string, median float64) figure {
	return figure{Package: pkg, Work: work, Impl: impl, Unit: "sec/op", Median: median}
}

// Only what was measured again is in a record, and each block is compared with the best peer.
func TestNews(t *testing.T) {
	list := []figure{
		seconds("arena", "Tree/a", "gqlboost", 1), seconds("arena", "Tree/a", "heap", 8), seconds("arena", "Tree/a", "nuke", 2),
		seconds("arena", "Tree/b", "gqlboost", 1), seconds("arena", "Tree/b", "heap", 8),
		seconds("arena", "Alone/b", "gqlboost", 1), // without a peer
		seconds("plancache", "Ratio/x", "gqlboost", 1), seconds("plancache", "Ratio/x", "otter", 9),
		{Package: "arena", Work: "Tree/a", Impl: "gqlboost", Unit: "allocs/op", Median: 1},
		// A file that is read or mapped is restored by the cache as well.
		seconds("plancache", "Restore", "reader", 2), seconds("plancache", "Restore", "file", 1), seconds("plancache", "Restore", "mapped", 1),
		seconds("plancache", "Restore", "build", 70),
		seconds("stream", "Rows/x", "pgrows", 4), seconds("stream", "Rows/x", "discard", 1), seconds("stream", "Rows/x", "structs", 2),
	}
	on := func(demo *load.Report, list []figure) *results {
		other := &measurements{Machine: load.Machine{CPU: "D", Cores: 4, SIMD: "AVX2"}, Benchmarks: []figure{
			seconds("arena", "Tree/a", "gqlboost", 1), seconds("arena", "Tree/a", "heap", 3)}}
		return &results{Machines: []*measurements{{Machine: load.Machine{CPU: "C", Cores: 2}, Demo: demo, Benchmarks: list}, other}}
	}
	first := on(demoOf(1, 2.5), list)
	want := []record{
		{Machine: "C, 2 cores", Servers: []serverRatios{{"compiled", 2.5, 0.5, 0.25}}, Blocks: []blockRatio{{"arena", 4, 2}, {"plancache", 35, 1}, {"stream", 0.5, 1}}},
		{Machine: "D, 4 cores, AVX2", Blocks: []blockRatio{{"arena", 3, 1}}},
	}
	if got := news(&results{}, first); !reflect.DeepEqual(got, want) {
		t.Errorf("at first %+v", got)
	}
	if got := news(first, on(demoOf(1, 2.5), list)); got != nil {
		t.Errorf("of the same %+v", got)
	}
	faster := append([]figure{seconds("arena", "Tree/a", "gqlboost", 0.25)}, list[1:]...)
	got := news(first, on(demoOf(1, 2.5), faster))
	if len(got) != 1 || got[0].Servers != nil || !reflect.DeepEqual(got[0].Blocks, []blockRatio{{"arena", 8, 2}}) {
		t.Errorf("of one block %+v", got)
	}
	if got = news(first, on(demoOf(2, 3), list)); len(got) != 1 || got[0].Blocks != nil || got[0].Servers[0].Throughput != 3 {
		t.Errorf("of another demo %+v", got)
	}
}

// The history that is made from git is that of its commits, and what is taken in is appended.
func TestHistory(t *testing.T) {
	t.Chdir(t.TempDir())
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %s", args, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q")
	run("commit", "-q", "--allow-empty", "-m", "start")
	var commits []string
	for _, text := range []string{
		`{"demo":{"date":"2026-01-01T00:00:00Z","gains":[{"server":"direct","preset":"closed","throughput":{"median":4}}],"results":[{"server":"direct"}]}}`,
		`{"demo":{"date":"2026-01-01T00:00:00Z","gains":[{"server":"direct","preset":"closed","throughput":{"median":4}}],"results":[{"server":"direct"}]},"peers":{}}`,
		`{"machines":[{"demo":{"date":"2026-01-03T00:00:00Z","gains":[{"server":"direct","preset":"closed","throughput":{"median":5}}],"results":[{"server":"direct"}]}}]}`,
	} {
		commits = append(commits, run("rev-parse", "--short=10", "HEAD"))
		if err := os.WriteFile(resultsFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run("add", resultsFile)
		run("commit", "-q", "-m", "results")
	}
	if err := rewriteHistory(); err != nil {
		t.Fatal(err)
	}
	list, err := readHistory()
	if err != nil || len(list) != 2 || list[0].Commit != commits[0] || list[1].Commit != commits[2] ||
		list[1].Servers[0].Throughput != 5 || list[0].Date.IsZero() {
		t.Fatalf("from git: %+v, %v", list, err)
	}
	taken := &results{Machines: []*measurements{{Demo: demoOf(1, 2)}}}
	if same, err := addToHistory(list, taken, taken); err != nil || len(same) != 2 {
		t.Fatal(same, err)
	}
	list, err = addToHistory(list, &results{}, taken)
	if err != nil || len(list) != 3 || list[2].Commit != run("rev-parse", "--short=10", "HEAD") || list[2].Servers[0].Throughput != 2 {
		t.Fatalf("with one more: %+v, %v", list, err)
	}
	charts := historyCharts(list)
	if s := charts[0].Series; len(s) != 2 || !reflect.DeepEqual(s[0].Points, [][2]float64{{1, 4}, {2, 5}}) ||
		!reflect.DeepEqual(s[1].Points, [][2]float64{{3, 2}}) || !charts[1].Empty() {
		t.Errorf("%+v", charts)
	}
	// A mean over other works than the last record's has no place beside its.
	blocks := historyCharts([]record{{Blocks: []blockRatio{{"stream", 4, 3}, {"pool", 2, 3}}},
		{Blocks: []blockRatio{{"stream", 1, 8}}}, {Blocks: []blockRatio{{"stream", 2, 8}}}})[1].Series
	if len(blocks) != 2 || blocks[0].Name != "pool" || !reflect.DeepEqual(blocks[1].Points, [][2]float64{{2, 1}, {3, 2}}) {
		t.Errorf("%+v", blocks)
	}
	var page bytes.Buffer
	historySection(&page, list)
	for _, want := range []string{"## History", "plots/history-servers.svg", "| direct, server | 5 |"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in %s", want, page.String())
		}
	}
	if err := os.WriteFile(historyFile, []byte("{}\n{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readHistory(); err == nil || !strings.Contains(err.Error(), historyFile+":2") {
		t.Errorf("of a line that is cut short: %v", err)
	}
}
