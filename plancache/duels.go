package plancache

// duels answer a question of the policy that has two sides, by trying. Where the sides would
// have different entries leave, it is a duel: one of the two stays, one leaves, and the side
// is right whose choice to stay is asked for first. That is what Belady's rule, which no
// cache can beat, would have kept. The first one tells all: whoever is hot has come back soon
// after a mistake, and then the duel is decided at once.
//
// It is what the hill climbers of adaptive caches look for, without trying what is worse to
// see that it is.
type duels[P any] struct {
	question int
	ring     []duel[P] // the oldest is next
	next     int
	// shares are how many of the duels each side has won, by what a use of the entry is worth
	// that won it for the side. They follow the last duels.
	shares [2]float64
}

// The questions are whether what falls out of the window should stay instead of the
// least of the others, where their worth leaves it in doubt, and by which half-life worth is
// measured. Candidates are right when all that is hot has changed; residents in a loop longer
// than the cache, or among queries that come once. For the others see heat.go and window.go.
const (
	admissions = iota
	halfLives
	windows
	questions
)

// Sides of admissions. Those of halfLives are brief and lasting.
const (
	residents = iota
	candidates
)

// rule is how a question is asked.
type rule struct {
	rate     float64 // the share of one duel in the shares
	patience float64 // calls for each entry of the cache until a duel ends undecided
	places   float64 // in the ring, for each entry of the cache
	least    int     // places
}

// A half-life may have to change at once. For a window see window.go.
var rules = [questions]rule{
	admissions: {rate: 1.0 / 64, patience: 0.85, places: 1, least: 64},
	halfLives:  {rate: 1.0 / 32, patience: 0.85, places: 1, least: 64},
	windows:    {rate: 1.0 / 256, patience: 0.1, places: 0.05, least: 8},
}

const (
	// bias is the lead that candidates need.
	bias = 0.03
	// mostDuels bounds a ring.
	mostDuels = 1<<16 - 1
)

// size is the number of places in the ring of a cache of so many entries.
func (r rule) size(entries int64) int {
	return min(max(r.least, int(r.places*float64(min(entries, mostDuels)))), mostDuels)
}

// duel is a decision whose outcome is not known yet.
type duel[P any] struct {
	stayed *entry[P]  // nil if it has left since
	uses   uint32     // of it, at first
	before uint16     // another duel of it, which began earlier; 0: none
	left   uint64     // hash of the one that left
	worth  [2]float64 // what a use is worth, of the one that stayed and of the other
	begun  int64
	open   bool // its outcome is not known
	side   int  // whose choice has stayed
	used   bool // the one that stayed was asked for, as far as it is known
}

// leads reports whether a side is ahead of the other one by a factor and more.
func (l *duels[P]) leads(side int, factor, more float64) bool {
	return l.shares[side] > factor*l.shares[1-side]+more
}

// begin begins a duel in a cache of so many entries, unless all places are taken. Side is the
// one whose choice stays.
func (l *duels[P]) begin(stayed, left *entry[P], side int, now, size int64) {
	if n := rules[l.question].size(size); len(l.ring) < n {
		l.ring = append(l.ring, make([]duel[P], n-len(l.ring))...)
	}
	d := &l.ring[l.next]
	if d.open {
		if !l.over(d, now, size) {
			return
		}
		l.end(d, false)
	}
	*d = duel[P]{
		stayed: stayed, uses: stayed.uses.Load(), before: stayed.stays[l.question], open: true,
		left: left.hash, begun: now, side: side, worth: [2]float64{stayed.factor, left.factor},
	}
	l.next++
	stayed.stays[l.question], left.left[l.question] = uint16(l.next), uint16(l.next)
	l.next %= len(l.ring)
}

// over reports whether the time of a duel is up.
func (l *duels[P]) over(d *duel[P], now, size int64) bool {
	return now-d.begun >= int64(rules[l.question].patience*float64(size))
}

// end counts the outcome of a duel, in which the one that left has come back or has not.
func (l *duels[P]) end(d *duel[P], back bool) {
	d.look()
	d.open = false
	var outcome [2]float64
	switch {
	case d.used:
		outcome[d.side] = d.worth[0]
	case back:
		outcome[1-d.side] = d.worth[1]
	}
	for i := range l.shares {
		l.shares[i] += (outcome[i] - l.shares[i]) * rules[l.question].rate
	}
}

// look notes whether the one that stayed was asked for.
func (d *duel[P]) look() {
	if d.stayed != nil {
		d.used = d.stayed.uses.Load() != d.uses
	}
}

// leave notes that an entry leaves that has stayed before, so that it is not kept in memory.
func (l *duels[P]) leave(e *entry[P]) {
	for at := e.stays[l.question]; at > 0; {
		d := &l.ring[at-1]
		if d.stayed != e { // Another one has its place, and those of the duels before.
			break
		}
		d.look()
		d.stayed = nil
		at = d.before
	}
	e.stays[l.question] = 0
}

// back notes that an entry has come back that had left in a duel.
func (l *duels[P]) back(number int, hash uint64, now, size int64) {
	if number == 0 || number > len(l.ring) {
		return
	}
	if d := &l.ring[number-1]; d.left == hash && d.open && !l.over(d, now, size) {
		l.end(d, true)
	}
}

// stop ends all duels without an outcome.
func (l *duels[P]) stop() { l.ring, l.next = nil, 0 }
