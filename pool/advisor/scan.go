package advisor

import (
	"regexp"
	"slices"
	"strings"
)

// scanned is a table that a statement reads, and by what an index could find its rows.
type scanned struct {
	table   *table
	alias   string
	node    *node
	clauses []clause // with the table's column or expression on the left
	sort    []sortKey
	limited bool // only the first rows in that order are wanted
}

// sortKey is what rows are ordered by.
type sortKey struct {
	operand
	descending bool
	nulls      string // FIRST or LAST if it is not what the direction says
}

// table returns the table that a node reads, nil if it reads none.
func (a *analysis) table(n *node) *table { return a.tables[n.Schema+"."+n.Relation] }

// scans returns the tables that a plan reads.
func (a *analysis) scans(plan *node) (list []*scanned) {
	plan.walk(func(n *node, parents []*node) {
		t := a.table(n)
		if t == nil || n.Alias == "" || n.Type == "ModifyTable" {
			return
		}
		s := &scanned{table: t, alias: n.Alias, node: n}
		s.add(n.Filter, n.IndexOn, n.Recheck)
		for _, p := range parents {
			s.add(p.JoinOn, p.HashOn, p.MergeOn)
		}
		s.order(parents)
		list = append(list, s)
	})
	return list
}

// add adds the conditions that are about this table.
func (s *scanned) add(conditions ...string) {
	for _, condition := range conditions {
		for _, c := range clauses(condition) {
			c, ok := c.of(s.alias)
			if ok && !slices.ContainsFunc(s.clauses, func(o clause) bool { return o.text == c.text }) {
				s.clauses = append(s.clauses, c)
			}
		}
	}
}

// order looks for a sort of this table's rows, and whether it ends early.
func (s *scanned) order(parents []*node) {
	for i, p := range slices.Backward(parents) {
		switch p.Type {
		case "Sort", "Incremental Sort":
			keys := sortKeys(p.Sort)
			for _, k := range keys {
				if len(k.aliases) != 1 || k.aliases[0] != s.alias {
					return
				}
			}
			s.sort = keys
			s.limited = slices.ContainsFunc(parents[:i], func(n *node) bool { return n.Type == "Limit" })
			return
		case "Aggregate", "WindowAgg", "Append", "Merge Append", "Unique", "SetOp", "Recursive Union", "ModifyTable":
			return
		}
	}
}

// direction is what may stand behind a sort key.
var direction = regexp.MustCompile(`^(.*?)(?: COLLATE "[^"]*")?( DESC)?(?: NULLS (FIRST|LAST))?$`)

func sortKeys(keys []string) (list []sortKey) {
	for _, k := range keys {
		m := direction.FindStringSubmatch(strings.ReplaceAll(k, "\n", " "))
		if m == nil {
			return nil
		}
		list = append(list, sortKey{toOperand(unwrap(tokenize(m[1]))), m[2] != "", m[3]})
	}
	return list
}

// isEqual tells whether one value of the column is wanted.
func (c clause) isEqual() bool {
	return c.operator == "=" || c.operator == "is null" || c.operator == "is true" || c.operator == "is false"
}

// isRange tells whether the rows are next to each other in the order of the column.
func (c clause) isRange() bool {
	switch c.operator {
	case "<", ">", "<=", ">=", "= any":
		return true
	}
	return false
}

// pattern returns the pattern of LIKE or of a regular expression, "" if it is not known.
func (c clause) pattern() (pattern string, isPattern bool) {
	switch c.operator {
	case "~~", "~~*", "~", "~*":
		if t := strings.TrimPrefix(c.right.text, "E"); strings.HasPrefix(t, "'") {
			if end := strings.LastIndex(t, "'"); end > 0 {
				return t[1:end], true
			}
		}
		return "", true
	}
	return "", false
}

// beginning tells whether texts that begin alike are wanted, which are next to each other.
func (c clause) beginning() bool {
	p, _ := c.pattern()
	return c.operator == "~~" && p != "" && p[0] != '%' && p[0] != '_'
}
