package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

// Hours compares the beginning of a soak's longest session with its end: one server, on one machine.
type Hours struct {
	Minutes float64 // of the beginning, and of the end
	Rows    []HoursRow
}

// HoursRow is a figure: its median over the windows of the beginning, and over those of the end.
type HoursRow struct {
	Figure      string
	First, Last float64
}

// CompareHours compares the first hour of the longest session with its last one; of a shorter one,
// the first half with the second. Windows on a busy machine do not count, not for the length of a
// session either, and what was not measured is left out.
func CompareHours(windows []Window) (h Hours) {
	windows = longest(onQuietMachine(windows))
	if len(windows) < 2 {
		return h
	}
	n := len(windows) / 2
	if length := minutesEach(windows); length > 0 {
		n = min(n, max(int(math.Round(60/length)), 1))
		h.Minutes = float64(n) * length
	}
	for _, f := range soakFigures {
		first, last := medianOf(windows[:n], f), medianOf(windows[len(windows)-n:], f)
		if first != 0 || last != 0 {
			h.Rows = append(h.Rows, HoursRow{f.name, first, last})
		}
	}
	return h
}

// longest returns the windows of the longest session.
func longest(windows []Window) (list []Window) {
	for _, session := range sessions(windows) {
		if len(session) > len(list) {
			list = session
		}
	}
	return list
}

func medianOf(windows []Window, f soakFigure) float64 {
	var values []float64
	for _, w := range windows {
		values = append(values, f.of(w)/f.unit)
	}
	return median(values)
}

// minutesEach is the length of a window; old files only tell when windows start.
func minutesEach(windows []Window) float64 {
	if windows[0].Length > 0 || len(windows) < 2 {
		return windows[0].Length
	}
	return windows[1].Minutes - windows[0].Minutes
}

// SoakSummary says how long a soak has really been, and what it met.
type SoakSummary struct {
	Server           string
	Code             string  // versions of the code that it was built from
	CPU              string  // those of the machines
	Minutes          float64 // of load
	Sessions         int
	Longest          float64 // minutes of the longest session
	Busy, Windows    int     // windows on a busy machine, and all
	Requests, Errors int64
	ErrorsBusy       int64 // those of windows on a busy machine
	Rate             float64
	PauseMax         float64 // the longest of the garbage collector's, in milliseconds
}

// Summarize adds windows up.
func Summarize(windows []Window) (s SoakSummary) {
	if len(windows) == 0 {
		return s
	}
	each := minutesEach(windows)
	s.Server, s.Rate, s.Windows = windows[0].Server, windows[0].Rate, len(windows)
	s.Minutes, s.Sessions = each*float64(len(windows)), len(sessions(windows))
	s.Longest = each * float64(len(longest(windows)))
	for _, w := range windows {
		s.Requests, s.Errors, s.PauseMax = s.Requests+w.Requests, s.Errors+w.Errors, max(s.PauseMax, w.PauseMax)
		if w.Busy {
			s.Busy++
			s.ErrorsBusy += w.Errors
		}
	}
	s.Code = differing(windows, func(w Window) string { return w.Code })
	s.CPU = differing(windows, func(w Window) string { return w.CPU })
	return s
}

// differing lists the texts of windows, each once.
func differing(windows []Window, text func(Window) string) string {
	var list []string
	for _, w := range windows {
		if t := text(w); t != "" && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return strings.Join(list, ", ")
}

// Thousands writes a number in groups of three digits.
func Thousands(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s %03d", Thousands(n/1000), n%1000)
}

// String says it in a sentence.
func (s SoakSummary) String() string {
	text := fmt.Sprintf("%.4g minutes of load in %d sessions, the longest of %.4g minutes: %s requests, %s errors",
		s.Minutes, s.Sessions, s.Longest, Thousands(s.Requests), Thousands(s.Errors))
	if s.Busy > 0 {
		text += fmt.Sprintf("; the machine was busy in %d of %d windows, which had %s of the errors", s.Busy, s.Windows,
			Thousands(s.ErrorsBusy))
	}
	if s.Code != "" {
		text += "; built from " + s.Code
	}
	if s.CPU != "" {
		text += "; on " + s.CPU
	}
	return text + "."
}

// SoakCharts show memory and the garbage collector's pauses over a soak.
func SoakCharts(windows []Window) []chart.Chart {
	memory := chart.Chart{Name: "soak-memory", Title: "Memory under a steady load", Kind: chart.Lines, X: "minute of load",
		Y: "MiB", About: "The server's resident memory, the heap in use, the live heap, what is unused in spans, and what " +
			"was given back to the system, a point for each window."}
	pauses := chart.Chart{Name: "soak-pauses", Title: "Pauses of the garbage collector under a steady load",
		Kind: chart.Lines, X: "minute of load", Y: "ms", About: "Their median, P99 and maximum, a point for each window."}
	series := func(c *chart.Chart, name string, unit float64, of func(Window) float64) {
		s := chart.Series{Name: name}
		for _, w := range windows {
			s.Points = append(s.Points, [2]float64{w.Minutes + w.Length, of(w) / unit})
		}
		c.Series = append(c.Series, s)
	}
	series(&memory, "resident", mib, func(w Window) float64 { return w.Memory })
	series(&memory, "heap in use", mib, func(w Window) float64 { return w.InUse() })
	series(&memory, "live heap", mib, func(w Window) float64 { return w.LiveHeap })
	series(&memory, "unused in spans", mib, func(w Window) float64 { return w.HeapUnused })
	series(&memory, "released", mib, func(w Window) float64 { return w.HeapReleased })
	series(&pauses, "median", 1, func(w Window) float64 { return w.PauseP50 })
	series(&pauses, "P99", 1, func(w Window) float64 { return w.PauseP99 })
	series(&pauses, "maximum", 1, func(w Window) float64 { return w.PauseMax })
	return []chart.Chart{memory, pauses}
}
