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
	clauses []clause   // with the table's column or expression on the left
	either  [][]clause // the alternatives of an OR that is about this table only
	sort    []sortKey
	inOrder []string // the keys of the index in whose order all rows are read and most are left out
	limited bool     // only the first rows in that order are wanted
	plan    *node    // of the statement
	program []string // the expressions of the plan for any parameters, nil if this is of that plan
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
		s := &scanned{table: t, alias: n.Alias, node: n, plan: plan}
		s.add(n.Filter, n.IndexOn, n.Recheck)
		for _, p := range parents {
			s.add(p.JoinOn, p.HashOn, p.MergeOn)
		}
		s.order(parents)
		a.orderOfIndex(s, parents)
		list = append(list, s)
	})
	return list
}

var partAlias = regexp.MustCompile(`^(.*)_\d+$`)

// ofPart writes a condition with the alias of the part where it has that of the partitioned
// table: conditions above an Append have it.
func (s *scanned) ofPart(condition string) string {
	m := partAlias.FindStringSubmatch(s.alias)
	if s.table.parent == nil || m == nil || condition == "" {
		return condition
	}
	tokens := tokenize(condition)
	for i, t := range tokens {
		if i+1 < len(tokens) && tokens[i+1] == "." && unquote(t) == m[1] {
			tokens[i] = s.alias
			if strings.HasPrefix(t, `"`) {
				tokens[i] = inQuotes(s.alias)
			}
		}
	}
	return join(tokens)
}

// expressions are what scans have conditions on, and are sorted by, with constants of the
// program only: those of a sample can be any other.
func expressions(list []*scanned) []string {
	found := []string{}
	for _, s := range list {
		for _, arm := range append(slices.Clone(s.either), s.clauses) {
			for _, c := range arm {
				found = append(found, c.left.local())
			}
		}
		for _, k := range s.sort {
			found = append(found, k.local())
		}
	}
	return found
}

// ofProgram reports whether an expression has no value of a sample.
func (s *scanned) ofProgram(o operand) bool {
	return s.program == nil || slices.Contains(s.program, o.local())
}

// add adds the conditions that are about this table.
func (s *scanned) add(conditions ...string) {
	for _, condition := range conditions {
		for _, c := range clauses(s.ofPart(condition)) {
			s.alternatives(c)
			c, ok := c.of(s.alias)
			if ok && !slices.ContainsFunc(s.clauses, func(o clause) bool { return o.text == c.text }) {
				s.clauses = append(s.clauses, c)
			}
		}
	}
}

// alternatives keeps the parts of an OR if each of them has a condition on this table.
func (s *scanned) alternatives(c clause) {
	arms := alternatives(c.text)
	if arms == nil || s.either != nil {
		return
	}
	for i, arm := range arms {
		arms[i] = nil
		for _, c := range arm {
			if c, ok := c.of(s.alias); ok {
				arms[i] = append(arms[i], c)
			}
		}
		if arms[i] == nil {
			return
		}
	}
	s.either = arms
}

// order looks for a sort of this table's rows, and whether it ends early.
func (s *scanned) order(parents []*node) {
	for i, p := range slices.Backward(parents) {
		switch p.Type {
		case "Sort", "Incremental Sort":
			keys := sortKeys(p.Sort, s.ofPart)
			for _, k := range keys {
				if len(k.aliases) != 1 || k.aliases[0] != s.alias {
					return
				}
			}
			s.sort = keys
			s.limited = slices.ContainsFunc(parents[:i], func(n *node) bool { return n.Type == "Limit" })
			return
		case "Append", "Merge Append":
			if s.table.parent == nil { // of a UNION
				return
			}
		case "Aggregate":
			s.extreme(p)
			return
		case "WindowAgg", "Unique", "SetOp", "Recursive Union", "ModifyTable":
			return
		}
	}
}

var extremeOf = regexp.MustCompile(`^(?:min|max)\((.*)\)$`)

// extreme takes the smallest or the largest value for what it is: the first in an order.
func (s *scanned) extreme(aggregate *node) {
	if len(aggregate.Group) > 0 || len(aggregate.Output) != 1 {
		return
	}
	m := extremeOf.FindStringSubmatch(aggregate.Output[0])
	if m == nil {
		return
	}
	key := toOperand(tokenize(s.withAlias(m[1])))
	if key.column.alias == s.alias {
		s.sort, s.limited = []sortKey{{operand: key}}, true
	}
}

// withAlias writes the alias before the columns of an expression, if it is not there: Postgres
// leaves it out in what nodes return if the plan has one table only.
func (s *scanned) withAlias(expression string) string {
	tables := 0
	s.plan.walk(func(n *node, _ []*node) {
		if n.Alias != "" {
			tables++
		}
	})
	if tables > 1 {
		return expression
	}
	return s.table.withAlias(expression, inQuotes(s.alias))
}

// orderOfIndex looks for an index that is read for its order only, until enough rows pass a
// filter: what serves the filter must serve the order too.
func (a *analysis) orderOfIndex(s *scanned, parents []*node) {
	n := s.node
	if s.sort != nil || n.Index == "" || n.IndexOn != "" || n.Filter == "" {
		return
	}
	for _, p := range slices.Backward(parents) {
		if p.Type == "Limit" {
			break
		}
		if p.Type == "Aggregate" || p.Type == "Sort" {
			return
		}
	}
	for _, i := range a.indexes {
		if i.table == s.table && i.name == n.Index && i.method == "btree" {
			s.inOrder, s.limited = i.keys, true
		}
	}
}

// direction is what may stand behind a sort key.
var direction = regexp.MustCompile(`^(.*?)(?: COLLATE "[^"]*")?( DESC)?(?: NULLS (FIRST|LAST))?$`)

func sortKeys(keys []string, of func(string) string) (list []sortKey) {
	for _, k := range keys {
		m := direction.FindStringSubmatch(strings.ReplaceAll(k, "\n", " "))
		if m == nil {
			return nil
		}
		list = append(list, sortKey{toOperand(unwrap(tokenize(of(m[1])))), m[2] != "", m[3]})
	}
	return list
}

// isEqual reports whether one value of the column is wanted.
func (c clause) isEqual() bool { return c.operator == "=" || c.operator == "is null" || c.isTruth() }

// isTruth reports whether a boolean column is its own condition.
func (c clause) isTruth() bool {
	return c.operator == "is true" || c.operator == "is false" || c.operator == "not"
}

// isTest reports whether the condition has no other side: whether all that run the
// statement ask the same.
func (c clause) isTest() bool {
	return c.isTruth() || strings.HasPrefix(c.operator, "is not ") || c.operator == "is null"
}

// isRange reports whether the rows are next to each other in the order of the column.
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

// beginning reports whether texts that begin alike are wanted, which are next to each other.
func (c clause) beginning() bool {
	p, _ := c.pattern()
	return c.operator == "~~" && p != "" && p[0] != '%' && p[0] != '_'
}
