package advisor

import (
	"math"
	"slices"
	"strings"
	"time"
)

// guessIndexes is for servers without hypopg: an index that finds few of many rows, or
// that makes a sort of many for a few unnecessary, is good whatever else there is.
func (a *analysis) guessIndexes(s *statement) {
	type guess struct {
		*candidate
		rows, saved float64
	}
	var guesses []*guess // of partitioned tables for all their parts
	literal := s.literals()
	for _, each := range s.allScans() {
		rows := max(each.table.rows, 1)
		few := each.node.Rows <= rows/10
		if !each.readsAll() || !a.large(s, each) || !few && !each.limited && !a.options.TestData {
			continue
		}
		best := a.guess(a.candidates(each, s.role, literal))
		if best == nil {
			continue
		}
		i := slices.IndexFunc(guesses, func(g *guess) bool { return g.id() == best.id() })
		if i < 0 {
			i = len(guesses)
			guesses = append(guesses, &guess{candidate: best})
		} else if guesses[i].table == each.table {
			continue // The other plan has shown it.
		}
		// What is found is on pages anywhere.
		found := 4 * min(each.node.Rows, float64(each.table.pages), 100)
		guesses[i].rows += rows
		guesses[i].saved += max(0, min(each.node.Cost, s.sampled.Cost)-found)
	}
	for _, g := range guesses {
		after := max(0, s.sampled.Cost-g.saved)
		if after > worthwhile*s.sampled.Cost && !a.options.TestData {
			continue
		}
		saving := float64(s.cost()) * (1 - after/max(s.sampled.Cost, 1))
		a.advise(g.candidate, int64(g.rows)*32, false, helped{s, s.sampled.Cost, after, nil, time.Duration(saving)})
	}
}

// guess returns the index with the most columns, or one of some rows only where there is no
// other.
func (a *analysis) guess(list []*candidate) (best *candidate) {
	for _, c := range list {
		if c.immutable() && c.method == "btree" &&
			(best == nil || best.where != "" && c.where == "" || best.where == c.where && len(c.keys) > len(best.keys)) {
			best = c
		}
	}
	return best
}

// adviseExpressions advises indexes of expressions of which few rows have what is wanted, as
// what came out says: the optimizer knows only when there is such an index, or statistics.
func (a *analysis) adviseExpressions(s *statement) {
	n, t := a.onlyScan(s.sampled)
	came := s.rowsPerCall()
	if s.advised || t == nil || a.options.TestData || came < 0 || n.Rows < fewer*max(came, 1) || came > fewOf*t.size() {
		return
	}
	i := slices.IndexFunc(s.scans, func(each *scanned) bool { return each.node == n })
	if i < 0 || !s.scans[i].readsAll() || !a.large(s, s.scans[i]) {
		return
	}
	for _, c := range s.scans[i].clauses {
		key := a.indexable(s.scans[i], c)
		found := &candidate{table: t, method: "btree", keys: []string{key}, after: []string{"ANALYZE " + t.whole().sql}}
		if !c.isEqual() && !c.isRange() || !strings.HasPrefix(key, "(") || !found.immutable() || a.exists(found) {
			continue
		}
		after := s.sampled.Cost * max(came, 1) / max(t.rows, 1)
		saving := time.Duration(float64(s.cost()) * (1 - after/max(s.sampled.Cost, 1)))
		a.advise(found, int64(t.rows)*32, false, helped{s, s.sampled.Cost, after, nil, saving})
		return
	}
}

// readsAll reports whether the whole table is read, maybe in the order of an index.
func (s *scanned) readsAll() bool {
	return s.node.Type == "Seq Scan" || s.node.Type == "Index Scan" && s.node.IndexOn == "" && s.node.Filter != ""
}

// adviseInverted advises what finds rows by what is in their documents, arrays or texts.
// hypopg does not know these indexes, so that few of many rows are wanted must do.
func (a *analysis) adviseInverted(s *statement) {
	for _, each := range s.scans {
		if s.advised || !a.large(s, each) || each.node.Type != "Seq Scan" && !a.options.TestData {
			continue
		}
		rows := max(each.table.rows, 1)
		share := each.node.Rows / rows
		found, width, ok := a.nearest(each)
		if ok {
			share = 0
		} else if found, width = a.firstInverted(s, each); found == nil || share > 0.05 && !a.options.TestData {
			continue
		}
		gain := each.node.Cost / max(s.sampled.Cost, each.node.Cost, 1) * (1 - math.Sqrt(share))
		if gain < worthwhile && !a.options.TestData {
			continue
		}
		a.advise(
			found,
			int64(rows)*int64(16+width),
			false,
			helped{s, s.sampled.Cost, s.sampled.Cost * (1 - gain), nil, time.Duration(float64(s.cost()) * gain)},
		)
	}
}

// firstInverted returns the index for the first clause that one serves, and the width of its
// keys.
func (a *analysis) firstInverted(s *statement, each *scanned) (*candidate, int) {
	for _, c := range each.clauses {
		found, ok := a.inverted(each, c)
		pattern, isPattern := c.pattern()
		mayBegin := isPattern && pattern == "" && len(s.samples) > 0
		if ok && found.immutable() && !mayBegin {
			return found, each.width(c)
		}
	}
	return nil, 0
}

func (s *scanned) width(c clause) int {
	if col := s.table.columns[c.left.column.name]; col != nil {
		return col.width
	}
	return 16
}
