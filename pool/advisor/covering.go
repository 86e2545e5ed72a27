package advisor

import (
	"slices"
	"strings"
)

// maxIncluded is how many columns are put into an index for their values only.
const maxIncluded = 3

// covering returns an index with the columns that a scan returns besides, so that the table
// need not be read; nil if these are many.
func (a *analysis) covering(s *scanned, c *candidate) *candidate {
	isExpression := func(key string) bool { return strings.HasPrefix(key, "(") }
	if c.method != "btree" || c.policy != nil || slices.ContainsFunc(c.keys, isExpression) {
		return nil
	}
	wide := *c
	wide.include = nil
	width := 0
	for _, name := range s.needed() {
		col := s.table.columns[name.name]
		if col == nil {
			return nil
		}
		if !slices.Contains(c.keys, col.sql) && !slices.Contains(wide.include, col.sql) {
			wide.include = append(wide.include, col.sql)
			width += col.width
		}
	}
	if len(wide.include) == 0 || len(wide.include) > maxIncluded || width > 64 {
		return nil
	}
	return &wide
}

// needed returns the columns that the statement needs of a scan. One that reads whole rows
// may say that it returns all of them, as leaving some out is work: what is needed is in the
// other nodes then.
func (s *scanned) needed() (names []attribute) {
	take := func(expressions ...string) {
		for _, e := range expressions {
			for _, column := range toOperand(tokenize(s.withAlias(e))).columns {
				if column.alias == s.alias {
					names = append(names, column)
				}
			}
		}
	}
	take(s.node.Filter, s.node.IndexOn, s.node.Recheck)
	if len(s.node.Output) < len(s.table.columns) {
		take(s.node.Output...)
		return names
	}
	s.plan.walk(func(n *node, _ []*node) {
		take(n.Filter, n.IndexOn, n.Recheck, n.JoinOn, n.HashOn, n.MergeOn)
		take(n.Sort...)
		take(n.Group...)
		if n == s.plan || !slices.Equal(n.Output, s.node.Output) {
			take(n.Output...)
		}
	})
	return names
}
