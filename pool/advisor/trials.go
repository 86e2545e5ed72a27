package advisor

import (
	"cmp"
	"context"
	"slices"
)

// proposal are indexes that are tried together: one, or one for each part of an OR.
type proposal []*candidate

// proposals returns what could help a statement, those with the fewest columns first.
func (a *analysis) proposals(s *statement) (list []proposal) {
	literal := s.literals()
	known := map[string]*candidate{}
	take := func(c *candidate) *candidate {
		if o := known[c.id()]; o != nil {
			o.join(c)
			return o
		}
		known[c.id()] = c
		return c
	}
	add := func(p proposal) {
		if !slices.ContainsFunc(list, func(o proposal) bool { return slices.Equal(o, p) }) {
			list = append(list, p)
		}
	}
	for _, each := range s.allScans() {
		if !a.large(s, each) {
			continue
		}
		for _, c := range a.candidates(each, s.role, literal) {
			add(proposal{take(c)})
		}
		if p := a.forEither(each, s, literal); p != nil {
			for i, c := range p {
				p[i] = take(c)
			}
			add(p)
		}
	}
	slices.SortStableFunc(list, func(x, y proposal) int { return len(x.keys()) - len(y.keys()) })
	return list
}

func (p proposal) keys() (keys []string) {
	for _, c := range p {
		keys = append(keys, c.keys...)
	}
	return keys
}

// forEither returns an index for each part of an OR that has none; nil if a part cannot
// have one.
func (a *analysis) forEither(s *scanned, of *statement, literal func(clause) bool) (p proposal) {
	for _, arm := range s.either {
		part := *s
		part.clauses, part.either, part.sort = arm, nil, nil
		if a.servedByIndex(&part) {
			continue
		}
		list := a.candidates(&part, of.role, literal)
		if len(list) == 0 {
			return nil
		}
		if !slices.ContainsFunc(p, func(c *candidate) bool { return c.id() == list[0].id() }) {
			p = append(p, list[0])
		}
	}
	return p
}

// servedByIndex reports whether an index begins with a column of the conditions.
func (a *analysis) servedByIndex(s *scanned) bool {
	return slices.ContainsFunc(s.clauses, func(c clause) bool {
		key := a.indexable(s, c)
		return key != "" && (c.isEqual() || c.isRange()) &&
			a.exists(&candidate{table: s.table, method: "btree", keys: []string{key}})
	})
}

// trial is the plan that a statement has with a proposal.
type trial struct {
	proposal
	plan  *node
	bytes int64
}

// tryIndexes asks the optimizer, with indexes that are not there, and returns those that
// are worth having for a statement, with what each needs besides those before it.
func (a *analysis) tryIndexes(ctx context.Context, trials *hypothetical, s *statement) (found []*trial, err error) {
	proposals := a.proposals(s)
	if len(proposals) == 0 {
		return nil, nil
	}
	first, err := a.replan(ctx, s)
	if err != nil {
		return nil, ctx.Err()
	}
	current := first
	defer func() {
		if failed := trials.reset(ctx); err == nil {
			err = failed
		}
	}()
	for range maxIndexes {
		tried, err := a.tryAll(ctx, trials, s, proposals)
		if err != nil {
			return found, err
		}
		best := choose(a.good(current, tried))
		if p := together(current, tried); best == nil && p != nil {
			if tried, err = a.tryAll(ctx, trials, s, []proposal{p}); err != nil {
				return found, err
			}
			best = choose(a.good(current, tried))
		}
		wide, err := a.tryAll(ctx, trials, s, a.allCovering(s, proposals, best))
		if err != nil {
			return found, err
		}
		w := choose(a.good(current, wide))
		if best == nil || w != nil && w.plan.Cost <= best.plan.Cost-worthMore*current.Cost {
			best = w
		}
		if best == nil || current != first && current.Cost-best.plan.Cost < worthMore*first.Cost {
			break
		}
		for _, c := range best.proposal {
			if _, _, err := trials.create(ctx, c); err != nil {
				return found, err
			}
		}
		found = append(found, best)
		current = best.plan
	}
	return found, ctx.Err()
}

// choose returns the cheapest plan, or one that is about as cheap with a smaller index.
func choose(good []*trial) (best *trial) {
	if len(good) == 0 {
		return nil
	}
	cheapest := slices.MinFunc(good, func(x, y *trial) int { return cmp.Compare(x.plan.Cost, y.plan.Cost) })
	for _, t := range good {
		allowed := 1.1
		switch { // These are smaller by far, and cost writes nearly nothing.
		case t.proposal[0].method == "brin":
			allowed = 4 // Its pages are next to each other, and counted as if they were anywhere.
		case t.proposal[0].where != "":
			allowed = 1.5
		}
		if t.plan.Cost <= cheapest.plan.Cost*allowed && (best == nil || t.bytes < best.bytes) {
			best = t
		}
	}
	return best
}

// tryAll returns the plans with the proposals that the optimizer takes.
func (a *analysis) tryAll(
	ctx context.Context,
	trials *hypothetical,
	s *statement,
	list []proposal,
) (tried []*trial, err error) {
	for _, p := range list {
		plan, bytes, err := trials.with(ctx, p, func() (*node, error) { return a.replan(ctx, s) })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && plan != nil { // An error: it cannot be, as the expression is not immutable.
			tried = append(tried, &trial{p, plan, bytes})
		}
	}
	return tried, nil
}

// good returns what is worth having.
func (a *analysis) good(current *node, tried []*trial) (list []*trial) {
	for _, t := range tried {
		if a.better(current, t.plan, t.proposal) {
			list = append(list, t)
		}
	}
	return list
}

// together returns the best index of each table, for statements that read several tables
// of about the same size, or one of them several times: none of the indexes is worth having
// without the others.
func together(current *node, tried []*trial) (p proposal) {
	slices.SortStableFunc(tried, func(x, y *trial) int { return cmp.Compare(x.plan.Cost, y.plan.Cost) })
	for _, t := range tried {
		same := func(c *candidate) bool {
			o := t.proposal[0]
			return c.table.whole() == o.table.whole() && (c.alias == o.alias || c.table != o.table)
		}
		if len(t.proposal) == 1 && t.plan.Cost < current.Cost && !slices.ContainsFunc(p, same) {
			p = append(p, t.proposal[0])
		}
	}
	if len(p) < 2 || len(p) > maxIndexes {
		return nil
	}
	return p
}

// worthMore is which share of a statement's first cost a second index, or further columns
// of the first one, must save: each makes writes dearer, and what is fast is fast enough.
const worthMore = 0.1

// allCovering returns the best index, or all where none is good, with the columns that the
// statement returns.
func (a *analysis) allCovering(s *statement, proposals []proposal, best *trial) (list []proposal) {
	if best != nil {
		proposals = []proposal{best.proposal}
	}
	if a.options.TestData {
		return nil
	}
	for _, p := range proposals {
		for _, each := range s.allScans() {
			if len(p) != 1 || each.table != p[0].table {
				continue
			}
			if wide := a.covering(each, p[0]); wide != nil {
				list = append(list, proposal{wide})
			}
		}
	}
	return list
}

const (
	// fewOf is the share of a table's rows up to which an index surely beats reading all of them.
	fewOf = 0.02
	// cheaper is to which share of the cost it must bring a statement then: rows on pages of
	// their own cost as much as four pages in a row, which is the truth for cold disks only.
	cheaper = 0.8
	// leastSaved and leastCovered are the units of cost that an index must save in a run, and
	// that columns which it has for their values only must: some pages less do not pay for it.
	leastSaved, leastCovered = 10, 100
)

// better reports whether indexes are worth having for a statement.
func (a *analysis) better(before, after *node, p proposal) bool {
	least := float64(leastSaved)
	if p[0].include != nil {
		least = leastCovered
	}
	if !a.options.TestData && before.Cost-after.Cost < least {
		return false
	}
	if after.Cost <= worthwhile*before.Cost {
		return true
	}
	scan := largestScan(before, p[0].table)
	if scan == nil {
		return false
	}
	few := scan.Rows <= fewOf*p[0].table.rows && scan.Cost >= before.Cost/2
	// In a table that a test has filled all costs are the same.
	return few && after.Cost <= cheaper*before.Cost || a.options.TestData && largestScan(after, p[0].table) == nil
}

// skips reports whether a plan reads one of the indexes for its order only, until enough rows
// pass a condition that an index could have: how many these are depends on where they lie,
// which the optimizer does not know.
func (a *analysis) skips(plan *node, names []string) (skips bool) {
	plan.walk(func(n *node, parents []*node) {
		t := a.table(n)
		if t == nil || n.IndexOn != "" || n.Filter == "" || !slices.Contains(names, n.Index) ||
			!slices.ContainsFunc(parents, func(p *node) bool { return p.Type == "Limit" }) {
			return
		}
		s := &scanned{table: t, alias: n.Alias, node: n}
		s.add(n.Filter)
		skips = skips || slices.ContainsFunc(s.clauses, func(c clause) bool {
			return c.isEqual() && !c.isTruth() && a.indexable(s, c) != ""
		})
	})
	return skips
}

// replan plans a statement again for what it was planned for.
func (a *analysis) replan(ctx context.Context, s *statement) (*node, error) {
	switch {
	case s.sampled.values != nil || len(s.text.types) == 0:
		return a.bound(ctx, s, s.sampled.values, false)
	case s.sampled != s.plan:
		return a.generic(ctx, s, s.limited())
	}
	return a.generic(ctx, s, s.text.sql)
}
