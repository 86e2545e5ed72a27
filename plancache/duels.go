package plancache

// duels decide whether what falls out of the window should stay in the place of the least of
// the others, where their worth leaves it in doubt. Each such decision is a duel: one of the
// two stays and one leaves, and after a while it is seen which of them has been asked for.
// Where that is rather the candidate, as when all that is hot has changed, candidates are
// taken; where it is rather the other one, as in a loop longer than the cache or among
// queries that come once, they are not.
//
// It is what the hill climbers of adaptive caches look for, without trying what is worse to
// see that it is.
type duels[P any] struct {
	ring []duel[P] // the oldest is next
	next int
	// The shares of candidates, and of those that they would take the place of, that were
	// asked for, by what a use of them is worth. They follow the last duels.
	candidates, others float64
}

// duel is a decision of which the outcome is not known yet.
type duel[P any] struct {
	stayed *entry[P]  // nil if it has left since
	uses   uint32     // of it, at first
	before int        // another duel of it, which began earlier; 0: none
	left   uint64     // hash of the one that left
	worth  [2]float64 // what a use is worth, of the one that stayed and of the other
	begun  int64      // 0: there is no duel
	won    bool       // the candidate has stayed
	used   bool       // the one that stayed was asked for, as far as it is known
	back   bool       // the one that left has come back
}

const (
	// duelTime is after how many calls for each entry a duel ends.
	duelTime = 0.7
	// bias is by how much candidates must be ahead.
	bias = 0.05
	// duelRate is the share of a duel's outcome in the shares.
	duelRate = 1.0 / 64
	// The ring has one duel for each entry of the cache, within these bounds.
	leastDuels, mostDuels = 64, 1 << 16
)

// eager reports whether candidates should stay.
func (l *duels[P]) eager() bool { return l.candidates > l.others+bias }

// begin begins a duel in a cache of so many entries, unless all places are taken.
func (l *duels[P]) begin(stayed, left *entry[P], won bool, now, size int64) {
	if n := min(max(leastDuels, int(size)), mostDuels); len(l.ring) < n {
		l.ring = append(l.ring, make([]duel[P], n-len(l.ring))...)
	}
	d := &l.ring[l.next]
	if d.begun > 0 {
		if now-d.begun < l.time(size) {
			return
		}
		l.end(d)
	}
	*d = duel[P]{
		stayed: stayed, uses: stayed.uses.Load(), before: stayed.stays, left: left.hash, begun: max(now, 1), won: won,
		worth: [2]float64{stayed.factor, left.factor},
	}
	l.next++
	stayed.stays, left.duel = l.next, l.next
	l.next %= len(l.ring)
}

func (l *duels[P]) time(size int64) int64 { return int64(duelTime * float64(size)) }

// end counts the outcome of a duel.
func (l *duels[P]) end(d *duel[P]) {
	d.settle()
	other, candidate := 0.0, 0.0
	if d.used {
		other = d.worth[0]
	}
	if d.back {
		candidate = d.worth[1]
	}
	if d.won {
		candidate, other = other, candidate
	}
	l.candidates += (candidate - l.candidates) * duelRate
	l.others += (other - l.others) * duelRate
}

// settle notes whether the one that stayed was asked for, and lets it go.
func (d *duel[P]) settle() {
	if d.stayed != nil {
		d.used = d.stayed.uses.Load() != d.uses
		d.stayed = nil
	}
}

// leave notes that an entry leaves that has stayed before, so that it is not kept in memory.
func (l *duels[P]) leave(e *entry[P]) {
	for at := e.stays; at > 0; {
		d := &l.ring[at-1]
		if d.stayed != e { // It has ended, and so have those before.
			break
		}
		d.settle()
		at = d.before
	}
	e.stays = 0
}

// back notes that an entry has come back that had left in a duel.
func (l *duels[P]) back(number int, hash uint64, now, size int64) {
	if number == 0 || number > len(l.ring) {
		return
	}
	if d := &l.ring[number-1]; d.left == hash && now-d.begun < l.time(size) {
		d.back = true
	}
}

// stop ends all duels without an outcome.
func (l *duels[P]) stop() { l.ring, l.next = nil, 0 }
