package advisor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

const (
	shown     = 10 // how many statements a text shows
	overview  = 8  // how many findings of a group the first screen shows
	textWidth = 80 // of a text that is written to a file
	minWidth  = 60
	maxWidth  = 1000
)

// WriteText writes the report in lines of 80 characters.
func (r *Report) WriteText(w io.Writer) error { return r.WriteTextWidth(w, textWidth) }

// WriteTextWidth writes the report for a terminal of so many columns, 60 to 1000: first
// what the findings stand for and which to look at first, then each with its evidence.
// Only words and quoted names that are longer are not broken.
func (r *Report) WriteTextWidth(w io.Writer, width int) error {
	t := &textWriter{report: r, width: min(max(width, minWidth), maxWidth)}
	t.head()
	for _, g := range groupOrder {
		t.overview(g)
	}
	for i, f := range r.Findings {
		t.finding(i+1, f)
	}
	t.statements()
	for i, m := range r.Missing {
		if i == 0 {
			t.WriteString("\nCould not be looked at:\n")
		}
		t.lines("- ", m)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

type textWriter struct {
	strings.Builder
	report *Report
	width  int
}

// lines writes a text behind a label, with its further lines below the first one.
func (t *textWriter) lines(label, text string) {
	for i, line := range wrap(plain(text), t.width-len(label)) {
		if i > 0 {
			label = strings.Repeat(" ", len(label))
		}
		t.WriteString(strings.TrimRight(label+line, " ") + "\n")
	}
}

func (t *textWriter) head() {
	r := t.report
	about := fmt.Sprintf("%s, database %s", r.Server, r.Database)
	if r.Replica {
		about += ", a replica: it counts only what runs on it"
	}
	if !r.Since.IsZero() {
		about += ", counters since " + date(r.Since)
	}
	t.lines("", about)
	t.lines("", fmt.Sprintf("Time of all statements: %s. %s", short(r.Total), r.headline()))
	if r.Unplanned > 0 {
		t.lines(
			"",
			fmt.Sprintf(
				"Statements that take %s of it could not be planned, see the end.",
				share(r.Unplanned, r.Total),
			),
		)
	}
}

// overview writes a line for each of the first findings of a group.
func (t *textWriter) overview(g Group) {
	list := t.report.of(g)
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(t, "\n%s\n", strings.ToUpper(string(g)))
	for _, f := range list[:min(len(list), overview)] {
		label := fmt.Sprintf("%3d. ", f.Number)
		gain := f.gain(t.report.Total)
		title := shortened(oneLine(plain(f.Title), 1000), t.width-len(label)-15)
		pad := max(1, t.width-len(label)-utf8.RuneCountInString(title)-len(gain))
		t.WriteString(strings.TrimRight(label+title+strings.Repeat(" ", pad)+gain, " ") + "\n")
	}
	if more := len(list) - overview; more > 0 {
		fmt.Fprintf(t, "     and %d more\n", more)
	}
}

// finding writes all that is known of one.
func (t *textWriter) finding(number int, f Finding) {
	t.WriteByte('\n')
	t.lines(fmt.Sprintf("%d. ", number), strings.ToUpper(string(f.Kind))+": "+f.Title)
	if f.Saving > 0 {
		t.lines("   saving    ", fmt.Sprintf("%s of the time (%s)", share(f.Saving, t.report.Total), short(f.Saving)))
	}
	if each := f.each(); each != "" {
		t.lines("   time      ", each)
	}
	if advice := f.verification(); advice != "" {
		t.lines("   advice    ", advice)
	}
	for _, e := range f.Evidence {
		t.lines("   evidence  ", e)
	}
	if f.Statement != "" && f.Kind != MissingIndex {
		t.lines("   statement ", oneLine(f.Statement, 200))
	}
	t.lines("   action    ", f.Action)
	t.lines("   risk      ", f.Risk)
}

// statements writes a table, and the statements below their figures where the terminal is
// narrow.
func (t *textWriter) statements() {
	r := t.report
	if len(r.Statements) == 0 {
		return
	}
	t.WriteString("\nStatements with the most time:\n")
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "share\tcalls\tmean\trows/call\tread/call\tclient p95\t\n")
	list := r.Statements[:min(len(r.Statements), shown)]
	subjects := r.subjects()
	for _, s := range list {
		fmt.Fprintf(
			table,
			"%s\t%s\t%s\t%s\t%s\t%s\t\n",
			share(s.cost(), r.Total),
			count(float64(s.calls())),
			short(s.mean()),
			s.perCall(s.Rows),
			s.perCall(s.BlocksRead),
			s.clientP95(),
		)
	}
	_ = table.Flush() // into memory
	for i, line := range strings.Split(strings.TrimRight(b.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 {
			t.WriteString(line + "\n")
			continue
		}
		s := list[i-1]
		sql := oneLine(plain(s.SQL), 1000)
		var found []string
		for _, number := range s.findings(subjects) {
			found = append(found, fmt.Sprint("#", number))
		}
		if found != nil {
			sql = "[" + strings.Join(found, " ") + "] " + sql
		}
		if left := t.width - utf8.RuneCountInString(line) - 2; left >= minWidth {
			t.WriteString(line + "  " + shortened(sql, left) + "\n")
		} else {
			t.WriteString(line + "\n    " + shortened(sql, t.width-4) + "\n")
		}
	}
}

func (s StatementStats) perCall(n int64) string {
	if s.Calls == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(n)/float64(s.Calls))
}

func (s StatementStats) clientP95() string {
	if s.Client == nil {
		return "-"
	}
	return "<= " + short(s.Client.P95)
}

// shortened cuts a text to so many characters.
func shortened(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:max(most-1, 0)]) + "…"
	}
	return s
}
