package load

import (
	_ "embed"
	"io"
	"text/template"
)

//go:embed markdown.tmpl
var markdownSource string

var markdown = template.Must(template.New("markdown").Funcs(formats).Parse(markdownSource))

// WriteMarkdown writes a report for a repository.
func WriteMarkdown(w io.Writer, r *Report) error { return markdown.Execute(w, r) }
