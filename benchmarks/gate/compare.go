package main

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// benchmark is one of a package: two packages may have one of the same name.
type benchmark struct{ pkg, name string }

// String returns its name and, because tables have little room, the last element of the path.
func (b benchmark) String() string { return path.Base(b.pkg) + "." + b.name }

// samples are measurements by benchmark and unit.
type samples map[benchmark]map[string][]float64

// read adds what `go test -bench` has printed for a package.
func (s samples) read(pkg string, r io.Reader) error {
	reader := benchfmt.NewReader(r, "")
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue // Settings of the output.
		}
		name := benchmark{pkg, strings.Clone(result.Name.String())}
		if s[name] == nil {
			s[name] = map[string][]float64{}
		}
		for _, v := range result.Values {
			unit := v.Unit
			if unit == "sec/op" {
				unit = timeUnit
			}
			s[name][unit] = append(s[name][unit], v.Value)
		}
	}
	return reader.Err()
}

const (
	timeUnit   = "sec/op"
	allocsUnit = "allocs/op"
	bytesUnit  = "B/op"
)

// limits are the ratios of times above which a benchmark is slower.
type limits struct {
	usual float64
	own   []limit // the first that matches counts
}

type limit struct {
	name  *regexp.Regexp
	ratio float64
}

func (l limits) of(benchmark string) float64 {
	for _, each := range l.own {
		if each.name.MatchString(benchmark) {
			return each.ratio
		}
	}
	return l.usual
}

// verdict is what is to be said of a figure of a benchmark.
type verdict struct {
	benchmark
	unit          string
	before, after float64 // medians
	p             float64 // that they differ by chance only; of times
	worse         bool
	// suspect reports that it may be worse: on a busy machine a few runs cannot be certain even
	// of twice the time.
	suspect bool
}

func (v verdict) ratio() float64 {
	if v.before == 0 && v.after == 0 {
		return 1
	}
	return v.after / v.before
}

// thresholds of benchmath, which its tests take their alpha from.
var thresholds = benchmath.DefaultThresholds

const (
	// certain is the p-value below which times count as different.
	certain = 0.001
	// possible is the p-value below which it is worth while to measure again.
	possible = 0.05
)

// compare returns what has changed of the benchmarks that both have.
func compare(before, after samples, l limits) (list []verdict) {
	for b := range before {
		if after[b] == nil {
			continue
		}
		for _, unit := range []string{timeUnit, bytesUnit, allocsUnit} {
			x, y := before[b][unit], after[b][unit]
			if len(x) == 0 || len(y) == 0 {
				continue
			}
			list = append(list, judge(b, unit, x, y, l.of(b.name)))
		}
	}
	slices.SortFunc(list, func(a, b verdict) int {
		return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.name, b.name), strings.Compare(b.unit, a.unit))
	})
	return list
}

// missing returns the benchmarks that only the first version has, without those that may be gone.
func missing(before, after samples, gone *regexp.Regexp) (list []benchmark) {
	for b := range before {
		if after[b] == nil && !gone.MatchString(b.name) {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b benchmark) int { return strings.Compare(a.String(), b.String()) })
	return list
}

func judge(of benchmark, unit string, a, b []float64, limit float64) verdict {
	before, after := benchmath.NewSample(slices.Clone(a), &thresholds), benchmath.NewSample(slices.Clone(b), &thresholds)
	x, y := benchmath.AssumeNothing.Summary(before, 0.95), benchmath.AssumeNothing.Summary(after, 0.95)
	v := verdict{benchmark: of, unit: unit, before: x.Center, after: y.Center}
	switch unit {
	case timeUnit:
		v.p = benchmath.AssumeNothing.Compare(before, after).P
		// The intervals of the medians must be apart, too.
		v.worse = v.p < certain && v.ratio() > limit && y.Lo > x.Hi
		v.suspect = v.p < possible && v.ratio() > limit
	case allocsUnit:
		v.worse = slices.Min(b) > slices.Max(a)
	case bytesUnit:
		// What is allocated once is divided by the runs, which differ in number.
		v.worse = slices.Min(b) > slices.Max(a)*1.01+8
	}
	v.suspect = v.suspect || v.worse
	return v
}

// String is the verdict as a line.
func (v verdict) String() string {
	chance := ""
	if v.unit == timeUnit {
		chance = fmt.Sprintf("p=%.4f", v.p)
	}
	mark := ""
	switch {
	case v.worse:
		mark = "WORSE"
	case v.suspect:
		mark = "UNSURE"
	}
	return fmt.Sprintf("%s\t%s\t%.4g\t%.4g\t%.3f\t%s\t%s", v.benchmark, v.unit, v.before, v.after, v.ratio(), chance, mark)
}
