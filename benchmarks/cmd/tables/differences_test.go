package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// timed is a time with an interval of a tenth on both sides.
func timed(pkg, work, impl string, median float64, date int) figure {
	return figure{Package: pkg, Work: work, Impl: impl, Unit: "sec/op", Median: median, Low: 0.9 * median, High: 1.1 * median, Date: day(date)}
}

func TestDifferences(t *testing.T) {
	wide := &measurements{Machine: load.Machine{CPU: "A", Cores: 2, SIMD: "AVX-512"}, Benchmarks: []figure{
		timed("simdjson", "Parse/x", "gqlboost", 1, 1), timed("simdjson", "Parse/x", "peer", 4, 1), timed("simdjson", "Parse/x", "avx2", 2, 1),
		timed("simdjson", "Parse/y", "peer", 9, 1), timed("simdjson", "Parse/y", "gqlboost", 1, 1), timed("simdjson", "Parse/y", "avx2", 3, 1),
		timed("simdjson", "Parse/y", "slow-peer", 90, 1),
		timed("stream", "Rows/x", "pgrows", 2, 1), timed("stream", "Rows/x", "discard", 1, 1), timed("stream", "Rows/x", "other", 3, 1),
		timed("arena", "Only/here", "gqlboost", 1, 1), timed("arena", "Only/here", "peer", 1, 1),
	}}
	narrow := &measurements{Machine: load.Machine{CPU: "B", Cores: 4, SIMD: "AVX2"}, Benchmarks: []figure{
		timed("simdjson", "Parse/x", "gqlboost", 1, 4), timed("simdjson", "Parse/x", "peer", 4, 4), timed("simdjson", "Parse/x", "portable", 8, 4),
		timed("simdjson", "Parse/y", "gqlboost", 1, 4), timed("simdjson", "Parse/y", "peer", 3, 4),
		timed("stream", "Rows/x", "pgrows", 2, 4), timed("stream", "Rows/x", "discard", 2, 4), timed("stream", "Rows/x", "other", 4.6, 4),
	}}
	narrow.Benchmarks[len(narrow.Benchmarks)-1].Low = 3 // Its interval reaches that of the other machine.
	r := &results{Machines: []*measurements{wide, narrow}}
	var b bytes.Buffer
	r.differencesSection(&b, &load.Report{Machine: wide.Machine, Date: day(2), Results: []*load.Result{
		{Server: "baseline", Preset: "closed", Throughput: 100, Requests: 10, Resources: &load.Resources{ServerCPU: 0.02, PostgresCPU: 0.01}}}})
	for _, want := range []string{
		"| A, 2 cores, AVX-512 | 2 January 2026 | 100 | 0.0 ms | 2000 us | 1000 us | - | - | - |",
		"| A, 2 cores, AVX-512 | AVX-512 | 6x |",      // of 4 and 9
		"| A, 2 cores, AVX-512 | AVX2 only | 2.45x |", // of 2 and 3
		"| B, 4 cores, AVX2 | AVX2 | 3.46x |",         // of 4 and 3
		"| B, 4 cores, AVX2 | portable | 0.5x |",
		"| simdjson | all | 2 | 6x | 3.46x | 1.73 |", "| simdjson/Parse | peer | 2 | 6x | 3.46x | 1.73 |",
		"| stream/Rows | other | 1 | 1.5x | 2.3x | 0.652 |",
		"Of 3 ratios, 1 differ by a factor of 1.5 or more and by more than their intervals; 1 more by as much",
		"| simdjson/Parse | y | peer | 9x (7.36 to 11) | 3x (2.45 to 3.67) | 3 | kernel: AVX-512 against AVX2; 2 against 4 cores; versions of the library 3 days apart |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for _, not := range []string{"arena", "slow-peer", "| simdjson/Parse | avx2", "discard"} {
		if strings.Contains(b.String(), not) {
			t.Errorf("%q in\n%s", not, b.String())
		}
	}
	b.Reset()
	r.Machines[1].Benchmarks = nil
	if r.differencesSection(&b, nil); !strings.Contains(b.String(), "no benchmark with a peer in common") {
		t.Error(b.String())
	}
}

func TestReason(t *testing.T) {
	m := load.Machine{CPU: "A", Cores: 2, SIMD: "AVX2"}
	p := ratioPair{timeRatio{benchmark: "arena/Tree", date: day(1)}, timeRatio{date: day(1)}}
	if got := reason(p, m, m); got != "the CPU" {
		t.Errorf("%q", got)
	}
	p.a.benchmark = "dataloader/Memory"
	if got := reason(p, m, m); !strings.HasPrefix(got, "peers wait") {
		t.Errorf("%q", got)
	}
}
