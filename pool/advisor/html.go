package advisor

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed report.html
var pageText string

// WriteHTML writes the report as a page that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"share": share, "short": short, "size": size, "date": date, "oneLine": oneLine,
		"calls": func(s StatementStats) string { return count(float64(s.calls())) },
		"mean":  func(s StatementStats) string { return short(s.mean()) },
		"own":   func(s StatementStats) string { return share(s.cost(), r.Total) },
		"per":   func(s StatementStats, n int64) string { return s.perCall(n) },
		"p95":   StatementStats.clientP95,
		"add":   func(a, b int) int { return a + b },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return page.Execute(w, r)
}
