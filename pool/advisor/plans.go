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
		if !s.advised && a.believable(s) {
			a.findUnion(s)
		}
		if !s.advised && a.believable(s) {
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
	return fmt.Sprintf(
		"%s of the time, %s calls, %s each",
		share(s.cost(), a.total),
		count(float64(s.calls())),
		short(s.mean()),
	)
}

// scansMuch finds whole tables that are read for few rows, where no index was found.
func (a *analysis) scansMuch(s *statement) {
	for _, each := range s.scans {
		n, rows := each.node, max(each.table.rows, 1)
		if n.Type != "Seq Scan" || n.Filter == "" || !a.large(s, each) {
			continue
		}
		wanted := slices.ContainsFunc(each.clauses, func(c clause) bool { return c.isEqual() || c.isRange() })
		if a.options.TestData && !wanted || !a.options.TestData && (n.Rows > rows/20 || n.Cost < s.sampled.Cost/2) {
			continue
		}
		if slices.ContainsFunc(each.clauses, func(c clause) bool { return a.mayBePrefix(each, c) }) {
			continue
		}
		f := s.about(SequentialScan, fmt.Sprintf("%s is read as a whole for few of its rows", each.table))
		f.Table = each.table.whole().String()
		f.Evidence = []string{
			a.took(s),
			fmt.Sprintf("%s rows are read for %s", count(rows), count(n.Rows)),
			"condition: " + a.shown(s, n.Filter),
		}
		f.Risk = "None, if the results stay the same."
		if f.Kind, f.Action = each.advise(); f.Action == noIndex && !a.options.TestData && n.Rows > fewOf*rows {
			continue // Reading them all is what takes least.
		}
		if condition, by := a.rewrite(each); by != nil {
			f.Action = fmt.Sprintf("Write in the statement: %s. Index %s serves that, and not = ANY.", condition, by)
		}
		if f.Kind == PatternScan {
			f.Title = fmt.Sprintf("A pattern is looked for in all of %s", each.table)
		}
		if strings.Contains(n.Filter, " OR ") {
			f.Action += " Conditions combined with OR can be taken apart with UNION: each part then finds its rows by an " +
				"index of its own."
		}
		a.report.add(f)
	}
}

// shown is a condition without the values of a sample, or of the table's statistics.
func (a *analysis) shown(s *statement, condition string) string {
	if s.sampled.values == nil && !s.guessed {
		return condition
	}
	return strings.Join(s.conditionColumns(), ", ")
}

// conditionColumns are the columns of the conditions.
func (s *statement) conditionColumns() (names []string) {
	for _, each := range s.scans {
		for _, c := range each.clauses {
			for _, col := range c.left.columns {
				if name := col.alias + "." + col.name; !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// noIndex is what is left to say if nothing is known to help.
const noIndex = "No index was found that makes it at least twice as cheap. See whether the statement needs all that " +
	"it asks for."

// advise says what to do about conditions for which no index was found.
func (s *scanned) advise() (Kind, string) {
	kind, action := SequentialScan, noIndex
	for _, c := range s.clauses {
		col := s.table.columns[c.left.column.name]
		switch _, isPattern := c.pattern(); {
		case isPattern:
			kind = PatternScan
			if !c.hasTrigram() {
				action = "The pattern has no three letters in a row, by which an index could find it: ask for three characters " +
					"at least."
				continue
			}
			action = "Patterns that begin with % need an index of trigrams (extension pg_trgm, gin_trgm_ops) or full text " +
				"search (tsvector); others a B-tree with text_pattern_ops."
		case col != nil && c.left.cast == "date" && strings.HasPrefix(col.kind, "timestamp"):
			return kind, fmt.Sprintf(
				"Ask for the time from the day's beginning to that of the next one: %[1]s >= $1 AND %[1]s < $1 + interval '1 "+
					"day', with an index ON %[2]s (%[1]s). The cast of the column to date hides it.",
				col.sql,
				s.table.whole().sql,
			)
		case col != nil && col.isCast(c.left) && !col.isText():
			return kind, fmt.Sprintf(
				"Compare %s with a value of its own type (%s) instead of casting the column to %s, so that its index can be used.",
				col.sql,
				col.kind,
				c.left.cast,
			)
		case col == nil && len(c.left.columns) > 0:
			action = s.ofExpression(c)
		}
	}
	return kind, action
}

// ofExpression says what to do about a condition on an expression that has no index.
func (s *scanned) ofExpression(c clause) string {
	text, known := s.expression(c.left)
	switch {
	case strings.HasPrefix(text, "EXTRACT"):
		return "The condition is about a field of a time, which hides its column: ask for a range of the column, or make " +
			"an index of the expression."
	case known:
		return fmt.Sprintf(
			"The condition is about an expression (%s), which hides indexes of its columns: compare the column itself with a "+
				"value, or make an index of the expression.",
			text,
		)
	}
	method := ""
	if strings.HasPrefix(text, "to_tsvector") {
		method = "USING gin "
	}
	why := "pg_stat_statements does not keep the constant; with a record of the program the advisor tries the index."
	if s.program != nil {
		why = "It serves statements that have the constant in their text."
	}
	return fmt.Sprintf(
		"The condition is about an expression: make an index of it, with the program's constant instead of the parameter: "+
			"CREATE INDEX CONCURRENTLY ON %s %s((%s)). %s",
		s.table.whole().sql, method, text, why,
	)
}

// expression returns an expression as a report may have it, with parameters for the values of
// a sample, and whether it has none.
func (s *scanned) expression(o operand) (text string, known bool) {
	if s.ofProgram(o) {
		return o.local(), !o.hasUnknown()
	}
	for _, text := range s.program {
		if len(parameterNumbers(text)) > 0 && !slices.ContainsFunc(o.columns, func(c attribute) bool {
			col := s.table.columns[c.name]
			return col == nil || !slices.Contains(tokenize(text), col.sql)
		}) {
			return text, false
		}
	}
	return strings.Join(s.names(o), ", "), false
}

// names are the columns of an expression.
func (s *scanned) names(o operand) (list []string) {
	for _, c := range o.columns {
		if col := s.table.columns[c.name]; col != nil {
			list = append(list, col.sql)
		}
	}
	return list
}
