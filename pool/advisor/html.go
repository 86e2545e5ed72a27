package advisor

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var pageText string

// shownOnPage is how many statements a page shows.
const shownOnPage = 50

// WriteHTML writes the report as a page that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	subjects := r.subjects()
	page, err := template.New("report").Funcs(template.FuncMap{
		"share": share, "short": short, "size": size, "date": date, "plain": plain, "upper": strings.ToUpper,
		"oneLine":   func(s string, most int) string { return plain(oneLine(s, most)) },
		"calls":     func(s StatementStats) string { return count(float64(s.calls())) },
		"mean":      func(s StatementStats) string { return short(s.mean()) },
		"own":       func(s StatementStats) string { return share(s.cost(), r.Total) },
		"per":       func(s StatementStats, n int64) string { return s.perCall(n) },
		"p95":       StatementStats.clientP95,
		"groups":    func() []Group { return groupOrder },
		"of":        r.of,
		"few":       func(list []numbered) []numbered { return list[:min(len(list), overview)] },
		"more":      func(list []numbered) int { return max(0, len(list)-overview) },
		"headline":  r.headline,
		"gain":      func(f numbered) string { return f.gain(r.Total) },
		"ms":        milliseconds,
		"findings":  func(s StatementStats) []int { return s.findings(subjects) },
		"statement": func(f numbered) string { return r.statementOf(subjects[f.Number-1]) },
		"shown":     func() []StatementStats { return r.Statements[:min(len(r.Statements), shownOnPage)] },
		"sql":       func(f numbered) string { return strings.Join(f.SQL, ";\n") + ";" },
		"number":    func(i int) string { return fmt.Sprint("s", i+1) },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return page.Execute(w, r)
}

// statementOf returns the anchor of the statement that a finding is about, "" if the page
// has none.
func (r *Report) statementOf(f subject) string {
	for i, s := range r.Statements[:min(len(r.Statements), shownOnPage)] {
		if f.has(s.QueryID, key(s.SQL)) {
			return fmt.Sprint("s", i+1)
		}
	}
	return ""
}
