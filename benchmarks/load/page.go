package load

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(formats).Parse(pageSource))

// WriteHTML writes a report that opens without a network.
func WriteHTML(w io.Writer, r *Report) error {
	return page.Execute(w, struct {
		*Report
		Headline, Warning string
		Examples          []Example
		Charts            []chart.Chart
		Style             template.CSS
		Script, Drawing   template.JS
	}{r, Headline(r), Warning(r), ExamplesIn(r), charts(r), template.CSS(chart.Style()),
		template.JS(chart.Script()), template.JS(chart.Drawing())})
}
