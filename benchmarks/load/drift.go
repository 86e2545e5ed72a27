package load

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Drift is how a figure has changed since the start of a session's server, all sessions taken
// together, or from session to session on the same CPU. That two servers differ is no drift: each
// begins with what the machine did to it.
type Drift struct {
	Figure string
	// Sessions reports that it is the change from session to session, because that is where it
	// drifts.
	Sessions    bool
	First, Last float64 // of a line through the windows, beside the machine's speed if Beside is not 0
	// Growth is the change as a part of the first value.
	Growth float64
	// Correlation is that of the figure with the time, from -1 to 1: the partial one if Beside is not 0.
	Correlation float64
	Drifts      bool
	// Beside is the number of windows in which the machine's speed is known, if it was judged beside it.
	Beside int
}

const (
	// A figure drifts if it grows by more than a tenth, steadily, and not by chance, which makes
	// a correlation of 0.5 once in two hundred runs of 30 windows, and a larger one of fewer.
	driftGrowth      = 0.10
	driftCorrelation = 0.5
	driftChance      = 1.0 / 200 / 2 // One direction is for the worse.
	// settling is the part of a session that is left out: caches and pools fill in it.
	settling = 0.1
	// Fewer windows of one session, or sessions on one CPU, say nothing.
	fewestWindows  = 10
	fewestSessions = 5
	// A machine that is slower by a part explains latencies that grow by at most so many times this part, however well
	// both go together: what only rises goes well with all else that rises. In the published soak the P50 goes
	// with the 1.9th power of the statement's time, the P95 with the 3.7th.
	machineExplains = 4
)

// soakFigure is a figure of windows that a soak looks at.
type soakFigure struct {
	name  string
	unit  float64 // what it is divided by to be shown
	of    func(Window) float64
	worse float64 // the direction that is: 1 up, -1 down, 0 neither
	// speed is the time in which the machine does what the figure depends on; nil: it depends on none. Where it is
	// known of enough windows, only these count, and the drift is what remains beside it.
	speed func(Window) float64
	young bool // Old files do not have it: there, 0 says that it was not measured.
}

func work(w Window) float64      { return w.Work }
func statement(w Window) float64 { return w.Statement }

const mib = 1 << 20

var soakFigures = []soakFigure{
	{"P50, ms", 1, func(w Window) float64 { return w.P50 }, 1, statement, false},
	{"P95, ms", 1, func(w Window) float64 { return w.P95 }, 1, statement, false},
	{"server's CPU for each request, µs", 1, func(w Window) float64 { return w.ServerCPU }, 1, work, true},
	{"Postgres's CPU for each request, µs", 1, func(w Window) float64 { return w.PostgresCPU }, 1, work, true},
	{"throughput, requests/s", 1, func(w Window) float64 { return w.Throughput }, -1, nil, false},
	{"memory, MiB", mib, func(w Window) float64 { return w.Memory }, 1, nil, false},
	{"live heap, MiB", mib, func(w Window) float64 { return w.LiveHeap }, 1, nil, false},
	{"heap in use, MiB", mib, func(w Window) float64 { return w.InUse() }, 1, nil, false},
	{"unused in spans, MiB", mib, func(w Window) float64 { return w.HeapUnused }, 1, nil, false},
	{"unused part of the heap in use, %", 0.01, func(w Window) float64 { return w.Fragmentation() }, 1, nil, false},
	{"free, kept, MiB", mib, func(w Window) float64 { return w.HeapFree }, 1, nil, false},
	{"released, MiB", mib, func(w Window) float64 { return w.HeapReleased }, 0, nil, false},
	{"span records, MiB", mib, func(w Window) float64 { return w.SpanRecords }, 1, nil, false},
	{"stacks, MiB", mib, func(w Window) float64 { return w.Stacks }, 1, nil, false},
	{"GC pause P50, ms", 1, func(w Window) float64 { return w.PauseP50 }, 1, nil, false},
	{"GC pause P99, ms", 1, func(w Window) float64 { return w.PauseP99 }, 1, nil, false},
	{"goroutines", 1, func(w Window) float64 { return w.Goroutines }, 1, nil, false},
	{"connections", 1, func(w Window) float64 { return w.Connections }, 1, nil, false},
	{"the machine: a piece of work, ms", 1, work, 0, nil, true},
	{"the machine: a statement, ms", 1, statement, 0, nil, true},
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
		f, measured, known := f.measured(counted)
		d := f.within(measured)
		if between := f.between(measured); between.Drifts && !d.Drifts {
			d = between
		}
		d.Beside = known
		list = append(list, d)
	}
	return list
}

// series is the values of a figure, the minutes at which it had them, and the machine's speed then.
type series struct{ times, values, speeds []float64 }

func (s *series) add(time, value, speed float64) {
	s.times, s.values, s.speeds = append(s.times, time), append(s.values, value), append(s.speeds, speed)
}

// measured returns the figure and the windows that count for it: those that have it, which is not so of a young one in
// old files. If the machine's speed is known in enough of them, the others do not count, and known is their number;
// otherwise the figure is judged without it.
func (f soakFigure) measured(sessions [][]Window) (_ soakFigure, _ [][]Window, known int) {
	if f.young {
		sessions = having(sessions, f.of)
	}
	if f.speed != nil {
		with := having(sessions, f.speed)
		for _, session := range with {
			known += len(session)
		}
		if known-len(with) >= fewestWindows { // A mean is fitted for each session, and the speed's part.
			return f, with, known
		}
	}
	f.speed = func(Window) float64 { return 0 }
	return f, sessions, 0
}

// having returns the windows that have a value that is not 0.
func having(sessions [][]Window, of func(Window) float64) (list [][]Window) {
	for _, session := range sessions {
		session = slices.DeleteFunc(slices.Clone(session), func(w Window) bool { return of(w) == 0 })
		if len(session) > 0 {
			list = append(list, session)
		}
	}
	return list
}

// within returns the change since the start of sessions.
func (f soakFigure) within(sessions [][]Window) Drift {
	var list []series
	for _, session := range sessions {
		var s series
		for _, w := range session {
			s.add(w.Minutes, f.of(w)/f.unit, f.speed(w))
		}
		list = append(list, s)
	}
	return f.change(list, fewestWindows)
}

// between returns the change of the sessions' medians. That two CPUs differ is none.
func (f soakFigure) between(sessions [][]Window) Drift {
	ofCPU := map[string]int{}
	var list []series
	for _, session := range sessions {
		cpu := session[0].CPU
		if _, known := ofCPU[cpu]; !known {
			ofCPU[cpu] = len(list)
			list = append(list, series{})
		}
		speed := medianOf(session, soakFigure{unit: 1, of: f.speed})
		list[ofCPU[cpu]].add(session[len(session)/2].Minutes, medianOf(session, f), speed)
	}
	d := f.change(list, fewestSessions)
	d.Sessions = true
	return d
}

// change returns the drift beside the machine's speed, or the one without it if the machine does not explain it.
func (f soakFigure) change(list []series, fewest int) Drift {
	d := f.drift(list, fewest)
	alone, machine := slices.Clone(list), slices.Clone(list)
	for i, s := range list {
		none := make([]float64, len(s.times))
		alone[i].speeds, machine[i] = none, series{s.times, s.speeds, none}
	}
	plain := f.drift(alone, fewest)
	if plain.Drifts && !d.Drifts && plain.Growth > machineExplains*f.drift(machine, fewest).Growth {
		return plain
	}
	return d
}

// drift fits a line through what the values of a figure, and their times, are beside the means of
// their own series, and beside what the machine's speed explains. Fewer values than the fewest of one series, or than
// one more beside a speed, say nothing.
func (f soakFigure) drift(list []series, fewest int) Drift {
	d := Drift{Figure: f.name}
	var all series
	mean := 0.0
	for _, s := range list {
		t, v, m := stat.Mean(s.times, nil), stat.Mean(s.values, nil), stat.Mean(s.speeds, nil)
		for i := range s.times {
			all.add(s.times[i]-t, s.values[i]-v, s.speeds[i]-m)
		}
		mean += v * float64(len(s.times))
	}
	n := len(all.times)
	if n < 3 || slices.Min(all.times) == slices.Max(all.times) {
		return d
	}
	mean /= float64(n)
	times, values, freedom := all.times, all.values, n-len(list)-1
	if slices.Max(all.speeds) > 0 {
		if freedom--; freedom >= fewest-2 { // With fewer, nearly any line fits.
			times, values = without(all.speeds, times), without(all.speeds, values)
		}
		if floats.Dot(times, times) < 1e-9*floats.Dot(all.times, all.times) { // The speed is the time: nothing remains.
			return d
		}
	}
	intercept, slope := stat.LinearRegression(times, values, nil, false)
	d.First, d.Last = mean+intercept+slope*slices.Min(all.times), mean+intercept+slope*slices.Max(all.times)
	if d.First != 0 {
		d.Growth = (d.Last - d.First) / math.Abs(d.First)
	}
	if d.Correlation = stat.Correlation(times, values, nil); math.IsNaN(d.Correlation) {
		d.Correlation = 0 // It never changes.
	}
	worse := f.worse * d.Correlation
	d.Drifts = freedom >= fewest-2 && f.worse*d.Growth > driftGrowth && worse > driftCorrelation &&
		byChance(worse, freedom) < driftChance
	return d
}

// without returns what a regression on the others leaves of values. Both have the mean 0.
func without(others, values []float64) []float64 {
	part := floats.Dot(others, values) / floats.Dot(others, others)
	rest := slices.Clone(values)
	floats.AddScaled(rest, -part, others)
	return rest
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

// WriteHours prints the beginning of the longest session beside its end.
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
