package load

import (
	"fmt"
	"io"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"
	"gonum.org/v1/gonum/stat"
)

// Drift is how a figure has changed over a run.
type Drift struct {
	Figure      string
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
	// settling is the part of a run that is left out: caches and pools fill in it.
	settling = 0.1
	// Fewer windows say nothing.
	fewestWindows = 10
)

// Drifts looks for figures that change for the worse while the load stays the same.
func Drifts(windows []Window) (list []Drift) {
	windows = windows[int(settling*float64(len(windows))):]
	for _, f := range []struct {
		name  string
		of    func(Window) float64
		worse float64 // the direction that is
	}{
		{"P50", func(w Window) float64 { return w.P50 }, 1},
		{"P95", func(w Window) float64 { return w.P95 }, 1},
		{"throughput", func(w Window) float64 { return w.Throughput }, -1},
		{"memory", func(w Window) float64 { return w.Memory }, 1},
		{"live heap", func(w Window) float64 { return w.LiveHeap }, 1},
		{"goroutines", func(w Window) float64 { return w.Goroutines }, 1},
		{"connections", func(w Window) float64 { return w.Connections }, 1},
	} {
		var x, y []float64
		for _, w := range windows {
			x, y = append(x, w.Minutes), append(y, f.of(w))
		}
		d := Drift{Figure: f.name}
		if len(x) > 2 {
			intercept, slope := stat.LinearRegression(x, y, nil, false)
			d.First, d.Last = intercept+slope*x[0], intercept+slope*x[len(x)-1]
			if d.First != 0 {
				d.Growth = (d.Last - d.First) / math.Abs(d.First)
			}
			if d.Correlation = stat.Correlation(x, y, nil); math.IsNaN(d.Correlation) {
				d.Correlation = 0 // It never changes.
			}
			d.Drifts = len(x) >= fewestWindows && f.worse*d.Growth > driftGrowth && f.worse*d.Correlation > driftCorrelation
		}
		list = append(list, d)
	}
	return list
}

// WriteDrifts prints how figures have changed.
func WriteDrifts(w io.Writer, windows []Window) {
	t := newTable(w)
	t.AppendHeader(table.Row{"figure", "at first", "at last", "growth", "correlation with time", ""})
	for _, d := range Drifts(windows) {
		mark := ""
		if d.Drifts {
			mark = "DRIFTS"
		}
		t.AppendRow(table.Row{d.Figure, fmt.Sprintf("%.4g", d.First), fmt.Sprintf("%.4g", d.Last), percent(d.Growth),
			fmt.Sprintf("%.2f", d.Correlation), mark})
	}
	t.Render()
}
