package advisor

import (
	"context"
	"slices"
	"time"
)

// indexAdvice is an index that should be, and the statements that it helps.
type indexAdvice struct {
	*candidate
	bytes    int64
	verified bool
	helped   []helped
	together proposal // the other indexes without which it does not help
}

// helped is a statement that an index helps.
type helped struct {
	statement     *statement
	before, after float64 // the optimizer's costs
	plan          *node   // after, where it was tried
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
		a.miss(
			"Index advice is not verified: the extension hypopg is not installed (%s).",
			map[bool]string{true: "CREATE EXTENSION hypopg",
				false: "Debian: postgresql-<version>-hypopg"}[a.server.available["hypopg"]],
		)
	}
	if trials.schema != "" {
		if err := trials.begin(ctx); err != nil {
			return err
		}
	}
	wanted := &pool{a: a, current: map[*statement]*node{}}
	for _, s := range a.statements {
		if s.sampled == nil || !a.believable(s) {
			continue
		}
		if trials.schema == "" {
			a.guessIndexes(s)
			continue
		}
		found, err := a.tryIndexes(ctx, trials, s)
		if err != nil {
			return err
		}
		s.advised = len(found) > 0 // Also if another index will do.
		wanted.add(found)
	}
	if err := wanted.take(ctx, trials); err != nil {
		return err
	}
	if err := trials.reset(ctx); err != nil {
		return err
	}
	for _, s := range a.statements {
		if s.sampled != nil && a.believable(s) {
			a.adviseInverted(s)
			a.adviseExpressions(s)
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
			if c.right.literal && s.literal || c.isTest() {
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

// readShare is the share of a table's pages that a statement must read for its plan to be
// believed that it reads all of them.
const readShare = 0.1

// large reports whether a statement reads a whole table, and that is worth avoiding. Plans
// for any parameters may do so where those for real ones do not: what Postgres has counted
// tells them apart.
func (a *analysis) large(s *statement, of *scanned) bool {
	if a.options.TestData {
		return true
	}
	read := float64(s.BlocksHit+s.BlocksRead) / float64(max(s.Calls, 1))
	if s.Calls > 0 && of.readsAll() && read < readShare*float64(of.table.pages) {
		return false
	}
	return of.table.whole().size() >= smallTable
}

// fastest is the least time that a unit of cost takes: a page in a row and its rows, from
// memory, by several workers. Real plans take ten times as long and more.
const fastest = 50 * time.Nanosecond

// believable reports whether a statement can have had its plan, as far as its time tells. The
// plan for any parameters is not that for those which mostly are, if these find little.
func (a *analysis) believable(s *statement) bool {
	return a.options.TestData || s.Calls == 0 || float64(s.mean()) >= s.sampled.Cost*float64(fastest)
}

// advise adds an index, or a statement to one that is advised already.
func (a *analysis) advise(c *candidate, bytes int64, verified bool, h helped) {
	h.statement.advised = true
	for _, each := range a.advice {
		if each.id() == c.id() {
			each.help(h)
			return
		}
	}
	a.advice = append(a.advice, &indexAdvice{candidate: c, bytes: bytes, verified: verified, helped: []helped{h}})
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

// beginningOf reports whether another index has all that this one has, and more.
func (i *indexAdvice) beginningOf(wide *indexAdvice) bool {
	n := len(i.keys)
	return wide != i && wide.table.whole() == i.table.whole() && wide.method == "btree" && i.method == "btree" &&
		i.include == nil &&
		i.together == nil && (i.where == wide.where || wide.where == "") &&
		n <= len(wide.keys) &&
		slices.Equal(i.policy, wide.policy) &&
		slices.Equal(i.keys, wide.keys[:n])
}

// replaces reports whether a wider index is about as good for what a narrow one helps.
func (a *analysis) replaces(ctx context.Context, trials *hypothetical, wide, narrow *indexAdvice) (bool, error) {
	if trials.schema == "" {
		return true, nil
	}
	good := true
	for _, h := range narrow.helped {
		plan, _, err := trials.with(
			ctx,
			proposal{wide.candidate},
			func() (*node, error) { return a.replan(ctx, h.statement) },
		)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		good = good && err == nil && plan != nil && plan.Cost <= h.after*1.5
	}
	return good, nil
}
