package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// The servers of a round, in this order.
const (
	baselineBefore = iota
	compiledBefore
	baselineAfter
	compiledAfter
	servers
)

// figure is what a version gains by the library: the compiled server against the baseline, more
// is better. What the machine does to both leaves it as it is.
type figure struct {
	name string
	gain func(baseline, compiled *load.Result) float64 // 0 if it is unknown
	// always reports that a busy machine does not change it.
	always bool
}

var figures = []figure{
	{"throughput", func(baseline, compiled *load.Result) float64 {
		return divided(compiled.Throughput, baseline.Throughput)
	}, false},
	{"CPU per request", func(baseline, compiled *load.Result) float64 {
		return divided(cpuEach(baseline), cpuEach(compiled))
	}, false},
	{"allocations per request", func(baseline, compiled *load.Result) float64 {
		return divided(allocations(baseline), allocations(compiled))
	}, true},
}

func cpuEach(r *load.Result) float64 {
	if r.Resources == nil {
		return 0
	}
	return divided(r.Resources.ServerCPU, float64(r.Requests))
}

func allocations(r *load.Result) float64 {
	if r.Resources == nil {
		return 0
	}
	return r.Resources.Allocations
}

func divided(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// verdict compares a figure's gain of both versions.
type verdict struct {
	figure        string
	before, after float64 // medians
	p             float64 // that they differ by chance only
	worse         bool
	suspect       bool // it may be worse: more rounds would tell
	always        bool // as that of figure
}

const (
	// certain is the p-value below which gains count as different, as in benchmarks/gate, and
	// possible the one below which it is worth while to measure again.
	certain  = 0.001
	possible = 0.05
	// fewest rounds can be as certain as that.
	fewest = 7
)

var thresholds = benchmath.DefaultThresholds

// quiet leaves out the rounds in which something else used the machine.
func quiet(rounds [][]*load.Result) [][]*load.Result {
	return slices.DeleteFunc(slices.Clone(rounds), func(round []*load.Result) bool {
		return slices.ContainsFunc(round, func(r *load.Result) bool { return r.Conditions.Busy() })
	})
}

// judge compares the gains of the rounds. The gain of after is worse if it is smaller by more
// than the limit, which is a ratio above 1, for certain, and with the intervals of the medians
// apart.
func judge(rounds [][]*load.Result, limit float64) (list []verdict) {
	for _, f := range figures {
		var before, after []float64
		for _, round := range rounds {
			a, b := f.gain(round[baselineBefore], round[compiledBefore]), f.gain(round[baselineAfter], round[compiledAfter])
			if a > 0 && b > 0 {
				before, after = append(before, a), append(after, b)
			}
		}
		if len(before) == 0 {
			continue
		}
		a, b := benchmath.NewSample(before, &thresholds), benchmath.NewSample(after, &thresholds)
		x, y := benchmath.AssumeNothing.Summary(a, 0.95), benchmath.AssumeNothing.Summary(b, 0.95)
		v := verdict{figure: f.name, before: x.Center, after: y.Center, p: benchmath.AssumeNothing.Compare(a, b).P,
			always: f.always}
		v.suspect = v.p < possible && v.after*limit < v.before
		v.worse = v.p < certain && v.suspect && y.Hi < x.Lo
		list = append(list, v)
	}
	return list
}

// anyWorse reports whether one of the figures is.
func anyWorse(list []verdict) bool {
	return slices.ContainsFunc(list, func(v verdict) bool { return v.worse })
}

// anySuspect reports whether one of the figures may be worse.
func anySuspect(list []verdict) bool {
	return slices.ContainsFunc(list, func(v verdict) bool { return v.suspect })
}

// always leaves the figures that count on a busy machine as well.
func always(list []verdict) []verdict {
	return slices.DeleteFunc(slices.Clone(list), func(v verdict) bool { return !v.always })
}

// table shows verdicts.
func table(list []verdict) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "gain of compiled over baseline\tbefore\tafter\tratio\tchance\t")
	for _, v := range list {
		mark := ""
		switch {
		case v.worse:
			mark = "WORSE"
		case v.suspect:
			mark = "UNSURE"
		}
		fmt.Fprintf(w, "%s\t%.3fx\t%.3fx\t%.3f\tp=%.4f\t%s\n", v.figure, v.before, v.after,
			divided(v.after, v.before), v.p, mark)
	}
	_ = w.Flush()
	return b.String()
}
