package load

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"gonum.org/v1/gonum/stat"
)

// Drift is how a figure has changed over a run, or over its sessions.
type Drift struct {
	Figure string
	// Within reports that it is the change since the start of a session's server, all sessions
	// taken together, because that is where it drifts: what grows in one process begins again
	// with the next one.
	Within      bool
	First, Last float64 // of the line through all windows
	// Growth is the change over the run as a part of the first value.
	Growth float64
	// Correlation is that of the figure with the time, from -1 to 1.
	Correlation float64
	Drifts      bool
}

const (
	// A figure drifts if it grows by more than a tenth, steadily: chance alone makes a
	// correlation of 0.5 once in two hundred runs of 30 windows.
	driftGrowth      = 0.10
	driftCorrelation = 0.5
	// settling is the part of a session that is left out: caches and pools fill in it.
	settling = 0.1
	// Fewer windows say nothing.
	fewestWindows = 10
)

// soakFigure is a figure of windows that a soak looks at.
type soakFigure struct {
	name  string
	unit  float64 // what it is divided by to be shown
	of    func(Window) float64
	worse float64 // the direction that is: 1 up, -1 down, 0 neither
}

const mib = 1 << 20

var soakFigures = []soakFigure{
	{"P50, ms", 1, func(w Window) float64 { return w.P50 }, 1},
	{"P95, ms", 1, func(w Window) float64 { return w.P95 }, 1},
	{"throughput, requests/s", 1, func(w Window) float64 { return w.Throughput }, -1},
	{"memory, MiB", mib, func(w Window) float64 { return w.Memory }, 1},
	{"live heap, MiB", mib, func(w Window) float64 { return w.LiveHeap }, 1},
	{"heap in use, MiB", mib, func(w Window) float64 { return w.InUse() }, 1},
	{"unused in spans, MiB", mib, func(w Window) float64 { return w.HeapUnused }, 1},
	{"unused part of the heap in use, %", 0.01, func(w Window) float64 { return w.Fragmentation() }, 1},
	{"free, kept, MiB", mib, func(w Window) float64 { return w.HeapFree }, 1},
	{"released, MiB", mib, func(w Window) float64 { return w.HeapReleased }, 0},
	{"span records, MiB", mib, func(w Window) float64 { return w.SpanRecords }, 1},
	{"stacks, MiB", mib, func(w Window) float64 { return w.Stacks }, 1},
	{"GC pause P50, ms", 1, func(w Window) float64 { return w.PauseP50 }, 1},
	{"GC pause P99, ms", 1, func(w Window) float64 { return w.PauseP99 }, 1},
	{"goroutines", 1, func(w Window) float64 { return w.Goroutines }, 1},
	{"connections", 1, func(w Window) float64 { return w.Connections }, 1},
}

// onQuietMachine leaves out the windows in which something else used the machine: their
// latencies are its.
func onQuietMachine(windows []Window) []Window {
	return slices.DeleteFunc(slices.Clone(windows), func(w Window) bool { return w.Busy })
}

// afterSettling leaves out the first part of each session.
func afterSettling(windows []Window) (list []Window) {
	for _, session := range sessions(windows) {
		list = append(list, session[int(settling*float64(len(session))):]...)
	}
	return list
}

// sessions are windows by the session that they belong to.
func sessions(windows []Window) (list [][]Window) {
	for i, w := range windows {
		if i == 0 || w.Session != windows[i-1].Session {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], w)
	}
	return list
}

// Drifts looks for figures that change for the worse while the load stays the same: over the
// whole run, and since the start of each session. Windows on a busy machine do not count.
func Drifts(windows []Window) (list []Drift) {
	var ofRun, ofSession, at []float64
	var counted []Window
	for _, session := range sessions(windows) {
		for _, w := range onQuietMachine(afterSettling(session)) {
			ofRun, ofSession = append(ofRun, w.Minutes), append(ofSession, w.Minutes-session[0].Minutes)
			counted = append(counted, w)
		}
	}
	for _, f := range soakFigures {
		at = at[:0]
		for _, w := range counted {
			at = append(at, f.of(w)/f.unit)
		}
		d := f.drift(ofRun, at)
		if within := f.drift(ofSession, at); within.Drifts && !d.Drifts {
			within.Within = true
			d = within
		}
		list = append(list, d)
	}
	return list
}

// drift fits a line through the values of a figure at times.
func (f soakFigure) drift(times, values []float64) Drift {
	d := Drift{Figure: f.name}
	if len(times) <= 2 || slices.Min(times) == slices.Max(times) {
		return d
	}
	intercept, slope := stat.LinearRegression(times, values, nil, false)
	d.First, d.Last = intercept+slope*slices.Min(times), intercept+slope*slices.Max(times)
	if d.First != 0 {
		d.Growth = (d.Last - d.First) / math.Abs(d.First)
	}
	if d.Correlation = stat.Correlation(times, values, nil); math.IsNaN(d.Correlation) {
		d.Correlation = 0 // It never changes.
	}
	d.Drifts = len(times) >= fewestWindows && f.worse*d.Growth > driftGrowth && f.worse*d.Correlation > driftCorrelation
	return d
}

// WriteDrifts prints how figures have changed.
func WriteDrifts(w io.Writer, windows []Window) {
	t := newTable(w)
	t.AppendHeader(table.Row{"figure", "at first", "at last", "growth", "correlation with time", ""})
	for _, d := range Drifts(windows) {
		mark := ""
		if d.Drifts {
			mark = "DRIFTS"
			if d.Within {
				mark = "DRIFTS in each session"
			}
		}
		t.AppendRow(table.Row{d.Figure, fmt.Sprintf("%.4g", d.First), fmt.Sprintf("%.4g", d.Last), percent(d.Growth),
			fmt.Sprintf("%.2f", d.Correlation), mark})
	}
	t.Render()
}

// WriteHours prints the beginning of a soak beside its end.
func WriteHours(w io.Writer, windows []Window) {
	h := CompareHours(windows)
	t := newTable(w)
	t.AppendHeader(table.Row{"median of windows", fmt.Sprintf("first %.4g minutes", h.Minutes),
		fmt.Sprintf("last %.4g minutes", h.Minutes)})
	for _, r := range h.Rows {
		t.AppendRow(table.Row{r.Figure, fmt.Sprintf("%.4g", r.First), fmt.Sprintf("%.4g", r.Last)})
	}
	t.Render()
}
