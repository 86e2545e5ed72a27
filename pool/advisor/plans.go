package advisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// findPlans looks for what is wrong with the plans themselves.
func (a *analysis) findPlans(ctx context.Context) error {
	if err := a.readStatistics(ctx); err != nil {
		return err
	}
	for _, s := range a.statements {
		if s.sampled == nil {
			continue
		}
		a.unbounded(s)
		a.offset(s)
		a.spilled(s)
		if !s.advised {
			a.scansMuch(s)
			a.sortsMuch(s)
		}
		if s.sampled.Executed > 0 {
			a.misestimated(s)
			if err := a.nested(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// about returns a finding about a statement.
func (s *statement) about(kind Kind, title string) Finding {
	return Finding{Kind: kind, Title: title, Statement: s.SQL, QueryID: s.QueryID}
}

// took says how much a statement takes.
func (a *analysis) took(s *statement) string {
	return fmt.Sprintf("%s of the time, %s calls, %s each", share(s.cost(), a.total), count(float64(s.calls())), short(s.mean()))
}

// scansMuch finds whole tables that are read for few rows, where no index was found.
func (a *analysis) scansMuch(s *statement) {
	for _, each := range s.scans {
		n, rows := each.node, max(each.table.rows, 1)
		if n.Type != "Seq Scan" || n.Filter == "" || !a.large(each) {
			continue
		}
		wanted := slices.ContainsFunc(each.clauses, func(c clause) bool { return c.isEqual() || c.isRange() })
		if a.options.TestData && !wanted || !a.options.TestData && (n.Rows > rows/20 || n.Cost < s.sampled.Cost/2) {
			continue
		}
		f := s.about(SequentialScan, fmt.Sprintf("%s is read as a whole for few of its rows", each.table))
		f.Table = each.table.String()
		f.Evidence = []string{a.took(s), fmt.Sprintf("%s rows are read for %s", count(rows), count(n.Rows))}
		f.Action = "No index was found that helps. Look at the condition: a function or a cast on the column's side hides its index."
		f.Risk = "None, if the results stay the same."
		for _, c := range each.clauses {
			if _, isPattern := c.pattern(); isPattern {
				f.Kind = PatternScan
				f.Title = fmt.Sprintf("A pattern is looked for in all of %s", each.table)
				f.Action = "Patterns that begin with % need an index of trigrams (extension pg_trgm, gin_trgm_ops) or full text search (tsvector); others a B-tree with text_pattern_ops."
			}
			if col := each.table.columns[c.left.column.name]; col != nil && c.left.cast != "" && !col.isText() {
				f.Action = fmt.Sprintf("Compare %s with a value of its own type (%s) instead of casting the column to %s, so that its index can be used.", quote(col.name), col.kind, c.left.cast)
			}
		}
		if strings.Contains(n.Filter, " OR ") {
			f.Action += " Conditions combined with OR can be taken apart with UNION."
		}
		a.report.add(f)
	}
}
