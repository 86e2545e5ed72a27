package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// figure is a measurement of a benchmark: the median with its interval of confidence.
type figure struct {
	Package    string    `json:"package"`
	Date       time.Time `json:"date"`
	Work       string    `json:"work"` // the benchmark's name without what was measured
	Impl       string    `json:"impl"`
	Unit       string    `json:"unit"`
	Median     float64   `json:"median"`
	Low        float64   `json:"low"`
	High       float64   `json:"high"`
	Confidence float64   `json:"confidence"`
	Runs       int       `json:"runs"`
	// Conditions are the machine's while the package's benchmarks ran, the worst of all rounds.
	Conditions *machine.Conditions `json:"conditions,omitempty"`
}

var (
	impl  = regexp.MustCompile(`/impl=([^/]+?)(-\d+)?$`)
	procs = regexp.MustCompile(`-\d+$`)
)

// readBenchmarks reads what go test -bench has printed, once or several times, and which
// machine it ran on, as cmd/record has added it.
func readBenchmarks(file string) (host load.Machine, list []figure, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return host, nil, err
	}
	host, date, err := readHost(text)
	if err != nil {
		return host, nil, fmt.Errorf("%s: %w", file, err)
	}
	conditions, err := readConditions(text)
	if err != nil {
		return host, nil, fmt.Errorf("%s: %w", file, err)
	}
	thresholds := benchmath.DefaultThresholds
	values := map[figure][]float64{}
	var order []figure
	reader := benchfmt.NewReader(bytes.NewReader(text), file)
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		name := strings.Clone(result.Name.String())
		f := figure{Package: path(result.GetConfig("pkg")), Date: date, Work: procs.ReplaceAllString(name, "")}
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
		return host, nil, err
	}
	for _, key := range order {
		f := key
		s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values[key]), &thresholds), 0.95)
		n := len(values[key])
		f.Median, f.Low, f.High, f.Confidence, f.Runs = s.Center, s.Lo, s.Hi, s.Confidence, n
		if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) { // There are too few runs for an interval.
			f.Low, f.High, f.Confidence = slices.Min(values[key]), slices.Max(values[key]), 0
		}
		f.Conditions = conditions[f.Package]
		list = append(list, f)
	}
	return host, list, nil
}

// readHost reads the lines of cmd/record that name the machine, and returns the last one's
// date.
func readHost(text []byte) (host load.Machine, date time.Time, err error) {
	for line := range strings.Lines(string(text)) {
		named, ok := strings.CutPrefix(line, "host: ")
		if !ok {
			continue
		}
		var h load.Host
		if err := json.Unmarshal([]byte(named), &h); err != nil {
			return host, date, fmt.Errorf("the machine's name: %w", err)
		}
		if !date.IsZero() && !h.Machine.Same(host) {
			return host, date, fmt.Errorf("figures of two machines, %v and %v, in one file", host, h.Machine)
		}
		host, date = h.Machine, h.Date
	}
	if date.IsZero() {
		return host, date, errors.New("it does not say which machine it was measured on: run make bench")
	}
	return host, date, nil
}

// readConditions reads the lines of cmd/record, each of which is about the package whose
// benchmarks are before it.
func readConditions(text []byte) (map[string]*machine.Conditions, error) {
	of := map[string]*machine.Conditions{}
	pkg := ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = path(strings.TrimSpace(name))
		}
		recorded, ok := strings.CutPrefix(line, "machine: ")
		if !ok {
			continue
		}
		var c machine.Conditions
		if err := json.Unmarshal([]byte(recorded), &c); err != nil {
			return nil, fmt.Errorf("the machine's conditions: %w", err)
		}
		of[pkg] = machine.Worst(of[pkg], &c)
	}
	return of, nil
}

// path is the last part of a package's path.
func path(pkg string) string { return strings.Clone(pkg[strings.LastIndex(pkg, "/")+1:]) }

// text is the median with its unit, and the half of its interval; where there are too few runs for
// one, the lowest and the highest. What is within a hundredth is left out.
func (f figure) text() string {
	text, unit, scale := digits(f.Median), "", 1.0
	switch {
	case strings.Contains(f.Unit, "sec"):
		unit = "s"
	case f.Unit == "B/s":
		unit = "B/s"
	}
	if unit != "" {
		text = humanize.SIWithDigits(three(f.Median), 2, unit)
		if value, _ := humanize.ComputeSI(three(f.Median)); value > 0 {
			scale = three(f.Median) / value
		}
	}
	switch half := max(f.High-f.Median, f.Median-f.Low); {
	case f.Low > f.Median || f.High < f.Median || half <= 0.01*f.Median:
		return text
	case f.Confidence > 0 && f.Median > 0:
		return text + fmt.Sprintf(" ± %.0f %%", 100*half/f.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", text, digits(f.Low/scale), digits(f.High/scale))
}

// digits writes three of them, and all before the point.
func digits(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// three rounds to three digits.
func three(v float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // It has just been written.
	return rounded
}
