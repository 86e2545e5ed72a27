package load

import (
	"fmt"
	"html/template"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// serverPlot draws the throughput of each server in the closed loop, with its P95 beside it.
// It has a background of its own, so that it reads the same on light and dark pages.
func serverPlot(results []*Result) (template.HTML, error) {
	var names, notes []string
	var values plotter.Values
	var ends plotter.XYs
	for _, r := range slices.Backward(results) { // The first one is at the top.
		if r.Preset != "closed" {
			continue
		}
		names = append(names, r.Server)
		values = append(values, r.Throughput)
		notes = append(notes, fmt.Sprintf(" %.0f/s, P95 %.0f ms", r.Throughput, r.Latency.P95))
		ends = append(ends, plotter.XY{X: r.Throughput, Y: float64(len(ends))})
	}
	if len(names) == 0 {
		return "", nil
	}
	p := plot.New()
	p.Title.Text = "Requests per second, 64 clients"
	p.Title.Padding = vg.Points(8)
	p.Y.Label.Text = "server" // Also the room for names in a wider font than the one measured here.
	p.Y.Padding = vg.Points(8)
	p.X.Min, p.X.Max = 0, 1.35*slices.Max(values) // Leaves room for the notes.
	bars, err := plotter.NewBarChart(values, vg.Points(20))
	if err != nil {
		return "", err
	}
	bars.Horizontal, bars.Color, bars.LineStyle.Width = true, plotutil.Color(2), 0
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: ends, Labels: notes})
	if err != nil {
		return "", err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].YAlign = text.YCenter
	}
	p.Add(bars, labels)
	p.NominalY(names...)
	return svg(p)
}
