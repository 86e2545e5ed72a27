package advisor

import (
	"context"
	"slices"
	"strings"
	"time"
)

// indexAdvice is an index that should be, and the statements that it helps.
type indexAdvice struct {
	*candidate
	bytes    int64
	verified bool
	helped   []helped
}

// helped is a statement that an index helps.
type helped struct {
	statement     *statement
	before, after float64 // the optimizer's costs
	saving        time.Duration
}

const (
	// worthwhile is to which share of its cost an index must bring a statement at least.
	worthwhile = 0.5
	maxIndexes = 3 // for one statement
)

// adviseIndexes looks for indexes that would help, those of the dearest statements first.
func (a *analysis) adviseIndexes(ctx context.Context) error {
	trials := &hypothetical{a: a, schema: a.server.extensions["hypopg"]}
	defer trials.end(ctx)
	if trials.schema == "" {
		a.miss("Index advice is not verified: the extension hypopg is not installed (%s).", map[bool]string{true: "CREATE EXTENSION hypopg", false: "Debian: postgresql-<version>-hypopg"}[a.server.available["hypopg"]])
	}
	for _, s := range a.statements {
		if s.sampled == nil {
			continue
		}
		var err error
		if trials.schema != "" {
			err = a.tryIndexes(ctx, trials, s)
		} else {
			a.guessIndexes(s)
		}
		if err == nil {
			a.adviseInverted(s)
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	if err := a.mergeAdvice(ctx, trials); err != nil {
		return err
	}
	for _, advice := range a.advice {
		a.report.add(a.indexFinding(advice))
	}
	return nil
}

// literals returns whether a condition has a constant that the program has written: that
// of a sample, or one that pg_stat_statements has made a parameter, can be any other.
func (s *statement) literals() func(clause) bool {
	written := map[string]bool{}
	for _, each := range s.general {
		for _, c := range each.clauses {
			if c.right.literal && s.literal || strings.HasPrefix(c.operator, "is ") {
				written[c.text] = true
			}
		}
	}
	return func(c clause) bool { return written[c.text] }
}

// allScans are those of the sampled plan, and of the plan if it is another.
func (s *statement) allScans() []*scanned {
	if s.sampled == s.plan {
		return s.scans
	}
	return slices.Concat(s.scans, s.general)
}

// ofStatement returns the candidates for all of its scans.
func (a *analysis) ofStatement(s *statement) (list []*candidate) {
	literal := s.literals()
	known := map[string]*candidate{}
	for _, each := range s.allScans() {
		if !a.large(each) {
			continue
		}
		for _, c := range a.candidates(each, literal) {
			action := c.action()
			if o := known[action]; o == nil {
				known[action] = c
				list = append(list, c)
			} else if o.table != c.table && !slices.Contains(o.others, c.table) {
				o.others = append(o.others, c.table)
			}
		}
	}
	slices.SortStableFunc(list, func(x, y *candidate) int { return len(x.keys) - len(y.keys) })
	return list
}

// large tells whether reading the whole table is worth avoiding.
func (a *analysis) large(s *scanned) bool {
	return a.options.TestData || s.table.parent != nil || s.table.size() >= smallTable
}

// tryIndexes asks the optimizer, with indexes that are not there.
func (a *analysis) tryIndexes(ctx context.Context, trials *hypothetical, s *statement) error {
	candidates := a.ofStatement(s)
	if len(candidates) == 0 {
		return nil
	}
	before, err := a.replan(ctx, s)
	if err != nil {
		return ctx.Err()
	}
	current := before
	for range maxIndexes {
		var best *candidate
		var bestPlan *node
		for _, c := range candidates {
			plan, err := trials.with(ctx, c, func() (*node, error) { return a.replan(ctx, s) })
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				continue // It cannot be: the expression is not immutable.
			}
			if plan == nil || !a.better(current, plan, c) {
				continue
			}
			// A wider index must be clearly better than a narrow one.
			if best == nil || plan.Cost < bestPlan.Cost*0.9 {
				best, bestPlan = c, plan
			}
		}
		if best == nil {
			break
		}
		_, bytes, err := trials.create(ctx, best)
		if err != nil {
			return err
		}
		saved := max(0, (current.Cost-bestPlan.Cost)/before.Cost)
		a.advise(best, bytes, true, helped{s, current.Cost, bestPlan.Cost, time.Duration(float64(s.cost()) * saved)})
		current = bestPlan
	}
	return trials.reset(ctx)
}

// better tells whether an index is worth having for a statement.
func (a *analysis) better(before, after *node, c *candidate) bool {
	if after.Cost <= worthwhile*before.Cost {
		return true
	}
	// In a table that a test has filled all costs are the same.
	return a.options.TestData && largestScan(before, c.table) != nil && largestScan(after, c.table) == nil
}

// replan plans a statement again for what it was planned for.
func (a *analysis) replan(ctx context.Context, s *statement) (*node, error) {
	switch {
	case s.sampled.values != nil || len(s.plan.parameters) == 0:
		return a.bound(ctx, s, s.sampled.values, false)
	case s.sampled != s.plan:
		return a.generic(ctx, s.limited())
	}
	return a.generic(ctx, s.planned)
}

// advise adds an index, or a statement to one that is advised already.
func (a *analysis) advise(c *candidate, bytes int64, verified bool, h helped) {
	h.statement.advised = true
	for _, each := range a.advice {
		if each.action() == c.action() {
			each.help(h)
			return
		}
	}
	a.advice = append(a.advice, &indexAdvice{c, bytes, verified, []helped{h}})
}

// help adds a statement, if it is not there.
func (i *indexAdvice) help(h helped) {
	if !slices.ContainsFunc(i.helped, func(o helped) bool { return o.statement == h.statement }) {
		i.helped = append(i.helped, h)
	}
}

// mergeAdvice drops indexes that are the beginning of others, if what they help is helped
// by the others too.
func (a *analysis) mergeAdvice(ctx context.Context, trials *hypothetical) error {
	for _, narrow := range slices.Clone(a.advice) {
		for _, wide := range a.advice {
			if !narrow.beginningOf(wide) {
				continue
			}
			good, err := a.replaces(ctx, trials, wide, narrow)
			if err != nil {
				return err
			}
			if good {
				for _, h := range narrow.helped {
					wide.help(h)
				}
				a.advice = slices.DeleteFunc(a.advice, func(o *indexAdvice) bool { return o == narrow })
				break
			}
		}
	}
	return nil
}

// beginningOf tells whether another index has all that this one has, and more.
func (i *indexAdvice) beginningOf(wide *indexAdvice) bool {
	n := len(i.keys)
	return wide != i && wide.table.whole() == i.table.whole() && wide.method == "btree" && i.method == "btree" &&
		(i.where == wide.where || wide.where == "") && n <= len(wide.keys) && slices.Equal(i.keys, wide.keys[:n])
}

// replaces tells whether a wider index is about as good for what a narrow one helps.
func (a *analysis) replaces(ctx context.Context, trials *hypothetical, wide, narrow *indexAdvice) (bool, error) {
	if trials.schema == "" {
		return true, nil
	}
	good := true
	for _, h := range narrow.helped {
		plan, err := trials.with(ctx, wide.candidate, func() (*node, error) { return a.replan(ctx, h.statement) })
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		good = good && err == nil && plan != nil && plan.Cost <= h.after*1.5
	}
	return good, nil
}
