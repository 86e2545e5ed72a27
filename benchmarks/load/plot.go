package load

import (
	"bytes"
	"html/template"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	plotWidth  = 20 * vg.Centimeter
	plotHeight = 9 * vg.Centimeter
)

// latencyPlot draws the percentiles of each result.
func latencyPlot(results []*Result) (template.HTML, error) {
	p := plot.New()
	p.Title.Text = "Latency"
	p.Y.Label.Text = "ms"
	p.Y.Min = 0
	p.NominalX("P50", "P90", "P95", "P99", "P99.9")
	for i, r := range results {
		l := r.Latency
		points := plotter.XYs{}
		for x, y := range []float64{l.P50, l.P90, l.P95, l.P99, l.P999} {
			points = append(points, plotter.XY{X: float64(x), Y: y})
		}
		if err := addLine(p, i, r.Server+" "+r.Preset, points); err != nil {
			return "", err
		}
	}
	return svg(p)
}

// timelinePlot draws a figure of each result's seconds.
func timelinePlot(results []*Result, title, unit string, of func(Second) float64) (template.HTML, error) {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "second of the run"
	p.Y.Label.Text = unit
	p.Y.Min = 0
	for i, r := range results {
		points := plotter.XYs{}
		for _, s := range r.Timeline {
			points = append(points, plotter.XY{X: float64(s.Second), Y: of(s)})
		}
		if err := addLine(p, i, r.Server+" "+r.Preset, points); err != nil {
			return "", err
		}
	}
	return svg(p)
}

func addLine(p *plot.Plot, i int, name string, points plotter.XYs) error {
	if len(points) == 0 {
		return nil
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color = plotutil.Color(i)
	line.Width = vg.Points(1.5)
	p.Add(line)
	p.Legend.Add(name, line)
	p.Y.Max = max(p.Y.Max, 1.3*highestOf(points)) // Leaves room for the legend.
	p.Legend.Top, p.Legend.Left = true, true
	return nil
}

func svg(p *plot.Plot) (template.HTML, error) {
	canvas := vgsvg.New(plotWidth, plotHeight)
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	// Inside a page the XML declaration must go.
	text := b.Bytes()
	if at := bytes.Index(text, []byte("<svg")); at > 0 {
		text = text[at:]
	}
	return template.HTML(text), nil
}

func highestOf(points plotter.XYs) (y float64) {
	for _, p := range points {
		y = max(y, p.Y)
	}
	return y
}
