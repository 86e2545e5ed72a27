package advisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// node is a part of a plan, as EXPLAIN (FORMAT JSON) has it.
type node struct {
	Type     string   `json:"Node Type"`
	Schema   string   `json:"Schema"`
	Relation string   `json:"Relation Name"`
	Alias    string   `json:"Alias"`
	Index    string   `json:"Index Name"`
	Cost     float64  `json:"Total Cost"`
	Rows     float64  `json:"Plan Rows"`
	Filter   string   `json:"Filter"`
	OneTime  string   `json:"One-Time Filter"`
	JoinOn   string   `json:"Join Filter"`
	IndexOn  string   `json:"Index Cond"`
	Recheck  string   `json:"Recheck Cond"`
	HashOn   string   `json:"Hash Cond"`
	MergeOn  string   `json:"Merge Cond"`
	Sort     []string `json:"Sort Key"`
	Group    []string `json:"Group Key"`
	Output   []string `json:"Output"`
	Command  string   `json:"Operation"`           // of ModifyTable
	Role     string   `json:"Parent Relationship"` // what it is for the node above
	Plans    []*node  `json:"Plans"`

	// What follows is known of what was executed.
	Loops       float64 `json:"Actual Loops"`
	ActualRows  float64 `json:"Actual Rows"` // for each loop
	SpaceKind   string  `json:"Sort Space Type"`
	SpaceUsed   int64   `json:"Sort Space Used"` // KiB
	Batches     int64   `json:"Hash Batches"`
	AggBatches  int64   `json:"HashAgg Batches"`
	TempWritten int64   `json:"Temp Written Blocks"`

	QueryID  int64     `json:"-"` // of the whole statement
	Executed float64   `json:"-"` // milliseconds; 0 if it was not
	values   []*string // the sample that it is the plan for
}

func parsePlan(text []byte) (*node, error) {
	var plans []struct {
		Plan     *node
		QueryID  int64   `json:"Query Identifier"`
		Executed float64 `json:"Execution Time"`
	}
	if err := json.Unmarshal(text, &plans); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if len(plans) != 1 || plans[0].Plan == nil {
		return nil, errors.New("plan: there is none")
	}
	p := plans[0]
	p.Plan.QueryID, p.Plan.Executed = p.QueryID, p.Executed
	return p.Plan, nil
}

// walk calls f with the node and all below, and with their parents, the nearest last.
func (n *node) walk(f func(n *node, parents []*node)) {
	var visit func(*node, []*node)
	visit = func(n *node, parents []*node) {
		f(n, parents)
		parents = append(parents[:len(parents):len(parents)], n)
		for _, child := range n.Plans {
			visit(child, parents)
		}
	}
	visit(n, nil)
}

// uses reports whether an index of that name is used.
func (n *node) uses(index string) (used bool) {
	n.walk(func(n *node, _ []*node) { used = used || n.Index == index })
	return used
}

// readsNothing reports whether the optimizer knows that a part of the plan has no rows.
func (n *node) readsNothing() (nothing bool) {
	never := func(c clause) bool { return c.text == "false" }
	n.walk(func(n *node, _ []*node) {
		nothing = nothing || slices.ContainsFunc(clauses(n.OneTime), never) || slices.ContainsFunc(clauses(n.Filter), never)
	})
	return nothing
}

// actual is how many rows a node has returned in all its loops.
func (n *node) actual() float64 { return n.ActualRows * max(n.Loops, 1) }
