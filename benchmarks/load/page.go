package load

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(formats).Parse(pageSource))

// WriteHTML writes a report that opens without a network. Notes are shown under
// the table, a line each.
func WriteHTML(w io.Writer, r *Report, notes ...string) error {
	latency, err := latencyPlot(r.Results)
	if err != nil {
		return err
	}
	throughput, err := timelinePlot(r.Results, "Throughput", "requests/s",
		func(s Second) float64 { return float64(s.Requests) })
	if err != nil {
		return err
	}
	p95, err := timelinePlot(r.Results, "P95 over time", "ms", func(s Second) float64 { return s.P95 })
	if err != nil {
		return err
	}
	gains, err := gainPlot(r.Gains)
	if err != nil {
		return err
	}
	return page.Execute(w, struct {
		*Report
		Notes []string
		Plots []template.HTML
	}{r, notes, []template.HTML{gains, latency, throughput, p95}})
}
