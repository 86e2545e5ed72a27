package advisor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
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
	return fmt.Sprintf("%s of the time, %s calls, %s each", share(s.cost(), a.total), count(float64(s.calls())), short(s.cost()/time.Duration(max(s.calls(), 1))))
}

// scansMuch finds whole tables that are read for few rows, where no index was found.
func (a *analysis) scansMuch(s *statement) {
	for _, each := range a.scans(s.sampled) {
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

// manyRows is from how many rows a result is large for one request.
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
	f.Action = "Add a LIMIT, and go on behind the last row of a page (WHERE (a, id) > ($1, $2) ORDER BY a, id LIMIT $3); for exports use stream/pgrows."
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

// spilled finds what did not fit into memory.
func (a *analysis) spilled(s *statement) {
	var bytes int64
	if s.Calls > 0 {
		bytes = s.TempWritten * 8192 / s.Calls
	}
	s.sampled.walk(func(n *node, _ []*node) {
		if n.SpaceKind == "Disk" {
			bytes = max(bytes, n.SpaceUsed<<10)
		}
		if n.Batches > 1 || n.AggBatches > 1 {
			bytes = max(bytes, n.TempWritten*8192)
		}
	})
	if bytes < 1<<20 {
		return
	}
	// What is sorted takes about three times as much in memory as in a file.
	megabytes := 1 << int(math.Ceil(math.Log2(float64(3*bytes)/(1<<20))))
	f := s.about(Spill, fmt.Sprintf("A statement writes %s of temporary files each time", size(bytes)))
	f.Evidence = []string{a.took(s)}
	f.Hint = &Hint{Settings: map[string]string{"work_mem": fmt.Sprintf("%dMB", min(megabytes, 1024))}}
	f.Action = fmt.Sprintf("Sort or join less, or give the statement the memory: SET LOCAL work_mem = '%s' (see Hint).", f.Hint.Settings["work_mem"])
	f.Risk = "Each sort and each hash table of each connection that runs it may take that much."
	a.report.add(f)
}

// sortsMuch finds sorts of many rows of which few are wanted.
func (a *analysis) sortsMuch(s *statement) {
	s.sampled.walk(func(n *node, parents []*node) {
		if n.Type != "Sort" || len(n.Plans) == 0 || len(parents) == 0 || parents[len(parents)-1].Type != "Limit" {
			return
		}
		limit, input := parents[len(parents)-1].Rows, n.Plans[0].Rows
		if input < 10*manyRows || input < 100*limit || n.Cost < s.sampled.Cost/2 {
			return
		}
		f := s.about(LimitNotPushed, fmt.Sprintf("%s rows are made and sorted for the first %s", count(input), count(limit)))
		f.Evidence = []string{a.took(s), "sorted by " + strings.Join(n.Sort, ", ")}
		f.Action = "Sort by columns of one table that an index has, and join the others to the rows that the LIMIT has left: SELECT ... FROM (SELECT ... ORDER BY ... LIMIT n) x JOIN ...; or keep the value that is sorted by in a column."
		f.Risk = "Inner joins that drop rows must stay inside."
		a.report.add(f)
	})
}

// readStatistics reads which columns have extended statistics.
func (a *analysis) readStatistics(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, "select /* gqlboost advisor */ stxrelid, stxkeys::int2[] from pg_statistic_ext")
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

// wrong tells whether an estimate is more than ten times off.
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
		f.Evidence = []string{a.took(s), fmt.Sprintf("%s expects %s rows and finds %s", n.Type, count(n.Rows), count(n.ActualRows))}
		f.Risk = "Plans of other statements may change too."
		f.Action = "ANALYZE the tables; a higher statistics target (ALTER TABLE ... ALTER COLUMN ... SET STATISTICS 1000) helps with uneven values."
		if t := a.tables[n.Schema+"."+n.Relation]; t != nil {
			f.Table = t.String()
			f.Title = fmt.Sprintf("The optimizer is wrong about how many rows of %s it finds", t)
			f.Action = fmt.Sprintf("ANALYZE %s; a higher statistics target for its columns helps with uneven values.", t)
			each := &scanned{table: t, alias: n.Alias, node: n}
			each.add(n.Filter, n.IndexOn, n.Recheck)
			if columns := each.compared(); len(columns) > 1 && !a.hasStatistics(t, columns) {
				names := make([]string, len(columns))
				for i, c := range columns {
					names[i] = quote(c.name)
				}
				f.Kind = CorrelatedColumns
				f.Title = fmt.Sprintf("Columns of %s depend on each other, and the optimizer does not know", t)
				f.Action = fmt.Sprintf("CREATE STATISTICS ON %s FROM %s; ANALYZE %s;", strings.Join(names, ", "), t, t)
				if a.server.version < 160000 { // The name may be left out since 16.
					f.Action = strings.Replace(f.Action, "STATISTICS ON", "STATISTICS "+quote(t.name+"_"+strings.Join(names, "_"))+" ON", 1)
				}
				f.Risk = "ANALYZE of the table takes a little longer. Plans may change."
			}
		}
		if !slices.ContainsFunc(a.report.Findings, func(o Finding) bool {
			return o.Kind == f.Kind && o.Table == f.Table && (f.Table != "" || o.Statement == f.Statement)
		}) {
			a.report.add(f)
		}
	})
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

// hasStatistics tells whether there are extended statistics of these columns.
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
	var plan *node
	err := a.savepoint(ctx, func() (err error) {
		plan, err = a.explain(ctx, "set local enable_nestloop = off", "explain (analyze, timing off, format json, verbose) "+s.SQL, s.sampled.values)
		return err
	})
	if err != nil || plan.Executed > s.sampled.Executed/2 {
		return ctx.Err()
	}
	f := s.about(NestedLoop, fmt.Sprintf("A nested loop goes over %s rows where few were expected", count(loops)))
	f.Evidence = []string{a.took(s), fmt.Sprintf("%.1f ms; without nested loops %.1f ms", s.sampled.Executed, plan.Executed)}
	f.Saving = time.Duration(float64(s.cost()) * (1 - plan.Executed/s.sampled.Executed))
	f.Hint = &Hint{Settings: map[string]string{"enable_nestloop": "off"}}
	if a.server.extensions["pg_hint_plan"] != "" {
		f.Hint.Plan = "Set(enable_nestloop off)"
	}
	f.Action = "Mend the estimate (statistics); until then SET LOCAL enable_nestloop = off for this statement (see Hint)."
	f.Risk = "With the hint the statement is slow when there are few rows."
	a.report.add(f)
	return nil
}
