package load

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Drift is how a figure has changed since the start of a session's server, all sessions taken
// together, or from session to session. That two servers differ is no drift: each begins with what
// the machine did to it.
type Drift struct {
	Figure string
	// Sessions reports that it is the change from session to session, because that is where it
	// drifts.
	Sessions    bool
	First, Last float64 // of a line through the windows
	// Growth is the change as a part of the first value.
	Growth float64
	// Correlation is that of the figure with the time, from -1 to 1.
	Correlation float64
	Drifts      bool
}

const (
	// A figure drifts if it grows by more than a tenth, steadily, and not by chance, which makes
	// a correlation of 0.5 once in two hundred runs of 30 windows, and a larger one of fewer.
	driftGrowth      = 0.10
	driftCorrelation = 0.5
	driftChance      = 1.0 / 200 / 2 // One direction is for the worse.
	// settling is the part of a session that is left out: caches and pools fill in it.
	settling = 0.1
	// Fewer windows, or sessions, say nothing.
	fewestWindows  = 10
	fewestSessions = 5
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

// afterSettling leaves out the first part of a session.
func afterSettling(session []Window) []Window { return session[int(settling*float64(len(session))):] }

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

// Drifts looks for figures that change for the worse while the load stays the same. Windows on a
// busy machine do not count.
func Drifts(windows []Window) (list []Drift) {
	var counted [][]Window
	for _, session := range sessions(windows) {
		if quiet := onQuietMachine(afterSettling(session)); len(quiet) > 0 {
			counted = append(counted, quiet)
		}
	}
	for _, f := range soakFigures {
		d := f.within(counted)
		if between := f.between(counted); between.Drifts && !d.Drifts {
			d = between
		}
		list = append(list, d)
	}
	return list
}

// within returns the change since the start of sessions: of each, what it is beside its own mean.
func (f soakFigure) within(sessions [][]Window) Drift {
	var times, values []float64
	mean := 0.0
	for _, session := range sessions {
		first := len(times)
		for _, w := range session {
			times, values = append(times, w.Minutes), append(values, f.of(w)/f.unit)
		}
		t, v := stat.Mean(times[first:], nil), stat.Mean(values[first:], nil)
		for i := first; i < len(times); i++ {
			times[i], values[i] = times[i]-t, values[i]-v
		}
		mean += v * float64(len(times)-first)
	}
	return f.drift(times, values, mean/float64(max(len(times), 1)), len(times)-len(sessions)-1, fewestWindows)
}

// between returns the change of the sessions' medians.
func (f soakFigure) between(sessions [][]Window) Drift {
	var times, values []float64
	for _, session := range sessions {
		times = append(times, session[len(session)/2].Minutes)
		values = append(values, medianOf(session, f))
	}
	d := f.drift(times, values, 0, len(times)-2, fewestSessions)
	d.Sessions = true
	return d
}

// drift fits a line through the values of a figure at times, with so many degrees of freedom. A mean
// that was taken from the values is added to the line. Fewer values than the fewest say nothing.
func (f soakFigure) drift(times, values []float64, mean float64, freedom, fewest int) Drift {
	d := Drift{Figure: f.name}
	if len(times) < 3 || slices.Min(times) == slices.Max(times) {
		return d
	}
	intercept, slope := stat.LinearRegression(times, values, nil, false)
	d.First, d.Last = mean+intercept+slope*slices.Min(times), mean+intercept+slope*slices.Max(times)
	if d.First != 0 {
		d.Growth = (d.Last - d.First) / math.Abs(d.First)
	}
	if d.Correlation = stat.Correlation(times, values, nil); math.IsNaN(d.Correlation) {
		d.Correlation = 0 // It never changes.
	}
	worse := f.worse * d.Correlation
	d.Drifts = len(times) >= fewest && f.worse*d.Growth > driftGrowth && worse > driftCorrelation &&
		byChance(worse, freedom) < driftChance
	return d
}

// byChance returns how likely a correlation as large is by chance, with so many degrees of freedom.
func byChance(correlation float64, freedom int) float64 {
	nu := float64(freedom)
	t := correlation * math.Sqrt(nu/max(1-correlation*correlation, 1e-12))
	return distuv.StudentsT{Sigma: 1, Nu: nu}.Survival(t)
}

// WriteDrifts prints how figures have changed.
func WriteDrifts(w io.Writer, windows []Window) {
	t := newTable(w)
	t.AppendHeader(table.Row{"figure", "at first", "at last", "growth", "correlation with time", ""})
	for _, d := range Drifts(windows) {
		mark := ""
		if d.Drifts {
			mark = "DRIFTS"
			if d.Sessions {
				mark = "DRIFTS from session to session"
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
