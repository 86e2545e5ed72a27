package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const (
	// soakFile has the windows of the published soak.
	soakFile = "soak/compiled.jsonl"
	// soakHours is what the soak is to have in the end.
	soakHours = 8
)

// soakSection says how long the soak has been, and how the end of its longest session differs from
// the beginning.
func soakSection(b *bytes.Buffer, windows []load.Window) {
	if len(windows) == 0 {
		return
	}
	s := load.Summarize(windows)
	fmt.Fprintf(b, "\n## Soak\n\n**%.4g minutes of %d hours** (%.3g %%): `make soak` runs `%s` under %.0f requests/s in "+
		"pieces, and starts the server again for each: what only grows over hours in one process is seen as far as the "+
		"longest session goes. [%s](%s) has a line for each window. %v\n", s.Minutes, soakHours, 100*s.Minutes/60/soakHours,
		s.Server, s.Rate, soakFile, soakFile, s)
	for _, c := range load.SoakCharts(windows) {
		fmt.Fprintf(b, "\n%s\n", picture("plots/"+c.Name, c.Title))
	}
	h := load.CompareHours(windows)
	var rows []table.Row
	for _, r := range h.Rows {
		rows = append(rows, table.Row{r.Figure, digits(r.First), digits(r.Last)})
	}
	long := fmt.Sprintf(" %.4g minutes", h.Minutes)
	fmt.Fprintf(b, "\n%s The beginning of the longest session beside its end, medians of the windows:\n\n%s",
		drifting(windows), markdown(table.Row{"figure", "first" + long, "last" + long}, rows))
}

// drifting says which figures drift.
func drifting(windows []load.Window) string {
	var list []string
	beside := 0
	for _, d := range load.Drifts(windows) {
		beside = max(beside, d.Beside)
		if d.Drifts {
			list = append(list, fmt.Sprintf("%s (by %.0f %%)", d.Figure, 100*d.Growth))
		}
	}
	text := "No figure drifts."
	if len(list) > 0 {
		text = "**Drifting**: " + strings.Join(list, "; ") + "."
	}
	if beside > 0 {
		text += fmt.Sprintf(" Latencies and CPU times are judged beside the machine's own speed, over the %d windows "+
			"that have it.", beside)
	}
	return text
}

// pauses is the garbage collector's part in the closed loop, before and after.
func pauses(r *load.Report) string {
	var rows []table.Row
	for _, s := range r.Results {
		u := s.Resources
		if s.Preset != "closed" || u == nil {
			continue
		}
		rows = append(rows, table.Row{s.Server, fmt.Sprintf("%.0f", u.GCCycles/max(s.Seconds, 1)),
			fmt.Sprintf("%.1f %%", 100*u.GCShare), milliseconds(u.GCPauseP50), milliseconds(u.GCPauseP99),
			milliseconds(u.GCPauseMax)})
	}
	return markdown(table.Row{"server", "collections/s", "of the server's CPU", "pause P50", "pause P99", "longest"}, rows)
}

// milliseconds is a time, "-" if it was not recorded.
func milliseconds(v float64) string {
	if v == 0 {
		return "-"
	}
	return digits(v) + " ms"
}
