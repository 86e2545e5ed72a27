package main

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"
)

// figure is a measurement of a benchmark: the median with its interval of confidence.
type figure struct {
	Package    string  `json:"package"`
	Work       string  `json:"work"` // the benchmark's name without what was measured
	Impl       string  `json:"impl"`
	Unit       string  `json:"unit"`
	Median     float64 `json:"median"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	Runs       int     `json:"runs"`
}

var (
	impl  = regexp.MustCompile(`/impl=([^/]+?)(-\d+)?$`)
	procs = regexp.MustCompile(`-\d+$`)
)

// readBenchmarks reads what go test -bench has printed, once or several times.
func readBenchmarks(file string) ([]figure, error) {
	from, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	thresholds := benchmath.DefaultThresholds
	values := map[figure][]float64{}
	var order []figure
	reader := benchfmt.NewReader(from, file)
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		name := strings.Clone(result.Name.String())
		f := figure{Package: path(result.GetConfig("pkg")), Work: procs.ReplaceAllString(name, "")}
		if m := impl.FindStringSubmatch(name); m != nil {
			f.Work, f.Impl = strings.TrimSuffix(name, m[0]), m[1]
		}
		for _, v := range result.Values {
			f.Unit = strings.Clone(v.Unit)
			if values[f] == nil {
				order = append(order, f)
			}
			values[f] = append(values[f], v.Value)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, err
	}
	var list []figure
	for _, f := range order {
		s := benchmath.AssumeNothing.Summary(benchmath.NewSample(values[f], &thresholds), 0.95)
		n := len(values[f])
		f.Median, f.Low, f.High, f.Confidence, f.Runs = s.Center, s.Lo, s.Hi, s.Confidence, n
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b figure) int { return cmp.Compare(a.Package, b.Package) })
	return list, nil
}

// path is the last part of a package's path.
func path(pkg string) string { return strings.Clone(pkg[strings.LastIndex(pkg, "/")+1:]) }

// text is the median with the half of its interval.
func (f figure) text() string {
	scaled := benchunit.Scale(f.Median, benchunit.ClassOf(f.Unit))
	if f.Runs < 6 || f.Median == 0 {
		return scaled
	}
	return scaled + " " + benchmath.Summary{Center: f.Median, Lo: f.Low, Hi: f.High}.PctRangeString()
}
