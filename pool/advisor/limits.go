package advisor

import (
	"fmt"
	"strconv"
	"strings"
)

// manyRows is the number of rows from which on a result is large for one request.
const manyRows = 1000

// unbounded finds results that grow with their table.
func (a *analysis) unbounded(s *statement) {
	limited := false
	s.plan.walk(func(n *node, _ []*node) { limited = limited || n.Type == "Limit" })
	if s.verb != "select" && s.verb != "with" || limited || s.rowsPerCall() < manyRows {
		return
	}
	f := s.about(UnboundedResult, fmt.Sprintf("A statement returns %s rows and has no limit", count(s.rowsPerCall())))
	f.Evidence = []string{a.took(s)}
	f.Action = "Add a LIMIT, and go on behind the last row of a page (WHERE (a, id) > ($1, $2) ORDER BY a, id LIMIT " +
		"$3); for exports use stream/pgrows."
	f.Risk = "Clients that expect all rows at once must ask for more pages."
	a.report.add(f)
}

// offset finds pages that are found by reading all before them.
func (a *analysis) offset(s *statement) {
	number := 0
	parameters(s.SQL, func(n int, before string) string {
		if lastWord(before) == "offset" {
			number = n
		}
		return ""
	})
	most := 0
	for _, values := range s.samples {
		if number > 0 && number <= len(values) && values[number-1] != nil {
			if n, err := strconv.Atoi(*values[number-1]); err == nil {
				most = max(most, n)
			}
		}
	}
	if most < manyRows {
		return
	}
	f := s.about(LargeOffset, fmt.Sprintf("OFFSET skips up to %s rows, which are read before", count(float64(most))))
	f.Evidence = []string{a.took(s)}
	f.Action = "Go on behind the last row of the page before: WHERE (a, id) > ($1, $2) ORDER BY a, id LIMIT $3."
	f.Risk = "Pages can no more be asked for by number."
	a.report.add(f)
}

// sortsMuch finds sorts of many rows of which few are wanted.
func (a *analysis) sortsMuch(s *statement) {
	s.sampled.walk(func(n *node, parents []*node) {
		if n.Type != "Sort" || len(n.Plans) == 0 || len(parents) == 0 {
			return
		}
		above := parents[len(parents)-1]
		limit, input := above.Rows, n.Plans[0].Rows
		if above.Type != "Limit" || input < 10*manyRows || input < 100*limit || n.Cost < s.sampled.Cost/2 {
			return
		}
		f := s.about(
			LimitNotPushed,
			fmt.Sprintf("%s rows are made and sorted for the first %s", count(input), count(limit)),
		)
		f.Evidence = []string{a.took(s), "sorted by " + strings.Join(n.Sort, ", ")}
		f.Action = "Sort by columns of one table that an index has, and join the others to the rows that the LIMIT has " +
			"left: SELECT ... FROM (SELECT ... ORDER BY ... LIMIT n) x JOIN ...; or keep the value that is sorted by in a " +
			"column."
		f.Risk = "Inner joins that drop rows must stay inside."
		a.report.add(f)
	})
}
