package advisor

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

const (
	maxKeys = 4
	// fewValues is the largest number of values of a column for which an index of one of them is tried.
	fewValues = 50
	// brinPages is the number of pages from which on a table is large enough for a BRIN index.
	brinPages = 1000
	// inOrder is the correlation from which on rows lie in a column's order.
	inOrder = 0.9
)

// shapes makes the indexes that could serve a scan.
type shapes struct {
	a    *analysis
	scan *scanned
	list []*candidate

	joins, filters, ranges, tests []clause
	order                         []string
	policy                        []string
	served                        bool // an index has the policy's columns and others; the plan cannot show it
}

// candidates returns indexes that could serve a scan, the narrowest first. Columns that
// one value is wanted of come first, those with the most different values before the
// others, then what the rows are ordered by or what a range is wanted of.
func (a *analysis) candidates(s *scanned, role string, literal func(clause) bool) []*candidate {
	m := &shapes{a: a, scan: s, order: s.sortedBy()}
	m.classify(literal)
	m.policy = a.policyKeys(s, role)
	bySelectivity := func(x, y clause) int { return cmp.Compare(s.distinct(y), s.distinct(x)) }
	slices.SortStableFunc(m.filters, bySelectivity)
	both := slices.Concat(m.joins, m.filters)
	slices.SortStableFunc(both, bySelectivity)
	for _, equal := range [][]clause{m.joins, m.filters, both} {
		if len(equal) > 0 {
			m.behind("", equal)
		}
	}
	if len(both) > 1 {
		m.add("", both[:1]) // The most selective one may do.
	}
	// Rows in order until enough of them are right: how many that takes depends on where these
	// are (the oldest jobs are done), which the optimizer does not know.
	if len(both) == 0 || !s.limited {
		m.behind("", nil)
	}
	m.partial(both)
	m.brin()
	if m.served {
		return nil
	}
	slices.SortStableFunc(m.list, func(x, y *candidate) int { return cmp.Compare(len(x.keys), len(y.keys)) })
	return m.list
}

// classify says what each condition is good for.
func (m *shapes) classify(literal func(clause) bool) {
	for _, c := range m.scan.clauses {
		key := m.a.indexable(m.scan, c)
		if c.isTest() || literal(c) && m.scan.few(c) {
			m.tests = append(m.tests, c)
		}
		switch {
		case key == "" || c.isTruth():
		case c.isEqual() && len(c.right.aliases) > 0:
			m.joins = append(m.joins, c)
		case c.isEqual():
			m.filters = append(m.filters, c)
		case c.isRange() || c.beginning():
			m.ranges = append(m.ranges, c)
		}
	}
}

// few reports whether a condition compares a column of few values with a constant.
func (s *scanned) few(c clause) bool {
	col := s.table.columns[c.left.column.name]
	return c.right.literal && col != nil && col.distinct > 0 && col.distinct <= fewValues &&
		(c.operator == "=" || c.operator == "<>" || c.operator == "= any")
}

// behind adds what begins with some columns: these alone, and with each range or the order
// behind them.
func (m *shapes) behind(where string, equal []clause) {
	m.add(where, equal)
	for _, r := range m.ranges {
		m.add(where, equal, m.a.indexable(m.scan, r))
	}
	if len(m.order) > 0 {
		m.add(where, equal, m.order...)
	}
	for _, r := range m.ranges { // Some values of one column, a range of another.
		if r.operator == "= any" {
			for _, other := range m.ranges {
				if other.operator != "= any" {
					m.add(where, append(slices.Clone(equal), r), m.a.indexable(m.scan, other))
				}
			}
		}
	}
}

// partial adds indexes of the rows only that the program asks for in all runs.
func (m *shapes) partial(both []clause) {
	if len(m.tests) == 0 {
		return
	}
	tested := func(c clause) bool {
		return slices.ContainsFunc(m.tests, func(t clause) bool { return t.text == c.text })
	}
	var wheres []string
	for _, t := range m.tests {
		wheres = append(wheres, t.local())
	}
	where := strings.Join(wheres, " AND ")
	before := len(m.list)
	both = slices.DeleteFunc(slices.Clone(both), tested)
	for _, equal := range [][]clause{m.joins, m.filters, both} {
		equal = slices.DeleteFunc(slices.Clone(equal), tested)
		if len(equal) > 0 || len(both) == 0 || !m.scan.limited {
			m.behind(where, equal)
		}
	}
	if len(m.list) == before {
		if key := m.scan.table.identity(); key != "" {
			m.add(where, nil, key)
		}
	}
}

// identity returns a column for an index of which only the condition matters: the first
// that always has a value.
func (t *table) identity() string {
	for _, number := range slices.Sorted(maps.Keys(t.byNumber)) {
		if c := t.byNumber[number]; c.notNull && c.sortable() && c.kind != "boolean" && c.width <= 16 {
			return c.sql
		}
	}
	return ""
}

// brin adds a BRIN index where a range of a column is wanted in whose order the rows of a
// large table lie.
func (m *shapes) brin() {
	for _, r := range m.ranges {
		col := m.scan.table.columns[r.left.column.name]
		if col == nil || r.operator == "= any" || m.scan.table.pages < brinPages ||
			max(col.ordered, -col.ordered) < inOrder ||
			m.policy != nil {
			continue
		}
		c := &candidate{table: m.scan.table, alias: m.scan.alias, method: "brin", keys: []string{col.sql}}
		if !m.a.exists(c) && !m.has(c) {
			m.list = append(m.list, c)
		}
	}
}

// add adds an index on columns, and on others behind them, unless there is one.
func (m *shapes) add(where string, equal []clause, rest ...string) {
	var keys []string
	for _, c := range equal[:min(len(equal), maxKeys)] {
		if k := m.a.indexable(m.scan, c); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	for _, k := range rest {
		if !slices.Contains(keys, strings.Fields(k)[0]) && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	keys = keys[:min(len(keys), maxKeys+1)]
	c := &candidate{table: m.scan.table, alias: m.scan.alias, method: "btree", keys: keys, where: where}
	for _, k := range m.policy {
		if !slices.Contains(keys, k) {
			c.policy = append(c.policy, k)
		}
	}
	whole := *c
	whole.keys = slices.Concat(c.policy, c.keys)
	switch {
	case len(keys) == 0 || m.has(c):
	case m.a.exists(&whole) || len(rest) == 0 && m.a.found(&whole): // Whichever of them comes first.
		m.served = m.served || m.policy != nil
	default:
		m.list = append(m.list, c)
	}
}

func (m *shapes) has(c *candidate) bool {
	return slices.ContainsFunc(m.list, func(o *candidate) bool { return o.keyList() == c.keyList() })
}

// policyKeys returns the columns that policies compare, where the plan is not of a role to
// which they apply.
func (a *analysis) policyKeys(s *scanned, role string) (keys []string) {
	if !a.roles.passes || role != "" {
		return nil
	}
	for _, c := range s.table.whole().policies {
		if col := s.table.columns[c.left.column.name]; col != nil && c.operator == "=" && !col.isCast(c.left) &&
			!slices.Contains(keys, col.sql) {
			keys = append(keys, col.sql)
		}
	}
	return keys
}

// indexable returns a clause's left side as a key of a B-tree, "" if it cannot be one.
func (a *analysis) indexable(s *scanned, c clause) string {
	o := c.left
	if o.column.name == "" {
		if len(o.columns) == 0 || strings.Contains(o.text, "SubPlan") || strings.HasPrefix(o.text, "ROW") ||
			o.hasUnknown() || !s.ofProgram(o) {
			return ""
		}
		return "(" + o.local() + ")"
	}
	col := s.table.columns[o.column.name]
	if col == nil || !col.sortable() || col.isCast(o) && !col.isText() {
		return ""
	}
	if _, isPattern := c.pattern(); isPattern {
		if col.kind != "text" && !strings.HasPrefix(col.kind, "character varying") {
			return ""
		}
		return col.sql + " text_pattern_ops"
	}
	return col.sql
}

// distinct is how many values the left side has.
func (s *scanned) distinct(c clause) float64 {
	if col := s.table.columns[c.left.column.name]; col != nil && !strings.HasPrefix(c.operator, "is ") {
		return col.distinct
	}
	return 0
}

// sortedBy returns the keys of the sort, nil if an index cannot have them. An index can be
// read backwards, so only keys in different directions need one.
func (s *scanned) sortedBy() (keys []string) {
	if s.inOrder != nil {
		return s.inOrder
	}
	same := !slices.ContainsFunc(
		s.sort,
		func(k sortKey) bool { return k.descending != s.sort[0].descending || k.nulls != s.sort[0].nulls },
	)
	for _, k := range s.sort {
		if k.column.name == "" && (k.hasUnknown() || k.isDistance() || !s.ofProgram(k.operand)) {
			return nil
		}
		text := "(" + k.local() + ")"
		if col := s.table.columns[k.column.name]; col != nil {
			text = col.sql
		}
		if k.descending && (!same || k.nulls != "") {
			text += " DESC"
		}
		if k.nulls != "" {
			text += " NULLS " + k.nulls
		}
		keys = append(keys, text)
	}
	return keys
}
