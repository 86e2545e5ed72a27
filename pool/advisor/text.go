package advisor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// shown is how many statements a text shows.
const shown = 10

// WriteText writes the report for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, database %s", r.Server, r.Database)
	if !r.Since.IsZero() {
		fmt.Fprintf(&b, ", counters since %s", date(r.Since))
	}
	fmt.Fprintf(&b, "\nTime of all statements: %s\n", short(r.Total))
	if len(r.Findings) == 0 {
		b.WriteString("\nNothing to mend was found.\n")
	}
	for i, f := range r.Findings {
		fmt.Fprintf(&b, "\n%d. %s: %s\n", i+1, strings.ToUpper(string(f.Kind)), f.Title)
		if f.Saving > 0 {
			fmt.Fprintf(&b, "   saving    %s of the time (%s)\n", share(f.Saving, r.Total), short(f.Saving))
		}
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "   evidence  %s\n", e)
		}
		if f.Statement != "" && f.Kind != MissingIndex {
			fmt.Fprintf(&b, "   statement %s\n", oneLine(f.Statement, 200))
		}
		fmt.Fprintf(&b, "   action    %s\n   risk      %s\n", f.Action, f.Risk)
	}
	if len(r.Statements) > 0 {
		b.WriteString("\nStatements with the most time:\n")
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(table, "share\tcalls\tmean\trows/call\tread/call\tclient p95\t\n")
		for _, s := range r.Statements[:min(len(r.Statements), shown)] {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", share(s.cost(), r.Total), count(float64(s.calls())), short(s.mean()), s.perCall(s.Rows), s.perCall(s.BlocksRead), s.clientP95(), oneLine(s.SQL, 90))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	for i, m := range r.Missing {
		if i == 0 {
			b.WriteString("\nCould not be looked at:\n")
		}
		fmt.Fprintf(&b, "- %s\n", m)
	}
	_, err := io.WriteString(w, b.String())
	return err
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
