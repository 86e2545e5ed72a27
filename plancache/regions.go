package plancache

import "math"

// slot is a place in the policy's main region. It has what is known of its entry's worth, so
// that the least of a sample is found in memory that lies together, and few entries have to
// be looked at.
type slot[P any] struct {
	entry *entry[P]
	at    int64          // when it was worth so much; uses since may have made it more
	worth [terms]float32 // see policy.worth
}

// note writes what is known of an entry of the main region to its slot.
func (p *policy[P]) note(e *entry[P]) {
	s := &p.main[e.place]
	s.at, s.worth = e.heated, [terms]float32{float32(e.heat[brief] * e.factor), float32(e.heat[lasting] * e.factor)}
}

// least returns the entry of the main region, other than e, that is worth least of the next
// ones, by a half-life. If that is another one by the other half-life, it is a duel.
func (p *policy[P]) least(e *entry[P], term int, now int64) *entry[P] {
	var places [sampleSize]int
	var worth [sampleSize]heat
	n := min(len(p.main), sampleSize)
	for i := range n {
		if p.hand++; p.hand >= len(p.main) {
			p.hand = 0
		}
		places[i] = p.hand
		if s := &p.main[p.hand]; s.entry == e {
			worth[i] = heat{math.Inf(1), math.Inf(1)}
		} else {
			worth[i] = p.faded(heat{float64(s.worth[brief]), float64(s.worth[lasting])}, now-s.at)
		}
	}
	var least [terms]*entry[P]
	for t := range least {
		for at := lowest(worth[:n], t); at >= 0; at = lowest(worth[:n], t) {
			m := p.main[places[at]].entry
			if m.uses.Load() == m.counted {
				least[t] = m
				break
			}
			worth[at] = p.worth(m, now)
		}
	}
	if least[brief] != least[lasting] {
		p.duels[halfLives].begin(least[1-term], least[term], term, now, p.size())
	}
	return least[term]
}

// lowest returns the place of the lowest heat by a half-life, or -1 if there is none.
func lowest(list []heat, term int) int {
	at, lowest := -1, math.Inf(1)
	for i := range list {
		if list[i][term] < lowest {
			at, lowest = i, list[i][term]
		}
	}
	return at
}

// cut takes an entry out of its region.
func (p *policy[P]) cut(e *entry[P]) {
	if !e.fresh {
		n := len(p.main) - 1
		p.main[e.place] = p.main[n]
		p.main[e.place].entry.place = e.place
		p.main[n] = slot[P]{}
		p.main = p.main[:n]
		return
	}
	n := len(p.window) - 1
	p.window[e.place] = p.window[n]
	p.window[e.place].place = e.place
	p.window[n] = nil
	p.window = p.window[:n]
}

// move takes an entry from the window to the main region.
func (p *policy[P]) move(e *entry[P]) {
	p.cut(e)
	e.fresh, e.place = false, len(p.main)
	p.main = append(p.main, slot[P]{entry: e})
	p.note(e)
}
