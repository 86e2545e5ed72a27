package advisor

import (
	"fmt"
	"strings"
	"time"
)

const (
	heavyMean = 20 * time.Millisecond
	heavyRows = 10_000
)

// findAggregates finds sums over large tables that are asked for again and again with the
// same parameters: a materialized view can keep them.
func (a *analysis) findAggregates() {
	for _, s := range a.statements {
		if s.plan == nil || s.verb != "select" && s.verb != "with" || s.calls() < 10 || s.mean() < heavyMean ||
			s.rowsPerCall() < 0 {
			continue
		}
		var aggregates, parameters bool
		read := 0.0
		of := map[*table]float64{} // rows of all parts
		var largest *table
		s.plan.walk(func(n *node, _ []*node) {
			aggregates = aggregates || n.Type == "Aggregate"
			parameters = parameters || strings.Contains(n.Filter+n.IndexOn+n.Recheck+n.JoinOn, "$")
			if t := a.table(n); t != nil {
				of[t.whole()] += n.Rows
				if of[t.whole()] > read {
					read, largest = of[t.whole()], t.whole()
				}
			}
		})
		if !aggregates || parameters || read < max(heavyRows, 100*s.rowsPerCall()) {
			continue
		}
		f := s.about(
			RepeatedAggregate,
			fmt.Sprintf("A sum over %s rows of %s is made %s times", count(read), largest, count(float64(s.calls()))),
		)
		f.Evidence = []string{a.took(s), fmt.Sprintf("it returns %s rows", count(s.rowsPerCall()))}
		f.Action = "CREATE MATERIALIZED VIEW <name> AS <the statement>; CREATE UNIQUE INDEX ON <name> (<its key>); and " +
			"refresh it with package pool/matview."
		f.Risk = "Readers see what was true at the last refresh."
		f.Saving = s.cost() * 9 / 10
		a.report.add(f)
	}
}
