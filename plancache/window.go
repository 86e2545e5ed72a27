package plancache

import "slices"

// The window of new entries is narrow: what comes once is to leave soon. Where queries come
// again shortly after they were new, and then never, a wide one has more hits, at the cost of a
// few others. Which it is is a question for duels. They are short: what has left a narrow window
// would leave a wide one soon.

const (
	// windowShare is the share of a narrow window, up to windowMost entries.
	windowShare = 0.02
	windowMost  = 16
	// widening is the factor from a narrow window to a wide one.
	widening = 3
	// wideBias is the lead that a wide window needs. Most of its duels end undecided, so shares are
	// small.
	wideBias = 0.015
)

// Sides of windows.
const (
	narrow = iota
	wide
)

// quota is the number of entries that the window has room for.
func (p *policy[P]) quota() int64 {
	if p.wide() {
		return widening * p.narrow()
	}
	return p.narrow()
}

// wide reports whether the window is.
func (p *policy[P]) wide() bool { return p.duels[windows].leads(wide, 1, wideBias) }

// narrow is the number of entries of a narrow window.
func (p *policy[P]) narrow() int64 {
	return min(max(1, int64(windowShare*float64(p.size()))), windowMost)
}

// stayNarrow begins a duel for an entry that leaves a narrow window and is not admitted: a wide
// one would have it still, and not the least of the others.
func (p *policy[P]) stayNarrow(least, candidate *entry[P], now int64) {
	if !p.wide() {
		p.duels[windows].begin(least, candidate, narrow, now, p.size())
	}
}

// stayWide begins a duel for an entry that leaves while the window is wide: a narrow one would
// have let another one go.
func (p *policy[P]) stayWide(leaving *entry[P], now int64) {
	if !p.wide() {
		return
	}
	if edge := p.edge(); edge != nil && edge != leaving {
		p.duels[windows].begin(edge, leaving, wide, now, p.size())
	}
}

// edge returns the entry that a narrow window would be the next to lose, or nil.
func (p *policy[P]) edge() *entry[P] {
	var room [widening*windowMost + 1]int64
	times := room[:0]
	for _, e := range p.window {
		times = append(times, e.last.Load())
	}
	at := len(times) - 1 - int(p.narrow())
	if at < 0 {
		return nil
	}
	slices.Sort(times)
	for _, e := range p.window {
		if e.last.Load() == times[at] {
			return e
		}
	}
	return nil // It was used just now.
}
