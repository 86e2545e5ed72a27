package advisor

import (
	"context"
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
	a.runAs(s)
	problem := a.firstPlan(ctx, s)
	if problem != nil && s.role != "" && ctx.Err() == nil {
		s.role = "" // It may not read what the statement reads, or its policies read what is not set.
		problem = a.firstPlan(ctx, s)
	}
	if problem == nil && a.denied(ctx, s) {
		problem = errDenied
	}
	if problem != nil {
		if ctx.Err() != nil || a.tx.Conn().IsClosed() {
			return problem
		}
		a.unplanned(s, problem)
		return nil
	}
	if !s.literal {
		a.guessConstants(ctx, s)
		a.guessValues(ctx, s)
	}
	s.sampled = s.plan
	if plan := a.sampledPlan(ctx, s); plan != nil {
		s.sampled = plan
	}
	s.general = a.scans(s.plan)
	if s.scans = s.general; s.sampled != s.plan {
		s.scans = a.scans(s.sampled)
		for _, each := range s.scans {
			each.program = expressions(s.general)
		}
	}
	return ctx.Err()
}

// firstPlan asks for the plan for any parameters.
func (a *analysis) firstPlan(ctx context.Context, s *statement) (problem error) {
	if s.text, problem = a.prepare(ctx, s); problem == nil {
		s.plan, problem = a.generic(ctx, s, s.text.sql)
	}
	return problem
}

// unplanned says which share of the time is not looked at, and why.
func (a *analysis) unplanned(s *statement, problem error) {
	a.report.Unplanned += s.cost()
	reason := problem.Error()
	if errors.Is(problem, errDenied) {
		a.blind("Some statements' plans read nothing: %s.", reason)
	}
	var e *pgconn.PgError
	if errors.As(problem, &e) {
		reason = e.Message
		switch {
		case e.Code != "42501": // insufficient privilege
		case strings.HasPrefix(e.Message, "permission denied for function"): // No role has all of them.
			reason += ": GRANT EXECUTE ON it TO the advisor's role"
		default:
			reason += ": GRANT pg_read_all_data TO the advisor's role"
			a.blind(
				"%s, so its statements could not be planned: GRANT pg_read_all_data TO the advisor's role.",
				e.Message,
			)
		}
	}
	a.miss("Could not be planned, %s of the time (%s): %s", share(s.cost(), a.total), reason, oneLine(s.SQL, 100))
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
					if p.right.literal && p.operator == c.operator && p.left.local() == c.left.local() &&
						strings.HasPrefix(c.right.text, "$") {
						constants[c.right.text] = p.right.text
					}
				}
			}
		}
	}
	if len(constants) == 0 {
		return
	}
	sql := parameters(s.text.sql, func(n int, _ string) string { return constants[fmt.Sprint("$", n)] })
	if plan, err := a.generic(ctx, s, sql); err == nil && plan.Cost < s.plan.Cost {
		plan.QueryID = s.plan.QueryID
		s.text.sql, s.plan = sql, plan
	}
}

// sampledPlan returns the plan for what the statement is really asked, nil if that is
// not known.
func (a *analysis) sampledPlan(ctx context.Context, s *statement) (worst *node) {
	execute := a.options.Execute && s.reads()
	for _, values := range s.samples[max(0, len(s.samples)-plannedSamples):] {
		plan, err := a.bound(ctx, s, values, execute)
		if err == nil && (worst == nil || plan.Cost > worst.Cost) {
			worst = plan
		}
	}
	if worst != nil {
		return worst
	}
	if len(s.text.types) == 0 {
		if plan, err := a.bound(ctx, s, nil, execute); err == nil {
			return plan
		}
	}
	if limited := s.limited(); limited != s.text.sql {
		if plan, err := a.generic(ctx, s, limited); err == nil {
			return plan
		}
	}
	return nil
}

// limited is the statement with the rows that it returns for its LIMIT.
func (s *statement) limited() string {
	if n := s.rowsPerCall(); n >= 0 {
		return withLimit(s.text.sql, max(1, int(math.Round(n))))
	}
	return s.text.sql
}

// reads reports whether it may be executed to see how it goes. The transaction is
// read-only besides.
func (s *statement) reads() bool {
	return s.verb == "select" || s.verb == "values" || s.verb == "table"
}

// generic returns the plan of a statement, or of its text with constants for some of the
// parameters, for any parameters.
func (a *analysis) generic(ctx context.Context, s *statement, sql string) (*node, error) {
	return a.explain(ctx, s, explaining{sql: sql})
}

// bound returns the plan of a statement for a sample, and executes it if execute is set.
func (a *analysis) bound(ctx context.Context, s *statement, values []*string, execute bool) (*node, error) {
	plan, err := a.explain(ctx, s, explaining{sql: s.text.sql, bound: true, values: values})
	if err != nil || !execute {
		return plan, err
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
func (a *analysis) execute(ctx context.Context, setting string, s *statement, values []*string) (*node, error) {
	return a.explain(ctx, s, explaining{sql: s.text.sql, bound: true, values: values, execute: true, setting: setting})
}
