package advisor

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// One statement's best index is not the workload's: indexes are taken one after the other,
// each time the one that saves the most with those that were taken before, less what it
// costs the writes. So an index that only repeats what another does is not advised.

// writing is what an entry more costs a row that is written: finding its place, and WAL.
const writing = 10 * time.Microsecond

// choice is a proposal of the pool, for all statements that it may help.
type choice struct {
	proposal
	bytes  int64
	helped []helped
	net    time.Duration // what it saves, less what writes cost
	asOf   int           // how many were taken when that was computed; -1 if it was not
}

// pool collects what is good for single statements.
type pool struct {
	a       *analysis
	list    []*choice
	current map[*statement]*node // plans with what was taken
	late    []*choice            // that bring too little with what was taken
	taken   int
	bytes   int64
}

// add adds what a statement wants.
func (p *pool) add(found []*trial) {
	for _, t := range found {
		same := func(o *choice) bool {
			return slices.EqualFunc(o.proposal, t.proposal, func(x, y *candidate) bool { return x.id() == y.id() })
		}
		if i := slices.IndexFunc(p.list, same); i >= 0 {
			for k, c := range t.proposal { // They may be of other parts of a partitioned table.
				p.list[i].proposal[k].join(c)
			}
			continue
		}
		p.list = append(p.list, &choice{proposal: t.proposal, bytes: t.bytes, asOf: -1, net: 1<<63 - 1})
	}
}

// join adds the parts of a partitioned table that another candidate is of.
func (c *candidate) join(o *candidate) {
	for _, t := range append([]*table{o.table}, o.others...) {
		if t != c.table && !slices.Contains(c.others, t) {
			c.others = append(c.others, t)
		}
	}
}

// take takes the best until there is nothing left that is worth it. What a proposal saves
// mostly becomes less as others are taken, so most need no second trial. An index for
// a statement that reads several tables can be worth it only after those of larger tables.
func (p *pool) take(ctx context.Context, trials *hypothetical) error {
	for len(p.list) > 0 {
		slices.SortStableFunc(p.list, func(x, y *choice) int { return cmp.Compare(y.worth(p.a), x.worth(p.a)) })
		c := p.list[0]
		if c.asOf != p.taken {
			if err := p.weigh(ctx, trials, c); err != nil {
				return err
			}
			if len(c.helped) == 0 || c.net < 0 {
				p.list, p.late = p.list[1:], append(p.late, c)
			}
			continue
		}
		if better, err := p.narrower(ctx, trials, c); err != nil {
			return err
		} else if better != nil {
			c = better
		}
		p.list = slices.DeleteFunc(p.list, func(o *choice) bool { return o == c })
		if most := p.a.options.Storage; most > 0 && p.bytes+c.bytes > most {
			p.a.miss(
				"Not advised, as it needs %s of the storage budget (%s): an index ON %s%s, which saves %s of the time.",
				size(c.bytes), size(most), c.proposal[0].table.whole(), c.proposal[0].keyList(), share(c.net, p.a.total),
			)
			continue
		}
		if err := p.accept(ctx, trials, c); err != nil {
			return err
		}
	}
	return nil
}

// asGood is which share of the best choice's saving another must have to be about as good.
const asGood = 0.95

// narrower returns a choice that is about as good as the best one, and smaller; nil if there
// is none.
func (p *pool) narrower(ctx context.Context, trials *hypothetical, best *choice) (found *choice, err error) {
	for _, o := range slices.Clone(p.list) {
		if o == best || !o.beginningOf(best) || float64(o.net) < asGood*float64(best.net) {
			continue
		}
		if o.asOf != p.taken {
			if err := p.weigh(ctx, trials, o); err != nil {
				return nil, err
			}
		}
		if len(o.helped) >= len(best.helped) && float64(o.net) >= asGood*float64(best.net) && o.bytes < best.bytes {
			found, best = o, o
		}
	}
	return found, nil
}

// beginningOf reports whether another choice's index has the same keys, and more.
func (c *choice) beginningOf(wide *choice) bool {
	if len(c.proposal) != 1 || len(wide.proposal) != 1 {
		return false
	}
	x, y := c.proposal[0], wide.proposal[0]
	return x.table.whole() == y.table.whole() && x.method == y.method && x.where == y.where &&
		slices.Equal(x.policy, y.policy) && len(x.keys) <= len(y.keys) && slices.Equal(x.keys, y.keys[:len(x.keys)])
}

// worth is what the choices are ordered by: the saving, or that for each byte if there is a
// budget of them.
func (c *choice) worth(a *analysis) float64 {
	if a.options.Storage > 0 {
		return float64(c.net) / float64(max(c.bytes, 1))
	}
	return float64(c.net)
}

// weigh computes what a choice saves with what was taken before.
func (p *pool) weigh(ctx context.Context, trials *hypothetical, c *choice) error {
	c.helped, c.net, c.asOf = nil, 0, p.taken
	for _, s := range p.a.statements {
		if !c.mayHelp(s) {
			continue
		}
		before := p.current[s]
		if before == nil {
			plan, err := p.a.replan(ctx, s)
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				continue
			}
			before, p.current[s] = plan, plan
			s.unaided = plan.Cost
		}
		plan, bytes, err := trials.with(ctx, c.proposal, func() (*node, error) { return p.a.replan(ctx, s) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || plan == nil || !p.a.better(before, plan, c.proposal) {
			continue
		}
		saved := max(0, (before.Cost-plan.Cost)/s.unaided)
		if before.Cost < s.unaided && saved < worthMore {
			continue
		}
		c.bytes = bytes
		h := helped{s, before.Cost, plan.Cost, plan, time.Duration(float64(s.cost()) * saved)}
		c.helped = append(c.helped, h)
		c.net += h.saving
	}
	for _, each := range c.proposal {
		c.net -= time.Duration(p.a.written(each.table.whole())) * writing
	}
	if p.a.options.TestData {
		c.net = max(c.net, 0)
	}
	return nil
}

// mayHelp reports whether a statement asks for something that the first key has, or for the
// rows of a partial index.
func (c *choice) mayHelp(s *statement) bool {
	if s.sampled == nil {
		return false
	}
	for _, each := range c.proposal {
		columns := each.table.columnsIn(each.keys[0])
		for _, scan := range s.allScans() {
			if scan.table.whole() == each.table.whole() && (each.where != "" || scan.asksFor(columns)) {
				return true
			}
		}
	}
	return false
}

// columnsIn returns the columns of the table that an expression has.
func (t *table) columnsIn(expression string) (names []string) {
	for _, token := range tokenize(expression) {
		if name := unquote(token); t.columns[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// asksFor reports whether a scan's conditions or its order have one of the columns.
func (s *scanned) asksFor(columns []string) bool {
	has := func(o operand) bool {
		return slices.ContainsFunc(o.columns, func(c attribute) bool { return slices.Contains(columns, c.name) })
	}
	for _, arm := range append(slices.Clone(s.either), s.clauses) {
		if slices.ContainsFunc(arm, func(c clause) bool { return has(c.left) }) {
			return true
		}
	}
	return s.inOrder != nil || slices.ContainsFunc(s.sort, func(k sortKey) bool { return has(k.operand) })
}

// accept takes a choice: its indexes stay for what is tried after.
func (p *pool) accept(ctx context.Context, trials *hypothetical, c *choice) error {
	for i, each := range c.proposal {
		_, bytes, err := trials.create(ctx, each)
		if err != nil {
			return err
		}
		for _, h := range c.helped {
			h.saving /= time.Duration(len(c.proposal))
			p.a.advise(each, bytes, true, h)
		}
		if len(c.proposal) > 1 {
			p.a.advice[len(p.a.advice)-1].together = slices.Delete(slices.Clone(c.proposal), i, i+1)
		}
	}
	for _, h := range c.helped {
		p.current[h.statement] = h.plan
	}
	p.bytes += c.bytes
	p.taken++
	p.late = slices.DeleteFunc(p.late, func(late *choice) bool {
		again := slices.ContainsFunc(c.helped, func(h helped) bool { return late.mayHelp(h.statement) })
		if again {
			late.net = 1<<63 - 1
			p.list = append(p.list, late)
		}
		return again
	})
	return nil
}

// written is how many entries the statements have written to each index of a table: those
// of inserted rows, and of updated ones unless they stay where they are.
func (a *analysis) written(t *table) (entries int64) {
	for _, s := range a.statements {
		if s.plan == nil {
			continue
		}
		s.plan.walk(func(n *node, _ []*node) {
			if of := a.table(n); n.Type != "ModifyTable" || of == nil || of.whole() != t {
				return
			}
			switch n.Command {
			case "Insert", "Merge":
				entries += s.affected()
			case "Update":
				entries += int64(float64(s.affected()) * t.cold())
			}
		})
	}
	return entries
}

// affected is how many rows a statement has written.
func (s *statement) affected() int64 {
	if s.Calls > 0 {
		return s.Rows
	}
	return s.calls()
}

// cold is the share of updates that write to all indexes.
func (t *table) cold() float64 {
	if t.updated == 0 {
		return 1
	}
	return 1 - float64(t.hot)/float64(t.updated)
}
