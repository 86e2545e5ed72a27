package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// The page says how long a soak has really been.
func TestSoakSection(t *testing.T) {
	var b bytes.Buffer
	if soakSection(&b, nil); b.Len() > 0 {
		t.Errorf("without a soak: %s", b.String())
	}
	var windows []load.Window
	for i := range 35 {
		windows = append(windows, load.Window{Server: "blog -compiled", Session: 1 + i/20, Minutes: float64(i), Length: 1,
			Rate: 800, Requests: 48000, P95: float64(i)})
	}
	soakSection(&b, windows)
	for _, want := range []string{"**35 minutes of 8 hours** (7.29 %)", "`blog -compiled` under 800 requests/s",
		"2 sessions, the longest of 20 minutes", "| figure | first 10 minutes | last 10 minutes |", "| P95, ms | 4.5 | 14.5 |",
		"**Drifting**: P95, ms (by"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %s", want, b.String())
		}
	}
	if got := drifting(windows[:5]); got != "No figure drifts." {
		t.Error(got)
	}
}

func TestPauses(t *testing.T) {
	got := pauses(&load.Report{Results: []*load.Result{
		{Server: "baseline", Preset: "closed", Seconds: 5, Resources: &load.Resources{GCCycles: 50, GCShare: 0.2, GCPauseP99: 0.5}},
		{Server: "baseline", Preset: "peak", Resources: &load.Resources{}}, {Server: "other", Preset: "closed"},
	}})
	if want := "| baseline | 10 | 20.0 % | - | 0.5 ms | - |"; strings.Count(got, "\n") != 3 || !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}
