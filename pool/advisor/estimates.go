package advisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// readStatistics reads which columns have extended statistics.
func (a *analysis) readStatistics(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, "select "+ourOwn+" stxrelid, stxkeys::int2[] from pg_statistic_ext")
	if err != nil {
		return err
	}
	a.extended = map[uint32][][]int16{}
	var oid uint32
	var keys []int16
	_, err = pgx.ForEachRow(rows, []any{&oid, &keys}, func() error {
		a.extended[oid] = append(a.extended[oid], slices.Clone(keys))
		return nil
	})
	return err
}

// wrong reports whether an estimate is more than ten times off.
func (n *node) wrong() bool {
	if n.Loops == 0 {
		return false
	}
	actual, expected := max(n.ActualRows, 1), max(n.Rows, 1)
	return max(actual, expected)*n.Loops >= manyRows && (actual > 10*expected || expected > 10*actual)
}

// misestimated finds where the optimizer's idea of the rows begins to be wrong.
func (a *analysis) misestimated(s *statement) {
	s.sampled.walk(func(n *node, parents []*node) {
		for _, p := range parents {
			if p.Type == "Limit" {
				return // What is below does not run to its end.
			}
		}
		if !n.wrong() || slices.ContainsFunc(n.Plans, func(child *node) bool { return child.wrong() }) {
			return
		}
		f := s.about(Misestimate, "The optimizer is wrong about how many rows it finds")
		f.Evidence = []string{
			a.took(s),
			fmt.Sprintf("%s expects %s rows and finds %s", n.Type, count(n.Rows), count(n.ActualRows)),
		}
		f.Risk = "Plans of other statements may change too."
		f.Action = "ANALYZE the tables; a higher statistics target (ALTER TABLE ... ALTER COLUMN ... SET STATISTICS 1000) " +
			"helps with uneven values."
		if t := a.table(n); t != nil {
			a.misestimatedTable(&f, t, n)
		}
		if !slices.ContainsFunc(a.report.Findings, func(o Finding) bool {
			return o.Kind == f.Kind && o.Table == f.Table && (f.Table != "" || o.Statement == f.Statement)
		}) {
			a.report.add(f)
		}
	})
}

// misestimatedTable makes a finding about a node one about the table that it reads, and says which
// statistics this lacks.
func (a *analysis) misestimatedTable(f *Finding, t *table, n *node) {
	f.Table = t.String()
	each := &scanned{table: t, alias: n.Alias, node: n}
	each.add(n.Filter, n.IndexOn, n.Recheck)
	columns := each.compared()
	if len(columns) < 2 || a.hasStatistics(t, columns) {
		f.Title = fmt.Sprintf("The optimizer is wrong about how many rows of %s it finds", t)
		f.Action = fmt.Sprintf("ANALYZE %s; a higher statistics target for its columns helps with uneven values.", t.sql)
		return
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.sql
	}
	name := ""
	if a.server.version < 160000 { // The name may be left out since 16.
		plain := notInNames.Replace(t.name + "_" + strings.Join(names, "_"))
		name = strings.TrimSuffix(t.sql, quotedAs(t.sql, t.name)) + a.quote(shorten(plain, maxName)) + " "
	}
	f.Kind = CorrelatedColumns
	f.Title = fmt.Sprintf("Columns of %s depend on each other, and the optimizer does not know", t)
	f.Risk = "ANALYZE of the table takes a little longer. Plans may change."
	f.run(
		fmt.Sprintf("CREATE STATISTICS %sON %s FROM %s", name, strings.Join(names, ", "), t.sql),
		"ANALYZE "+t.sql,
	)
}

// compared returns the columns that are compared with one value each.
func (s *scanned) compared() (list []*column) {
	for _, c := range s.clauses {
		col := s.table.columns[c.left.column.name]
		if col != nil && c.isEqual() && len(c.right.aliases) == 0 && !slices.Contains(list, col) {
			list = append(list, col)
		}
	}
	return list
}

// hasStatistics reports whether there are extended statistics of these columns.
func (a *analysis) hasStatistics(t *table, columns []*column) bool {
	return slices.ContainsFunc(a.extended[t.oid], func(keys []int16) bool {
		for _, c := range columns {
			if !slices.Contains(keys, c.number) {
				return false
			}
		}
		return true
	})
}

// nested finds nested loops over many rows where there was to be few, and tries without.
func (a *analysis) nested(ctx context.Context, s *statement) error {
	loops := 0.0
	s.sampled.walk(func(n *node, _ []*node) {
		if n.Type == "Nested Loop" && len(n.Plans) > 1 && n.Plans[0].actual() >= manyRows && n.Plans[0].wrong() {
			loops = max(loops, n.Plans[1].Loops)
		}
	})
	if loops < manyRows {
		return nil
	}
	plan, err := a.execute(ctx, "set local enable_nestloop = off", s, s.sampled.values)
	if err != nil || plan.Executed > s.sampled.Executed/2 {
		return ctx.Err()
	}
	f := s.about(NestedLoop, fmt.Sprintf("A nested loop goes over %s rows where few were expected", count(loops)))
	f.Evidence = []string{
		a.took(s),
		fmt.Sprintf("%.1f ms; without nested loops %.1f ms", s.sampled.Executed, plan.Executed),
	}
	f.Saving = time.Duration(float64(s.cost()) * (1 - plan.Executed/s.sampled.Executed))
	f.Hint = &Hint{Settings: map[string]string{"enable_nestloop": "off"}}
	if a.server.extensions["pg_hint_plan"] != "" {
		f.Hint.Plan = "Set(enable_nestloop off)"
	}
	f.Action = "Fix the estimate (statistics); until then SET LOCAL enable_nestloop = off for this statement (see Hint)."
	f.Risk = "With the hint the statement is slow when there are few rows."
	a.report.add(f)
	return nil
}
