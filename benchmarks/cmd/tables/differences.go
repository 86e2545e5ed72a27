package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const (
	differences = "What differs between machines"
	// far is the factor from which on a ratio of one machine is not that of another.
	far = 1.5
)

// differencesSection compares the first machine with each of the others.
func (r *results) differencesSection(b *bytes.Buffer, baseline *load.Report) {
	fmt.Fprintf(b, "\n## %s\n", differences)
	if text := baselines(r, baseline); text != "" {
		fmt.Fprintf(b, "\nThe baseline server under 64 clients without a pause, and what others do against it on the same "+
			"machine in the same round:\n\n%s", text)
	}
	if text := kernelTable(r.Machines); text != "" {
		fmt.Fprintf(b, "\nThe kernels of simdjson: how many times as long the fastest peer of each benchmark takes, as the "+
			"geometric mean over its works. A machine runs its own kernel and, set by `GQLBOOST_SIMD`, those below it: a row "+
			"of another kernel is what a CPU without the wider instructions is given, not what such a CPU does.\n\n%s", text)
	}
	for _, other := range r.Machines[1:] {
		pairSection(b, r.Machines[0], other)
	}
}

// baselines has a row for each machine that has run the baseline server.
func baselines(r *results, baseline *load.Report) string {
	var rows []table.Row
	add := func(report *load.Report) {
		i := slices.IndexFunc(report.Results, func(s *load.Result) bool {
			return s.Server == "baseline" && s.Preset == "closed" && s.Resources != nil
		})
		if i < 0 {
			return
		}
		s := report.Results[i]
		row := table.Row{report.Machine, report.Date.Format("2 January 2006"), fmt.Sprintf("%.0f", s.Throughput),
			fmt.Sprintf("%.1f ms", s.Latency.P95), each(s.Resources.ServerCPU, s.Requests),
			each(s.Resources.PostgresCPU, s.Requests)}
		for _, server := range []string{"boosted", "compiled", "batched"} {
			cell := "-"
			for _, g := range report.Gains {
				if g.Server == server && g.Preset == "closed" && !report.BlockAlone(g) {
					cell = g.Throughput.String()
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	for _, m := range r.Machines {
		if m.Demo != nil {
			add(m.Demo)
		}
	}
	if baseline != nil {
		add(baseline)
	}
	if len(rows) == 0 {
		return ""
	}
	return markdown(table.Row{"machine", "date", "requests/s", "P95", "CPU per request", "Postgres's CPU",
		"throughput of boosted", "of compiled", "of batched"}, rows)
}

// timeRatio is how many times our time a peer takes for a work.
type timeRatio struct {
	benchmark, work, impl string
	value, low, high      float64
	date                  time.Time
}

// String returns the ratio with its interval.
func (r timeRatio) String() string {
	return fmt.Sprintf("%sx (%s to %s)", digits(r.value), digits(r.low), digits(r.high))
}

// timeRatios returns those of all times of one machine.
func timeRatios(list []figure) (ratios []timeRatio) {
	times := slices.DeleteFunc(slices.Clone(list), func(f figure) bool { return f.Unit != "sec/op" })
	impls, of := map[string][]string{}, map[[3]string]figure{}
	for _, f := range times {
		impls[f.benchmark()] = append(impls[f.benchmark()], f.Impl)
		of[[3]string{f.Package, f.Work, f.Impl}] = f
	}
	for _, f := range times {
		first := reference(impls[f.benchmark()])
		o := of[[3]string{f.Package, f.Work, first}]
		if f.Impl == first || f.Low <= 0 || o.Low <= 0 {
			continue
		}
		ratios = append(ratios, timeRatio{f.benchmark(), f.Work, f.Impl, f.Median / o.Median, f.Low / o.High, f.High / o.Low,
			f.Date})
	}
	return ratios
}

func geomean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(list)))
}

// ratioPair is one ratio on two machines.
type ratioPair struct{ a, b timeRatio }

func (p ratioPair) factor() float64 { return p.a.value / p.b.value }

// distance is the factor, whichever machine has more.
func (p ratioPair) distance() float64 { return max(p.factor(), 1/p.factor()) }

func (p ratioPair) overlap() bool { return p.a.low <= p.b.high && p.b.low <= p.a.high }

// pairs returns the ratios to peers that both machines have.
func pairs(a, b []timeRatio) (list []ratioPair) {
	for _, r := range a {
		i := slices.IndexFunc(b, func(o timeRatio) bool {
			return o.benchmark == r.benchmark && o.work == r.work && o.impl == r.impl
		})
		if i >= 0 && !slices.Contains(noPeers, r.impl) {
			list = append(list, ratioPair{r, b[i]})
		}
	}
	return list
}

// pairSection compares the ratios of two machines.
func pairSection(b *bytes.Buffer, one, other *measurements) {
	list := pairs(timeRatios(one.Benchmarks), timeRatios(other.Benchmarks))
	fmt.Fprintf(b, "\n### %v, and %v\n\n", one.Machine, other.Machine)
	if len(list) == 0 {
		b.WriteString("They have no benchmark with a peer in common.\n")
		return
	}
	fmt.Fprintf(b, "How many times our time a peer takes, as the geometric mean over the works of a benchmark that both "+
		"machines have measured, and over all of a package:\n\n%s", meanTable(list, one.Machine, other.Machine))
	var apart, unclear []ratioPair
	for _, p := range list {
		switch {
		case p.distance() < far:
		case p.overlap():
			unclear = append(unclear, p)
		default:
			apart = append(apart, p)
		}
	}
	fmt.Fprintf(b, "\nOf %d ratios, %d differ by a factor of %.1f or more and by more than their intervals; %d more by "+
		"as much, with intervals that overlap.\n", len(list), len(apart), far, len(unclear))
	if len(apart) > 0 {
		fmt.Fprintf(b, "\n%s", farTable(apart, one.Machine, other.Machine))
	}
}

// meanTable has a row for each benchmark and peer, and one for each package.
func meanTable(list []ratioPair, a, b load.Machine) string {
	var names [][2]string
	of := map[[2]string][]ratioPair{}
	for _, p := range list {
		pkg, _, _ := strings.Cut(p.a.benchmark, "/")
		for _, name := range [][2]string{{p.a.benchmark, p.a.impl}, {pkg, "all"}} {
			if of[name] == nil {
				names = append(names, name)
			}
			of[name] = append(of[name], p)
		}
	}
	slices.SortStableFunc(names, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	var rows []table.Row
	for _, name := range names {
		var one, other []float64
		for _, p := range of[name] {
			one, other = append(one, p.a.value), append(other, p.b.value)
		}
		x, y := geomean(one), geomean(other)
		rows = append(rows, table.Row{name[0], name[1], len(one), digits(x) + "x", digits(y) + "x", digits(x / y)})
	}
	return markdown(table.Row{"benchmark", "peer", "works", a.String(), b.String(), "ratio of both"}, rows, "peer")
}

// farTable has the ratios that differ most first.
func farTable(list []ratioPair, a, b load.Machine) string {
	slices.SortStableFunc(list, func(a, b ratioPair) int { return cmp.Compare(b.distance(), a.distance()) })
	var rows []table.Row
	for _, p := range list {
		_, work, _ := strings.Cut(p.a.work, "/")
		rows = append(rows, table.Row{p.a.benchmark, work, p.a.impl, p.a, p.b, digits(p.factor()), reason(p, a, b)})
	}
	return markdown(table.Row{"benchmark", "work", "peer", a.String(), b.String(), "ratio of both", "may be due to"}, rows,
		"work", "peer", "may be due to")
}

// reason says what is known to differ besides the model of the CPU.
func reason(p ratioPair, a, b load.Machine) string {
	var why []string
	if a.SIMD != b.SIMD {
		why = append(why, fmt.Sprintf("kernel: %s against %s", a.SIMD, b.SIMD))
	}
	if a.Cores != b.Cores {
		why = append(why, fmt.Sprintf("%d against %d cores", a.Cores, b.Cores))
	}
	if strings.HasPrefix(p.a.benchmark, "dataloader/") {
		why = append(why, "peers wait for a fixed time, whatever the CPU")
	}
	if days := math.Abs(p.a.date.Sub(p.b.date).Hours()) / 24; days >= 1 {
		why = append(why, fmt.Sprintf("versions of the library %.0f days apart", days))
	}
	return cmp.Or(strings.Join(why, "; "), "the CPU")
}
