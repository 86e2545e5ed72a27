package advisor

import (
	"fmt"
	"slices"
	"strings"
)

// indexFinding says why an index should be.
func (a *analysis) indexFinding(advice *indexAdvice) Finding {
	whole := advice.table.whole()
	f := Finding{
		Kind: MissingIndex, Table: whole.String(), Title: fmt.Sprintf("%s has no %s index on %s", whole, advice.method, strings.Join(advice.keys, ", ")),
		Action: advice.action(), Bytes: -advice.bytes, Verified: advice.verified,
	}
	if advice.where != "" {
		f.Title += " where " + advice.where
	}
	for _, h := range advice.helped {
		f.Saving += h.saving
		how := "the optimizer takes it"
		if !advice.verified {
			how = "not tried, as hypopg cannot"
			if advice.method == "btree" {
				how = "not tried, as hypopg is not installed"
			}
		}
		what := fmt.Sprintf("%s of the time, %s calls: cost %s -> %s (%s)", share(h.statement.cost(), a.total), count(float64(h.statement.calls())), count(h.before), count(h.after), how)
		if n := largestScan(h.statement.sampled, advice.table); n != nil {
			what += fmt.Sprintf("; it reads all %s rows for %s", count(advice.table.rows), count(n.Rows))
		}
		f.Evidence = append(f.Evidence, what+": "+oneLine(h.statement.SQL, 160))
	}
	f.Statement, f.QueryID = advice.helped[0].statement.SQL, advice.helped[0].statement.QueryID
	for _, i := range a.indexes {
		if i.table == advice.table && i.method == advice.method && slices.Index(i.keys, advice.keys[0]) > 0 {
			f.Evidence = append(f.Evidence, fmt.Sprintf("index %s has %s behind other columns, so it finds nothing by it", i, advice.keys[0]))
		}
	}
	f.Risk = fmt.Sprintf("About %s, and each of the writes (%s rows so far) writes it too.", size(advice.bytes), count(float64(advice.table.writes())))
	if whole == advice.table {
		f.Risk += " CONCURRENTLY blocks nobody, and must not run in a transaction."
	} else {
		f.Risk += " Writes wait while it is built, unless it is built CONCURRENTLY on each partition first, then on ONLY the partitioned table, and attached."
	}
	return f
}

// largestScan returns the scan that reads a whole table, nil if there is none.
func largestScan(plan *node, t *table) (found *node) {
	plan.walk(func(n *node, _ []*node) {
		if n.Type == "Seq Scan" && n.Schema == t.schema && n.Relation == t.name && (found == nil || n.Cost > found.Cost) {
			found = n
		}
	})
	return found
}
