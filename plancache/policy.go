package plancache

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// policy decides what leaves a full cache. It is W-TinyLFU (Einziger, Friedman and
// Manes 2017) with three changes that a small cache can afford: uses are counted exactly,
// also those of what has left (ghosts), not in a sketch; the victim is the entry that is
// worth least, not the last of a list; and what has not been used for much longer than
// it used to be is worth less, so that the hot set may move.
//
// A new entry is always taken, into a window. What falls out of the window stays only if
// it has been used more often than the least of the others.
type policy[P any] struct {
	capacity int64 // entries
	bytes    int64 // bounds weight
	weight   int64 // of all entries
	window   []*entry[P]
	main     []*entry[P]
	ghosts   map[uint64]ghost // by hash: a mistake costs a place, not a wrong plan
	aged     int64            // when uses were halved last
	meanCost float64          // of builds, in nanoseconds
}

// ghost is what is known of an entry that has left.
type ghost struct{ uses uint32 }

const (
	// windowShare is the share of the window, as in the paper.
	windowShare = 0.01
	// agePeriods is after how many uses for each entry all counts are halved, as there.
	agePeriods = 10
	// idlePeriods is for how many expected times between two uses an entry is worth what
	// its count says.
	idlePeriods = 2
	// margin is by how many uses what leaves the window must beat the victim. Without
	// one, a loop longer than the cache replaces all of it again and again, because counts
	// differ by one from place to place.
	margin = 1
	// sampleSize is how many entries are looked at for the least one.
	sampleSize = 1024
)

// size is how many entries the cache has room for, if they weigh as much as those that it
// has.
func (p *policy[P]) size() int64 {
	n, each := p.count(), int64(entryWeight)
	if n > 0 {
		each = max(p.weight/n, 1)
	}
	return max(min(p.capacity, p.bytes/each), n, 1)
}

func (p *policy[P]) count() int64 { return int64(len(p.window) + len(p.main)) }

// all returns the entries, in no order.
func (p *policy[P]) all() []*entry[P] { return slices.Concat(p.window, p.main) }

// empty takes all entries out, and keeps what is known of others.
func (p *policy[P]) empty() { p.window, p.main, p.weight = nil, nil, 0 }

// add takes an entry in at a time of the clock, and appends those that leave for it.
func (p *policy[P]) add(e *entry[P], now int64, out []*entry[P]) []*entry[P] {
	p.age(now)
	g := p.ghosts[e.hash]
	delete(p.ghosts, e.hash)
	e.uses.Store(g.uses + 1)
	e.last.Store(now)
	p.learn(e.cost)
	e.factor = p.factor(e.cost)
	p.insert(&p.window, e, true)
	p.weight += e.weight
	return p.shrink(e, now, out)
}

// shrink makes room for an entry that has been put in.
func (p *policy[P]) shrink(e *entry[P], now int64, out []*entry[P]) []*entry[P] {
	for (p.weight > p.bytes || p.count() > p.capacity) && p.count() > 1 {
		victim := p.victim(e, now)
		p.remove(victim)
		p.remember(victim)
		out = append(out, victim)
	}
	for int64(len(p.window)) > p.quota() { // There was room in the main region.
		p.move(p.oldest(e))
	}
	return out
}

func (p *policy[P]) quota() int64 { return max(1, int64(windowShare*float64(p.size()))) }

// victim returns the entry to leave, which is not e.
func (p *policy[P]) victim(e *entry[P], now int64) *entry[P] {
	var candidate *entry[P]
	if int64(len(p.window)) > p.quota() || len(p.main) == 0 {
		candidate = p.oldest(e)
	}
	least := p.least(e, now)
	switch {
	case least == nil:
		return candidate
	case candidate == nil:
		return least
	case p.worth(candidate, now) <= p.worth(least, now)+margin*least.factor:
		return candidate
	}
	p.move(candidate)
	return least
}

// oldest returns the entry of the window, other than e, that was used least recently.
func (p *policy[P]) oldest(e *entry[P]) *entry[P] {
	var oldest *entry[P]
	for _, w := range p.window {
		if w != e && (oldest == nil || w.last.Load() < oldest.last.Load()) {
			oldest = w
		}
	}
	return oldest
}

// least returns the entry of the main region, other than e, that is worth least, of a
// sample if there are many.
func (p *policy[P]) least(e *entry[P], now int64) *entry[P] {
	var least *entry[P]
	worth := math.Inf(1)
	n, first := len(p.main), 0
	if n > sampleSize {
		n, first = sampleSize, rand.IntN(len(p.main))
	}
	for i := range n {
		m := p.main[(first+i)%len(p.main)]
		if m == e {
			continue
		}
		if w := p.worth(m, now); w < worth || w == worth && m.last.Load() < least.last.Load() {
			least, worth = m, w
		}
	}
	return least
}

// worth is what an entry is expected to save.
func (p *policy[P]) worth(e *entry[P], now int64) float64 {
	idle := float64(now - e.last.Load() + 1)
	uses := min(float64(e.uses.Load()), idlePeriods*float64(agePeriods*p.size())/idle)
	return uses * e.factor
}

// factor is what a use of a plan is worth that took so long to build: 1 for the mean, and
// twice as much for four times the mean, in whole steps, because times of builds are
// noisy.
func (p *policy[P]) factor(cost time.Duration) float64 {
	if cost <= 0 || p.meanCost == 0 {
		return 1
	}
	return math.Exp2(math.Round(math.Log2(float64(cost)/p.meanCost) / 2))
}

func (p *policy[P]) learn(cost time.Duration) {
	switch {
	case cost <= 0:
	case p.meanCost == 0:
		p.meanCost = float64(cost)
	default:
		p.meanCost += (min(float64(cost), 100*p.meanCost) - p.meanCost) / 64
	}
}

// age halves all counts from time to time, so that what was hot once fades.
func (p *policy[P]) age(now int64) {
	if now-p.aged < agePeriods*max(p.size(), 10) {
		return
	}
	p.aged = now
	for _, region := range [][]*entry[P]{p.window, p.main} {
		for _, e := range region {
			e.uses.Store((e.uses.Load() + 1) / 2) // Uses that come in between are lost.
		}
	}
	for hash, g := range p.ghosts {
		if g.uses /= 2; g.uses == 0 {
			delete(p.ghosts, hash)
		} else {
			p.ghosts[hash] = g
		}
	}
}

// remember keeps the count of an entry that leaves.
func (p *policy[P]) remember(e *entry[P]) {
	if p.ghosts == nil {
		p.ghosts = map[uint64]ghost{}
	}
	if len(p.ghosts) >= int(agePeriods*max(p.size(), 10)) {
		for hash := range p.ghosts { // One that chance picks.
			delete(p.ghosts, hash)
			break
		}
	}
	p.ghosts[e.hash] = ghost{e.uses.Load()}
}

func (p *policy[P]) region(e *entry[P]) *[]*entry[P] {
	if e.fresh {
		return &p.window
	}
	return &p.main
}

func (p *policy[P]) insert(region *[]*entry[P], e *entry[P], fresh bool) {
	e.fresh, e.place = fresh, len(*region)
	*region = append(*region, e)
}

// cut takes an entry out of its region.
func (p *policy[P]) cut(e *entry[P]) {
	region := p.region(e)
	n := len(*region) - 1
	last := (*region)[n]
	(*region)[e.place], last.place = last, e.place
	(*region)[n] = nil
	*region = (*region)[:n]
}

// move takes an entry from the window to the main region.
func (p *policy[P]) move(e *entry[P]) {
	p.cut(e)
	p.insert(&p.main, e, false)
}

// remove takes an entry out.
func (p *policy[P]) remove(e *entry[P]) {
	p.cut(e)
	p.weight -= e.weight
}

// replace puts an entry in the place of another for the same key, and appends those that
// leave for it.
func (p *policy[P]) replace(old, e *entry[P], now int64, out []*entry[P]) []*entry[P] {
	p.weight += e.weight - old.weight
	e.uses.Store(old.uses.Load() + 1)
	e.last.Store(now)
	e.fresh, e.place = old.fresh, old.place
	(*p.region(e))[e.place] = e
	p.learn(e.cost)
	e.factor = p.factor(e.cost)
	return p.shrink(e, now, out)
}
