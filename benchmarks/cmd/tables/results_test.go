package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func file(t *testing.T, content any) string {
	t.Helper()
	text, err := json.Marshal(content)
	if s, ok := content.(string); ok {
		text = []byte(s)
	}
	name := filepath.Join(t.TempDir(), "file")
	if err == nil {
		err = os.WriteFile(name, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

const output = `pkg: example.com/b/arena
BenchmarkTree/impl=gqlboost-2 100 200 ns/op
host: {"cpu":"CPU","cores":8,"simd":"NEON","date":"2026-01-09T00:00:00Z"}
`

// What another machine has measured stays; what the same one has measured is replaced. The machine with the most parts
// comes first.
func TestTake(t *testing.T) {
	two := load.Machine{CPU: "CPU", Cores: 2, SIMD: "AVX2"}
	wider := load.Machine{CPU: "CPU", Cores: 2, SIMD: "AVX-512"}
	r := &results{Machines: []*measurements{
		{Machine: two, Demo: &load.Report{Date: day(1), Machine: two, Maximum: 1}, Benchmarks: []figure{{Package: "arena", Work: "Tree"}}},
	}}
	take := func(in inputs) {
		t.Helper()
		if err := r.take(in); err != nil {
			t.Fatal(err)
		}
	}
	order := func(want ...string) {
		t.Helper()
		var got []string
		for _, m := range r.Machines {
			got = append(got, m.Machine.String())
		}
		if strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("machines %q, want %q", got, want)
		}
	}
	take(inputs{demo: file(t, load.Report{Command: "make demo", Date: day(2), Machine: wider, Maximum: 2})})
	order("CPU, 2 cores, AVX2", "CPU, 2 cores, AVX-512")
	take(inputs{bench: file(t, output)})
	order("CPU, 2 cores, AVX2", "CPU, 8 cores, NEON", "CPU, 2 cores, AVX-512")
	take(inputs{model: file(t, model.Report{Command: "make model", Date: day(10), Machine: wider}), demo: file(t, load.Report{Command: "make demo ARGS='-rounds=5'", Date: day(4), Machine: two, Maximum: 4})})
	order("CPU, 2 cores, AVX-512", "CPU, 2 cores, AVX2", "CPU, 8 cores, NEON")
	take(inputs{peers: file(t, load.PeerReport{Command: "make peers", Date: day(3), Machine: two})})
	order("CPU, 2 cores, AVX2", "CPU, 2 cores, AVX-512", "CPU, 8 cores, NEON")
	first, second, third := r.Machines[0], r.Machines[1], r.Machines[2]
	if second.Model == nil || second.Demo.Maximum != 2 || len(third.Benchmarks) != 1 || first.Demo.Maximum != 4 ||
		first.Peers == nil || len(first.Benchmarks) != 1 {
		t.Errorf("%+v, %+v, %+v", first, second, third)
	}
	if r.demo().Maximum != 4 {
		t.Error("the demo is not that of the first machine")
	}
}

func TestTakeRefuses(t *testing.T) {
	const host = "host: {\"cpu\":\"CPU\",\"cores\":8,\"simd\":\"NEON\",\"date\":\"2026-01-09T00:00:00Z\"}\n"
	for name, c := range map[string]struct {
		in   inputs
		want string
	}{
		"a report of before":  {inputs{demo: file(t, load.Report{Command: "make demo", Machine: load.Machine{CPU: "CPU", Cores: 2}})}, "SIMD"},
		"no machine":          {inputs{bench: file(t, "pkg: a/b\nBenchmarkX/impl=y 1 2 ns/op\n")}, "make bench"},
		"two machines":        {inputs{bench: file(t, host+strings.Replace(host, "NEON", "AVX2", 1))}, "two machines"},
		"no host":             {inputs{bench: file(t, "host: x\n")}, "the machine's name"},
		"half a host":         {inputs{bench: file(t, strings.Replace(host, `"cores":8,`, "", 1))}, "how many cores"},
		"there is no file":    {inputs{peers: "none"}, "none"},
		"there is no JSON":    {inputs{model: file(t, "x")}, "invalid"},
		"peers of no machine": {inputs{peers: file(t, load.PeerReport{Command: "make peers"})}, "SIMD"},
		"peers for a demo":    {inputs{demo: file(t, load.PeerReport{Command: "make peers"})}, "make demo"},
		"a load for a demo":   {inputs{demo: file(t, load.Report{Command: "go run ./cmd/load"})}, "make demo"},
		"a server that fails": {inputs{demo: file(t, load.Report{Command: "make demo", Machine: load.Machine{CPU: "CPU", Cores: 2, SIMD: "AVX2"},
			Results: []*load.Result{{Server: "boosted", Preset: "peak", Requests: 99, Errors: 1}}})}, "boosted, peak: 1 requests failed (1.00 %)"},
		"a peer that fails": {inputs{peers: file(t, load.PeerReport{
			Command: "make peers", Machine: load.Machine{CPU: "CPU", Cores: 2, SIMD: "AVX2"},
			Results: []*load.Result{{Server: "direct", Preset: "closed", Requests: 99, Errors: 1}},
		})}, "direct, closed: 1 requests failed (1.00 %)"},
		"a demo for peers":   {inputs{peers: file(t, load.Report{Command: "make demo"})}, "make peers"},
		"a demo for a model": {inputs{model: file(t, load.Report{Command: "make demo"})}, "make model"},
	} {
		r := new(results)
		if err := r.take(c.in); err == nil || !strings.Contains(err.Error(), c.want) || len(r.Machines) > 0 {
			t.Errorf("%s: %v, %v", name, err, r.Machines)
		}
	}
}

// A README shows the first machine that has a table, and says which one that is.
func TestTablesOfSeveralMachines(t *testing.T) {
	one := func(pkg, work string, median float64) figure {
		return figure{Package: pkg, Work: work, Impl: "gqlboost", Unit: "sec/op", Median: median, Low: median, High: median}
	}
	r := &results{Machines: []*measurements{
		{Machine: load.Machine{CPU: "New", Cores: 2, SIMD: "AVX2"}, Benchmarks: []figure{one("arena", "Tree/a", 1), one("pool", "Point/a", 2)}},
		{Machine: load.Machine{CPU: "Old", Cores: 2, SIMD: "AVX2"}, Benchmarks: []figure{one("arena", "Tree/a", 3), one("arena", "Map/a", 4), one("zoo", "Cage/a", 5)}},
	}}
	tables := r.tables()
	for name, want := range map[string]string{
		"arena/Tree": "| a | 1 s |", "arena/Map": "| a | 4 s |", "zoo/Cage": "| a | 5 s |",
		"machines": "| arena | New, 2 cores, AVX2; Old, 2 cores, AVX2 |\n| pool | New, 2 cores, AVX2 |\n| zoo | Old, 2 cores, AVX2 |",
	} {
		if !strings.Contains(tables[name], want) {
			t.Errorf("%s: no %q in\n%s", name, want, tables[name])
		}
	}
	p := string(r.page("", nil, nil, nil))
	last := -1
	for _, want := range []string{"- [Old, 2 cores, AVX2](#old-2-cores-avx2)", "## New, 2", "| a | 1 s |", "## What differs", "## Old, 2", "| a | 3 s |"} {
		at := strings.Index(p, want)
		if at <= last {
			t.Errorf("%q is at %d, after what is at %d, in\n%s", want, at, last, p)
		}
		last = at
	}
}

// Results that the page cannot be made of are not taken in: no file is changed.
func TestAllOrNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	if out, err := exec.Command("git", "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	for _, args := range []string{"-q --allow-empty -m start"} {
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "commit"}, strings.Fields(args)...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	demo := load.Report{Command: "make demo", Date: day(2), Machine: load.Machine{CPU: "CPU", Cores: 2, SIMD: "AVX2"},
		Results: []*load.Result{{Server: "baseline", Preset: "closed"}, {Server: "other", Preset: "closed"}},
		Gains:   []*load.Gain{{Server: "other", Preset: "closed", Throughput: load.Ratio{Median: 2}}}}
	if err := run(inputs{demo: file(t, demo)}, false); err == nil {
		t.Error("there is no profile of the baseline, and no README")
	}
	for _, name := range []string{resultsFile, historyFile, page} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s was written: %v", name, err)
		}
	}
}

func TestAgainst(t *testing.T) {
	for want, r := range map[string]load.Ratio{
		"":                       {},
		" (2.00x)":               {Median: 2},
		" (1.00x)":               {Median: 1, Lowest: 0.9999, Highest: 1.0001},
		" (1.35x, 1.03 to 1.38)": {Median: 1.35, Lowest: 1.03, Highest: 1.38},
	} {
		if got := against(r); got != want {
			t.Errorf("%v: %q, want %q", r, got, want)
		}
	}
}

// Each benchmark says which run it is of, where those of a package are of several.
func TestBenchmarksOfSeveralRuns(t *testing.T) {
	list := []figure{
		{Package: "arena", Work: "A", Impl: "x", Unit: "sec/op", Median: 1, Runs: 2, Date: day(1)},
		{Package: "arena", Work: "A", Impl: "x", Unit: "allocs/op", Median: 1, Runs: 2, Date: day(1)},
		{Package: "arena", Work: "B", Impl: "x", Unit: "sec/op", Median: 1, Runs: 2, Date: day(1)},
		{Package: "arena", Work: "C", Impl: "x", Unit: "sec/op", Median: 1, Runs: 6, Date: day(2), Conditions: &machine.Conditions{}},
		{Package: "pool", Work: "D", Impl: "x", Unit: "sec/op", Median: 1, Runs: 6, Date: day(2), Conditions: &machine.Conditions{}},
	}
	tables := map[string]string{}
	addBenchmarks(tables, list)
	var b bytes.Buffer
	benchmarkSections(&b, list, tables)
	got := regexp.MustCompile(`### \w+|COUNT=\d+\x60, \d+ January|rounds: [a-z ]+|(?m)^[A-D]:`).FindAllString(b.String(), -1)
	want := "### arena|COUNT=2`, 1 January|rounds: not recorded|A:|B:|COUNT=6`, 2 January|rounds: quiet|C:|### pool|COUNT=6`, 2 January|rounds: quiet|D:"
	if strings.Join(got, "|") != want {
		t.Errorf("%s, want %s, in\n%s", strings.Join(got, "|"), want, b.String())
	}
}
