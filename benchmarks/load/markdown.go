package load

import (
	_ "embed"
	"io"
	"text/template"

	"github.com/dustin/go-humanize"
)

//go:embed markdown.tmpl
var markdownSource string

var markdown = template.Must(template.New("markdown").Funcs(template.FuncMap{
	"ms": ms, "percent": percent, "each": perRequest, "bytes": humanize.IBytes,
	"whole": func(v float64) string { return humanize.Comma(int64(v)) },
	"kilo":  func(v float64) string { return humanize.IBytes(uint64(v)) },
	"two":   func(v float64) string { return humanize.FtoaWithDigits(v, 2) },
}).Parse(markdownSource))

// WriteMarkdown writes a report for a repository.
func WriteMarkdown(w io.Writer, r *Report) error { return markdown.Execute(w, r) }
