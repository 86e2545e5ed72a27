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
//   - An entry is worth its uses, of which each fades with the time since (as in LRFU, Lee et
//     al. 2001): counts alone keep what was hot once, times alone keep what comes once.
//   - The least is the least of a sample, which a hand takes in turn. So neither hits nor
//     misses have to keep an order.
//   - Uses of what has left are remembered (ghosts).
//   - How much what falls out of the window has to be worth adapts to what is asked for: see
//     duels.go.
type policy[P any] struct {
	capacity int64 // entries
	bytes    int64 // bounds weight
	weight   int64 // of all entries
	window   []*entry[P]
	main     []*entry[P]
	hand     int // where in main the next sample begins
	ghosts   ghosts
	duels    duels[P]
	pace     float64 // of fading: steps for each call
	aged     int64   // when uses were halved last
	meanCost float64 // of builds, in nanoseconds
}

const (
	// windowShare is the share of the window, as in the paper, up to windowMost entries.
	windowShare = 0.01
	windowMost  = 16
	// halfLife is after how many calls for each entry a use is worth half. Benchmarks have
	// the best ratios from 0.5 to 1.
	halfLife = 0.7
	// margin is by how many uses what leaves the window must beat the least one. Without
	// one, a loop longer than the cache replaces all of it again and again, because counts
	// differ by one from place to place.
	margin = 1
	// sampleSize is how many entries are looked at for the least one.
	sampleSize = 16
	// agePeriods is after how many calls for each entry the uses that are reported are halved.
	agePeriods = 10
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
func (p *policy[P]) empty() {
	p.window, p.main, p.weight = nil, nil, 0
	p.duels.stop()
}

// add takes an entry in at a time of the clock, and appends those that leave for it.
func (p *policy[P]) add(e *entry[P], now int64, out []*entry[P]) []*entry[P] {
	p.sized()
	p.age(now)
	score := 0.0
	if g, ok := p.ghosts.find(e.hash); ok {
		score = g.score * p.fade(now-g.left)
		p.duels.back(g.duel, e.hash, now, p.size())
	}
	p.use(e, score, now)
	p.insert(&p.window, e, true)
	p.weight += e.weight
	return p.shrink(e, now, out)
}

// use counts the first use of an entry, of which others have left a score.
func (p *policy[P]) use(e *entry[P], score float64, now int64) {
	e.uses.Add(1)
	e.counted = e.uses.Load()
	e.limit.Store(e.counted + exactly)
	e.score, e.scored = score+float64(e.counted), now
	e.last.Store(now)
	p.learn(e.cost)
	e.factor = p.factor(e.cost)
}

// shrink makes room for an entry that has been put in.
func (p *policy[P]) shrink(e *entry[P], now int64, out []*entry[P]) []*entry[P] {
	for (p.weight > p.bytes || p.count() > p.capacity) && p.count() > 1 {
		victim := p.victim(e, now)
		p.remove(victim)
		p.ghosts.put(victim.hash, p.score(victim, now), now, victim.duel, p.size())
		out = append(out, victim)
	}
	for int64(len(p.window)) > p.quota() { // There was room in the main region.
		p.move(p.oldest(e))
	}
	return out
}

func (p *policy[P]) quota() int64 {
	return min(max(1, int64(windowShare*float64(p.size()))), windowMost)
}

// victim returns the entry to leave, which is not e.
func (p *policy[P]) victim(e *entry[P], now int64) *entry[P] {
	var candidate *entry[P]
	if int64(len(p.window)) > p.quota() || len(p.main) == 0 {
		candidate = p.oldest(e)
	}
	least := p.least(e, now)
	switch {
	case least == nil: // There is only e in the main region.
		return p.oldest(e)
	case candidate == nil:
		return least
	case p.worth(candidate, now) > p.worth(least, now)+margin*least.factor: // It is not in doubt.
	case p.duels.eager():
		p.duels.begin(candidate, least, true, now, p.size())
	default:
		p.duels.begin(least, candidate, false, now, p.size())
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

// least returns the entry of the main region, other than e, that is worth least of the next
// ones.
func (p *policy[P]) least(e *entry[P], now int64) *entry[P] {
	var least *entry[P]
	worth := math.Inf(1)
	for range min(len(p.main), sampleSize) {
		if p.hand++; p.hand >= len(p.main) {
			p.hand = 0
		}
		m := p.main[p.hand]
		if m == e {
			continue
		}
		if w := p.worth(m, now); w < worth {
			least, worth = m, w
		}
	}
	return least
}

// worth is what an entry is expected to save.
func (p *policy[P]) worth(e *entry[P], now int64) float64 { return p.score(e, now) * e.factor }

// score is the uses of an entry, of which each fades. Those since the last time count as if
// all had come at the last one of them.
func (p *policy[P]) score(e *entry[P], now int64) float64 {
	if uses := e.uses.Load(); uses != e.counted {
		last := e.last.Load()
		e.score = e.score*p.fade(last-e.scored) + float64(uses-e.counted)
		e.counted, e.scored = uses, last
		e.limit.Store(uses + exactly)
	}
	return e.score * p.fade(now-e.scored)
}

// fade is what a use is worth after so many calls.
func (p *policy[P]) fade(calls int64) float64 {
	if calls <= 0 {
		return 1
	}
	if at := int(float64(calls) * p.pace); at < len(fades) {
		return fades[at]
	}
	// Rare, and not nothing: of two that are hardly worth anything one is worth less.
	return math.Exp2(-float64(calls) * p.pace / fadeSteps)
}

// fades are the powers of a half, in steps of a 256th: math.Exp2 would be a fifth of a miss.
var fades = func() (list [4096]float64) {
	for i := range list {
		list[i] = math.Exp2(-float64(i) / fadeSteps)
	}
	return list
}()

const fadeSteps = 256

// sized takes the size of the cache in, which changes with the weight of its entries.
func (p *policy[P]) sized() { p.pace = fadeSteps / (halfLife * float64(p.size())) }

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

// age halves the uses that are reported from time to time. Scores fade by themselves.
func (p *policy[P]) age(now int64) {
	if now-p.aged < agePeriods*max(p.size(), 10) {
		return
	}
	p.aged = now
	for _, region := range [][]*entry[P]{p.window, p.main} {
		for _, e := range region {
			p.score(e, now)
			e.counted = (e.counted + 1) / 2
			e.uses.Store(e.counted) // Uses that come in between are lost.
			e.limit.Store(e.counted + exactly)
		}
	}
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
	p.duels.leave(e)
	p.weight -= e.weight
}

// replace puts an entry in the place of another for the same key, and appends those that
// leave for it.
func (p *policy[P]) replace(old, e *entry[P], now int64, out []*entry[P]) []*entry[P] {
	p.sized()
	p.duels.leave(old)
	p.weight += e.weight - old.weight
	score := p.score(old, now)
	e.uses.Store(old.uses.Load())
	p.use(e, score-float64(old.uses.Load()), now)
	e.fresh, e.place = old.fresh, old.place
	(*p.region(e))[e.place] = e
	return p.shrink(e, now, out)
}
