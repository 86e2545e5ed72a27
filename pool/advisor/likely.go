package advisor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// pg_stat_statements does not say what a statement was asked, but how many rows came out. Where
// these are far fewer than a plan for any parameters expects, a parameter is taken to be one of
// the column's values that so many rows have: few jobs are open, and many are done.

// fewer is how many times as many rows a plan must expect as came out.
const fewer = 10

// guessValues chooses values for parameters with which the plan expects about as many rows as
// came out.
func (a *analysis) guessValues(ctx context.Context, s *statement) {
	n, t := a.onlyScan(s.plan)
	came := s.rowsPerCall()
	if t == nil || came < 0 || n.Rows < fewer*max(came, 1) || len(s.samples) > 0 {
		return
	}
	scan := &scanned{table: t, alias: n.Alias, node: n}
	scan.add(n.Filter, n.IndexOn, n.Recheck)
	for _, c := range scan.clauses {
		col := t.columns[c.left.column.name]
		if col == nil || len(parameterNumbers(c.right.text)) != 1 || !strings.HasPrefix(c.right.text, "$") {
			continue
		}
		value, ok := a.valueFor(ctx, t, col, c.operator, expected(col, c.operator)*max(came, 1)/max(n.Rows, 1))
		if !ok {
			continue
		}
		literal := fmt.Sprintf("cast(%s as %s)", quoteLiteral(value), col.castName)
		places := 0
		sql := parameters(s.text.sql, func(n int, _ string) string {
			if c.right.text == fmt.Sprint("$", n) {
				places++
				return literal
			}
			return ""
		})
		if places != 1 {
			continue // It may be part of an expression, which an index would have.
		}
		plan, err := a.generic(ctx, s, sql)
		if err != nil {
			continue
		}
		if found, _ := a.onlyScan(plan); found != nil && found.Rows < n.Rows/2 {
			plan.QueryID = s.plan.QueryID
			s.text.sql, s.plan, s.guessed = sql, plan, true
			return
		}
	}
}

// quoteLiteral quotes a text as Postgres's quote_literal does, which is right also with
// standard_conforming_strings = off.
func quoteLiteral(value string) string {
	quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
	if strings.Contains(value, `\`) {
		quoted = "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// expected is the share of the rows that the optimizer expects for any value.
func expected(c *column, operator string) float64 {
	if operator == "=" {
		return 1 / max(c.distinct, 1)
	}
	return 1.0 / 3
}

// valueFor returns a value of a column with which a comparison finds about a share of the rows.
func (a *analysis) valueFor(ctx context.Context, t *table, c *column, operator string, share float64) (string, bool) {
	var common, bounds []string
	var shares []float32
	err := a.savepoint(ctx, func() error {
		return a.tx.QueryRow(ctx, `select `+ourOwn+` coalesce(most_common_vals::text::text[], '{}'),
				coalesce(most_common_freqs, '{}'), coalesce(histogram_bounds::text::text[], '{}')
			from pg_stats where schemaname = $1 and tablename = $2 and attname = $3 order by inherited desc limit 1`,
			t.schema, t.name, c.name).Scan(&common, &shares, &bounds)
	})
	if err != nil || strings.HasSuffix(c.kind, "[]") {
		return "", false
	}
	switch last := len(bounds) - 1; operator {
	case "=":
		best := math.Inf(1)
		value := ""
		for i, v := range common {
			if off := math.Abs(math.Log(float64(shares[i]) / share)); off < best && off < math.Log(fewer) {
				best, value = off, v
			}
		}
		return value, !math.IsInf(best, 1)
	case "<", "<=", ">", ">=":
		if last < 1 {
			return "", false
		}
		if operator[0] == '>' {
			slices.Reverse(bounds)
		}
		return bounds[min(last, int(math.Ceil(share*float64(last))))], true
	}
	return "", false
}

// onlyScan returns the scan whose rows are those that a statement returns or changes, nil if
// they are made of others.
func (a *analysis) onlyScan(n *node) (*node, *table) {
	for {
		if t := a.table(n); t != nil && n.Type != "ModifyTable" {
			return n, t
		}
		switch n.Type {
		case "ModifyTable", "Sort", "Incremental Sort", "Gather", "Gather Merge", "Result", "LockRows":
		default:
			return nil, nil
		}
		i := slices.IndexFunc(n.Plans, func(child *node) bool { return child.Role == "Outer" })
		if i < 0 {
			return nil, nil
		}
		n = n.Plans[i]
	}
}
