package advisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// plannedSamples is how many samples of a statement are planned. The worst plan counts.
const plannedSamples = 3

// planStatement asks for the plans of a statement. It fails only if the database does not
// answer.
func (a *analysis) planStatement(ctx context.Context, s *statement) error {
	s.planned = s.SQL
	var problem error
	if s.plan, problem = a.generic(ctx, s.planned); problem != nil {
		var e *pgconn.PgError
		switch {
		case ctx.Err() != nil || a.tx.Conn().IsClosed():
			return problem
		case errors.As(problem, &e) && e.Code == "42501":
			a.miss("%s, so its statements could not be planned: GRANT pg_read_all_data TO the advisor's role.", e.Message)
		case errors.As(problem, &e):
			a.miss("Could not be planned (%s): %s", e.Message, oneLine(s.SQL, 100))
		default:
			a.miss("Could not be planned (%v): %s", problem, oneLine(s.SQL, 100))
		}
		return nil
	}
	if !s.literal {
		a.guessConstants(ctx, s)
	}
	s.sampled = s.plan
	if plan := a.sampledPlan(ctx, s); plan != nil {
		s.sampled = plan
	}
	s.general = a.scans(s.plan)
	if s.scans = s.general; s.sampled != s.plan {
		s.scans = a.scans(s.sampled)
	}
	return ctx.Err()
}

// guessConstants puts constants back that pg_stat_statements has made parameters, where an
// index is only of the rows that have such a constant: without it the index is not used.
func (a *analysis) guessConstants(ctx context.Context, s *statement) {
	constants := map[string]string{} // by parameter
	for _, each := range a.scans(s.plan) {
		for _, i := range a.indexes {
			if i.table != each.table || i.where == "" {
				continue
			}
			for _, p := range clauses(i.where) {
				for _, c := range each.clauses {
					if p.right.literal && p.operator == c.operator && p.left.local() == c.left.local() && strings.HasPrefix(c.right.text, "$") {
						constants[c.right.text] = p.right.text
					}
				}
			}
		}
	}
	if len(constants) == 0 {
		return
	}
	sql := renumbered(s.SQL, func(n int, _ string) string { return constants[fmt.Sprint("$", n)] })
	if plan, err := a.generic(ctx, sql); err == nil && plan.Cost < s.plan.Cost {
		plan.QueryID = s.plan.QueryID
		s.planned, s.plan = sql, plan
	}
}

// sampledPlan returns the plan for what the statement is really asked, nil if that is
// not known.
func (a *analysis) sampledPlan(ctx context.Context, s *statement) (worst *node) {
	for i, values := range s.samples {
		if i >= len(s.samples)-plannedSamples {
			if plan, err := a.bound(ctx, s, values, a.options.Execute && s.reads()); err == nil && (worst == nil || plan.Cost > worst.Cost) {
				worst = plan
			}
		}
	}
	if worst != nil {
		return worst
	}
	if len(s.plan.parameters) == 0 {
		if plan, err := a.bound(ctx, s, nil, a.options.Execute && s.reads()); err == nil {
			return plan
		}
	}
	if limited := s.limited(); limited != s.planned {
		if plan, err := a.generic(ctx, limited); err == nil {
			return plan
		}
	}
	return nil
}

// limited is the statement with the rows that it returns for its LIMIT.
func (s *statement) limited() string {
	if n := s.rowsPerCall(); n >= 0 {
		return withLimit(s.planned, max(1, int(math.Round(n))))
	}
	return s.planned
}

// reads tells whether it may be executed to see how it goes. The transaction is
// read-only besides.
func (s *statement) reads() bool {
	return s.verb == "select" || s.verb == "values" || s.verb == "table"
}

// prepared is the name of what is planned.
const prepared = "gqlboost_advisor"

// generic returns the plan of a statement for any parameters. It is prepared with the
// protocol, which takes one statement only, and with types that Postgres infers; so it
// works in the same way for all versions, unlike GENERIC_PLAN.
func (a *analysis) generic(ctx context.Context, sql string) (plan *node, err error) {
	conn := a.tx.Conn().PgConn()
	err = a.savepoint(ctx, func() error {
		said, err := conn.Prepare(ctx, prepared, sql, nil)
		if err != nil {
			return err
		}
		nulls := ""
		if n := len(said.ParamOIDs); n > 0 {
			nulls = "(null" + strings.Repeat(", null", n-1) + ")"
		}
		plan, err = a.explain(ctx, "set local plan_cache_mode = force_generic_plan", "explain (format json, verbose) execute "+prepared+nulls, nil)
		if plan != nil {
			plan.parameters = said.ParamOIDs
		}
		return err
	})
	if !conn.IsClosed() && conn.TxStatus() == 'T' {
		_ = conn.Deallocate(ctx, prepared) // It may not be there.
	}
	return plan, err
}

// bound returns the plan of a statement for a sample, and executes it if execute is set.
func (a *analysis) bound(ctx context.Context, s *statement, values []*string, execute bool) (plan *node, err error) {
	err = a.savepoint(ctx, func() error {
		plan, err = a.explain(ctx, "", "explain (format json, verbose) "+s.planned, values)
		return err
	})
	if err != nil {
		return nil, err
	}
	if plan.values = values; !execute {
		return plan, nil
	}
	executed, err := a.execute(ctx, "", s, values)
	if err != nil {
		var e *pgconn.PgError
		if errors.As(err, &e) {
			a.miss("Could not be executed (%s): %s", e.Message, oneLine(s.SQL, 100))
		}
		return plan, nil
	}
	return executed, nil
}

// execute returns the plan of a statement for a sample, and how it went, after a setting
// if there is one.
func (a *analysis) execute(ctx context.Context, setting string, s *statement, values []*string) (plan *node, err error) {
	err = a.savepoint(ctx, func() error {
		plan, err = a.explain(ctx, setting, "explain (analyze, buffers, timing off, format json, verbose) "+s.planned, values)
		return err
	})
	if err == nil {
		plan.values = values
	}
	return plan, err
}

// explain runs one EXPLAIN, after a setting if there is one.
func (a *analysis) explain(ctx context.Context, setting, sql string, values []*string) (*node, error) {
	conn := a.tx.Conn().PgConn()
	if a.options.TestData {
		setting = strings.TrimPrefix(setting+"; set local enable_seqscan = off", "; ")
	}
	if setting != "" {
		if err := conn.Exec(ctx, setting).Close(); err != nil {
			return nil, err
		}
	}
	params := make([][]byte, len(values))
	for i, v := range values {
		if v != nil {
			params[i] = []byte(*v)
		}
	}
	result := conn.ExecParams(ctx, sql, params, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	var text []byte
	for _, row := range result.Rows {
		text = append(append(text, row[0]...), '\n')
	}
	return parsePlan(text)
}

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
	JoinOn   string   `json:"Join Filter"`
	IndexOn  string   `json:"Index Cond"`
	Recheck  string   `json:"Recheck Cond"`
	HashOn   string   `json:"Hash Cond"`
	MergeOn  string   `json:"Merge Cond"`
	Sort     []string `json:"Sort Key"`
	Plans    []*node  `json:"Plans"`

	// Of what was executed.
	Loops       float64 `json:"Actual Loops"`
	ActualRows  float64 `json:"Actual Rows"` // for each loop
	SpaceKind   string  `json:"Sort Space Type"`
	SpaceUsed   int64   `json:"Sort Space Used"` // KiB
	Batches     int64   `json:"Hash Batches"`
	AggBatches  int64   `json:"HashAgg Batches"`
	TempWritten int64   `json:"Temp Written Blocks"`

	QueryID    int64     `json:"-"` // of the whole statement
	Executed   float64   `json:"-"` // milliseconds; 0 if it was not
	parameters []uint32  // types of the statement's parameters
	values     []*string // the sample that it is the plan for
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

// uses tells whether an index of that name is used.
func (n *node) uses(index string) (used bool) {
	n.walk(func(n *node, _ []*node) { used = used || n.Index == index })
	return used
}

// actual is how many rows a node has returned in all its loops.
func (n *node) actual() float64 { return n.ActualRows * max(n.Loops, 1) }
