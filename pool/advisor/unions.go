package advisor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// findUnion finds conditions of which one alternative is about one table, and another about
// another: no index serves them, so both tables are joined as a whole, and most of what
// comes out is dropped. Each alternative on its own can use an index.
func (a *analysis) findUnion(s *statement) {
	s.sampled.walk(func(n *node, _ []*node) {
		arms := alternatives(n.JoinOn)
		if arms == nil || n.Cost < s.sampled.Cost/2 {
			return
		}
		var indexes []string
		var tables []*table
		for _, arm := range arms {
			scan, key := a.findsBy(s, arm)
			if scan == nil {
				return
			}
			if !slices.Contains(tables, scan.table) {
				tables = append(tables, scan.table)
			}
			if !a.exists(&candidate{table: scan.table, method: "btree", keys: []string{key}}) {
				indexes = append(indexes, fmt.Sprintf("ON %s (%s)", scan.table.whole().sql, key))
			}
		}
		largest := slices.MaxFunc(tables, func(x, y *table) int { return cmp.Compare(x.size(), y.size()) })
		if len(tables) < 2 || largest.size() < smallTable || n.Rows > largest.size()/20 {
			return
		}
		f := s.about(
			SequentialScan,
			fmt.Sprintf("An OR over columns of several tables reads %s as a whole", largest.whole()),
		)
		f.Table = largest.whole().String()
		f.Evidence = []string{a.took(s), fmt.Sprintf("the join finds %s rows", count(n.Rows))}
		f.Action = "Take the condition apart: SELECT ... WHERE <one alternative> UNION SELECT ... WHERE <the other>. Each " +
			"part then finds its rows by an index."
		if len(indexes) > 0 {
			f.Action += " Indexes that these need: " + strings.Join(indexes, ", ") + "."
		}
		f.Risk = "UNION drops rows that are equal: select a key with them, if equal rows must stay."
		a.report.add(f)
		s.advised = true
	})
}

// findsBy returns the scan that an alternative is about, and a key by which an index finds
// its rows; nil if it is about none or several.
func (a *analysis) findsBy(s *statement, arm []clause) (*scanned, string) {
	for _, c := range arm {
		for _, scan := range s.scans {
			of, ok := c.of(scan.alias)
			if ok && len(of.right.aliases) == 0 && (of.isEqual() || of.isRange() || of.beginning()) {
				if key := a.indexable(scan, of); key != "" {
					return scan, key
				}
			}
		}
	}
	return nil, ""
}
