package advisor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// indexFinding says why an index should be.
func (a *analysis) indexFinding(advice *indexAdvice) Finding {
	whole := advice.table.whole()
	slices.SortStableFunc(advice.helped, func(x, y helped) int {
		return cmp.Compare(y.statement.cost(), x.statement.cost())
	})
	first := advice.helped[0]
	f := Finding{
		Kind:       MissingIndex,
		Table:      whole.String(),
		Title:      fmt.Sprintf("%s needs an index: ON %s%s", whole, whole, advice.keyList()),
		Bytes:      -advice.bytes,
		Verified:   advice.verified,
		Statement:  first.statement.SQL,
		QueryID:    first.statement.QueryID,
		Definition: advice.keyList(),
	}
	f.run(a.create(advice.candidate)...)
	if advice.rewrite != "" {
		f.Rewrite = advice.rewrite
		f.Action += "\n-- and write in the statement: " + advice.rewrite
		f.Title += ", and ask with " + advice.rewrite
	}
	for _, h := range advice.helped {
		f.Saving += h.saving
		f.Helps = append(f.Helps, h.of())
		f.Evidence = append(f.Evidence, a.evidence(advice, h))
	}
	f.Before, f.After = f.Helps[0].Before, f.Helps[0].After
	for _, o := range advice.together {
		f.Evidence = append(
			f.Evidence,
			fmt.Sprintf("It is worth while together with an index ON %s%s only.", o.table.whole(), o.keyList()),
		)
	}
	if advice.policy != nil {
		f.Evidence = append(
			f.Evidence,
			fmt.Sprintf(
				"Row level security asks for %s in all statements of the application; without them the optimizer takes the index.",
				strings.Join(advice.policy, ", "),
			),
		)
	}
	if strings.HasSuffix(advice.keys[0], "gin_trgm_ops") {
		f.Evidence = append(
			f.Evidence,
			"If no pattern begins with % or _, a B-tree with text_pattern_ops is enough, and smaller.",
		)
	}
	for _, i := range a.indexes {
		if i.beginningOf(advice) {
			f.Evidence = append(f.Evidence, fmt.Sprintf("When it is there, index %s, its beginning, can go: %s", i, i.drop()))
		}
		if i.table == advice.table && i.method == advice.method && slices.Index(i.plain, advice.keys[0]) > 0 &&
			a.server.version < 180000 {
			f.Evidence = append(
				f.Evidence,
				fmt.Sprintf("index %s has %s behind other columns, so it finds nothing by it", i, advice.keys[0]),
			)
		}
	}
	f.Risk = a.indexRisk(advice)
	return f
}

// beginningOf reports whether an advised index begins with the keys of one that is there only
// to find rows.
func (i *index) beginningOf(advice *indexAdvice) bool {
	keys := slices.Concat(advice.policy, advice.keys)
	return i.table == advice.table.whole() && i.method == "btree" && advice.method == "btree" && !i.unique &&
		!i.constraint && i.where == advice.where && len(i.includes) == 0 && len(i.keys) < len(keys) &&
		slices.Equal(i.keys, keys[:len(i.keys)])
}

// of is what a report says of a statement that is helped.
func (h helped) of() Helped {
	s := h.statement
	part := func(cost float64) time.Duration {
		return time.Duration(float64(s.mean()) * min(1, cost/max(s.sampled.Cost, 1e-9)))
	}
	return Helped{SQL: s.SQL, QueryID: s.QueryID, Before: part(h.before), After: part(h.after)}
}

// evidence says what an index does for a statement.
func (a *analysis) evidence(advice *indexAdvice, h helped) string {
	how := "the optimizer takes it"
	switch {
	case advice.verified:
	case advice.after != nil:
		how = fmt.Sprintf("not tried, as the optimizer expects %s rows before it has statistics of the expression",
			count(h.statement.sampled.Rows))
	case advice.method == "btree":
		how = "not tried, as hypopg is not installed"
	default:
		how = "not tried, as hypopg cannot"
	}
	what := fmt.Sprintf("%s of the time, %s calls: cost %s -> %s (%s)", share(h.statement.cost(), a.total),
		count(float64(h.statement.calls())), count(h.before), count(h.after), how)
	if n := largestScan(h.statement.sampled, advice.table); n != nil {
		what += fmt.Sprintf("; it reads all %s rows for %s", count(advice.table.rows), count(n.Rows))
		if whole := advice.table.whole(); whole != advice.table {
			what += fmt.Sprintf(" of %s, a part of the %s rows of %s", advice.table, count(whole.rows), whole)
		}
	}
	return what + ": " + oneLine(h.statement.SQL, 160)
}

// indexRisk says what an index costs.
func (a *analysis) indexRisk(advice *indexAdvice) string {
	whole := advice.table.whole()
	which := ""
	if advice.where != "" {
		which = " that concerns its rows"
	}
	risk := fmt.Sprintf(
		"About %s, and each of the writes (%s rows so far)%s writes it too.",
		size(advice.bytes),
		count(float64(whole.writes())),
		which,
	)
	if sets := a.endsHOT(advice); sets != "" {
		risk += " " + sets
	}
	if whole.kind != "p" {
		return risk + " CONCURRENTLY blocks nobody, and must not run in a transaction."
	}
	return risk + " CONCURRENTLY blocks nobody; a part's index is used at once, and that of the whole is valid when the " +
		"last part is attached. Run each statement on its own, not in a transaction."
}

// endsHOT names the updates that an index would make write to all indexes: those that set
// one of its columns, while now no index has any of what they set.
func (a *analysis) endsHOT(advice *indexAdvice) string {
	t := advice.table.whole()
	if t.hot == 0 {
		return ""
	}
	names := t.columnsIn(advice.keyList())
	for _, s := range a.statements {
		if s.plan == nil || s.plan.Type != "ModifyTable" || s.plan.Command != "Update" {
			continue
		}
		if of := a.table(s.plan); of == nil || of.whole() != t {
			continue
		}
		for _, column := range assigned(s.SQL) {
			if slices.Contains(names, column) && !a.indexed(t, column) {
				return fmt.Sprintf("It ends HOT updates (%.0f %% of the updates of %s are): %s is set by %s.",
					100*float64(t.hot)/float64(max(t.updated, 1)), t, column, oneLine(s.SQL, 80))
			}
		}
	}
	return ""
}

// indexed reports whether an index has a column, also one that is included: it ends HOT as well.
func (a *analysis) indexed(t *table, column string) bool {
	c := t.columns[column]
	return slices.ContainsFunc(a.indexes, func(i *index) bool {
		return i.table == t && i.method != "brin" &&
			(slices.Contains(i.stored, c.number) || slices.Contains(tokenize(i.where), c.sql))
	})
}

// assigned returns the columns that an UPDATE sets: SET a = 1, (b, c) = (2, 3).
func assigned(sql string) (names []string) {
	tokens := tokenize(sql)
	set := slices.IndexFunc(tokens, func(t string) bool { return strings.EqualFold(t, "set") })
	last, depth, named := "set", 0, true // what is named now is set
	for _, t := range tokens[set+1:] {
		switch lower := strings.ToLower(t); {
		case t == "(", t == "[":
			depth++
		case t == ")", t == "]":
			depth--
		case depth == 0 && slices.Contains([]string{"where", "from", "returning"}, lower):
			return names
		case depth == 0 && strings.HasPrefix(t, "="): // Also =- and the like, where no space is between.
			named = false
		case depth == 0 && t == ",":
			named = true
		case !named, last != "set" && last != "," && last != "(":
		case strings.HasPrefix(t, `"`):
			names = append(names, unquote(t))
		default:
			names = append(names, lower)
		}
		last = t
	}
	return names
}

// largestScan returns the scan that reads a whole table, nil if there is none.
func largestScan(plan *node, t *table) (found *node) {
	plan.walk(func(n *node, _ []*node) {
		if n.Type == "Seq Scan" && n.Schema == t.schema && n.Relation == t.name &&
			(found == nil || n.Cost > found.Cost) {
			found = n
		}
	})
	return found
}
