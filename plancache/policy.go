package plancache

import (
	"math"
	"slices"
	"time"
)

// policy decides what leaves a full cache. Its frame is that of W-TinyLFU (Einziger,
// Friedman and Manes 2017): a new entry is always taken, into a small window, and what falls
// out of the window stays only if it is worth more than the least of the others. What is
// worth how much is another matter:
//
//   - An entry is worth its heat: its uses, of which each fades with the time since (as in
//     LRFU, Lee et al. 2001). Counts alone keep what was hot once, times alone keep what
//     comes once. How fast uses should fade depends on what is asked for, so there are two
//     half-lives, and the better one counts.
//   - Uses that come soon after another one hardly count: what is new often comes a few times
//     and never again.
//   - The least is the least of a sample, which a hand takes in turn. So neither hits nor
//     misses have to keep an order.
//   - The heat of what has left is remembered (ghosts).
//   - How much what falls out of the window has to be worth, how large the window is, and which
//     half-life counts, adapts to what is asked for: see duels.go.
type policy[P any] struct {
	capacity int64 // entries
	bytes    int64 // bounds weight
	weight   int64 // of all entries
	window   []*entry[P]
	main     []slot[P]
	hand     int // where in main the next sample begins
	ghosts   ghosts
	duels    [questions]duels[P]
	pace     float64 // of fading: steps for each call
	aged     int64   // when uses were halved last
	meanCost float64 // of builds, in nanoseconds
}

const (
	// margin is the number of uses by which what leaves the window must beat the least one. Without
	// one, a loop longer than the cache replaces all of it again and again, because counts
	// differ by one from place to place.
	margin = 1
	// sampleSize is how many entries are looked at for the least one.
	sampleSize = 16
	// agePeriods is the number of calls for each entry until the uses that are reported are halved.
	agePeriods = 10
)

func newPolicy[P any](capacity, bytes int64) (p policy[P]) {
	p.capacity, p.bytes = capacity, bytes
	for i := range p.duels {
		p.duels[i].question = i
	}
	return p
}

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
func (p *policy[P]) all() []*entry[P] {
	list := slices.Grow(slices.Clone(p.window), len(p.main))
	for i := range p.main {
		list = append(list, p.main[i].entry)
	}
	return list
}

// empty takes all entries out, and keeps what is known of others.
func (p *policy[P]) empty() {
	p.window, p.main, p.weight = nil, nil, 0
	for i := range p.duels {
		p.duels[i].stop()
	}
}

// add takes an entry in at a time of the clock, and returns those that leave for it.
func (p *policy[P]) add(e *entry[P], now int64) []*entry[P] {
	p.sized()
	p.age(now)
	e.told = e.uses.Load() // Those of a file have been told by those who had them.
	uses := e.told + 1
	h := heat{}.plus(float64(uses))
	if g, ok := p.ghosts.find(e.hash); ok {
		h = p.used(g.heat(), uses, now-g.used)
		for i := range p.duels {
			p.duels[i].back(int(g.duel[i]), e.hash, now, p.size())
		}
	}
	p.begin(e, h, now)
	e.fresh, e.place = true, len(p.window)
	p.window = append(p.window, e)
	p.weight += e.weight
	return p.shrink(e, now)
}

// begin counts the first use of an entry, with which it has some heat.
func (p *policy[P]) begin(e *entry[P], h heat, now int64) {
	e.uses.Add(1)
	e.told++ // What was built may have been built because the fleet used it.
	e.heat, e.heated = h, now
	e.count(e.uses.Load())
	e.last.Store(now)
	p.learn(e.cost)
	e.factor = p.factor(e.cost)
}

// shrink makes room for an entry that has been put in, and returns those that leave.
func (p *policy[P]) shrink(e *entry[P], now int64) (out []*entry[P]) {
	for (p.weight > p.bytes || p.count() > p.capacity) && p.count() > 1 {
		victim := p.victim(e, now)
		p.remove(victim)
		p.heat(victim, now) // with all its uses
		p.ghosts.put(newGhost(victim), p.size())
		out = append(out, victim)
	}
	for int64(len(p.window)) > p.quota() { // There was room in the main region.
		p.move(p.oldest(e))
	}
	return out
}

// victim returns the entry to leave, which is not e.
func (p *policy[P]) victim(e *entry[P], now int64) *entry[P] {
	var candidate *entry[P]
	if int64(len(p.window)) > p.quota() || len(p.main) == 0 {
		candidate = p.oldest(e)
	}
	term := p.term()
	least := p.least(e, term, now)
	switch {
	case least == nil: // There is only e in the main region.
		return p.oldest(e)
	case candidate == nil:
		return least
	}
	admission := &p.duels[admissions]
	switch {
	case p.worth(candidate, now)[term] > p.worth(least, now)[term]+margin*least.factor: // It is not in doubt.
	case admission.leads(candidates, 1, bias):
		admission.begin(candidate, least, candidates, now, p.size())
	default:
		admission.begin(least, candidate, residents, now, p.size())
		p.stayNarrow(least, candidate, now)
		p.stayWide(candidate, now)
		return candidate
	}
	p.move(candidate)
	p.stayWide(least, now)
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

// term returns the half-life that counts.
func (p *policy[P]) term() int {
	if p.duels[halfLives].leads(lasting, preference, 0) {
		return lasting
	}
	return brief
}

// worth is what an entry is expected to save, by each half-life.
func (p *policy[P]) worth(e *entry[P], now int64) heat {
	h := p.heat(e, now)
	return heat{h[brief] * e.factor, h[lasting] * e.factor}
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

// age halves the uses that are reported from time to time. Heat fades by itself.
func (p *policy[P]) age(now int64) {
	if now-p.aged < agePeriods*max(p.size(), 10) {
		return
	}
	p.aged = now
	for _, e := range p.all() {
		p.heat(e, now)
		half := (e.counted + 1) / 2
		e.told = half - (e.counted - e.told) // As many are left to tell.
		e.uses.Store(half)                   // Uses that come in between are lost.
		e.count(half)
	}
}

// remove takes an entry out.
func (p *policy[P]) remove(e *entry[P]) {
	p.cut(e)
	p.release(e)
	p.weight -= e.weight
}

// release ends the part of an entry in duels.
func (p *policy[P]) release(e *entry[P]) {
	for i := range p.duels {
		p.duels[i].leave(e)
	}
}

// replace puts an entry in place of another for the same key, and returns those that
// leave for it.
func (p *policy[P]) replace(old, e *entry[P], now int64) []*entry[P] {
	p.sized()
	p.age(now)
	p.release(old)
	p.weight += e.weight - old.weight
	h := p.heat(old, now).plus(1)
	e.uses.Store(old.uses.Load())
	e.told = old.told
	p.begin(e, h, now)
	if e.fresh, e.place = old.fresh, old.place; e.fresh {
		p.window[e.place] = e
	} else {
		p.main[e.place] = slot[P]{entry: e}
		p.note(e)
	}
	return p.shrink(e, now)
}
