package plancache

import "math"

// heat is the uses of an entry, of which each fades with the time since, by two half-lives.
// Which of them counts is a question for duels: the brief one where what was used lately is
// used again, the lasting one where some queries are always more popular than others.
type heat [terms]float64

const (
	brief = iota
	lasting
	terms
)

const (
	// briefLife and lastingLife are the numbers of calls for each entry until a use is worth half.
	briefLife, lastingLife = 0.7, 5
	// period is how many calls for each entry must pass for a use to count in full.
	period = 0.2
	// preference is the factor by which the lasting one must be ahead. It is slow to forget, so a
	// mistake costs more.
	preference = 1.4
)

func (h heat) plus(uses float64) heat { return heat{h[brief] + uses, h[lasting] + uses} }

// heat is that of an entry at a time.
func (p *policy[P]) heat(e *entry[P], now int64) heat {
	if uses := e.uses.Load(); uses != e.counted {
		last := e.last.Load()
		e.heat, e.heated = p.used(e.heat, uses-e.counted, last-e.heated), last
		e.count(uses)
		if !e.fresh {
			p.note(e)
		}
	}
	return p.faded(e.heat, now-e.heated)
}

// used is what heat is after so many uses, which have come in so many calls: one now and the
// others at times of which nothing is known. They count as one for each period at most, and
// as less if it is less than one: a query that comes a few times at once is no more popular
// than one that comes once (the correlated references of LRU-2, O'Neil et al. 1993).
func (p *policy[P]) used(h heat, uses uint32, calls int64) heat {
	h = p.faded(h, calls)
	lives := float64(max(calls, 0)) * p.pace / fadeSteps
	n := min(float64(uses), lives*briefLife/period)
	if n <= 1 {
		return h.plus(n)
	}
	for i, scale := range [terms]float64{1, briefLife / lastingLife} {
		h[i] += 1 + (n-1)*meanFade(lives*scale)
	}
	return h
}

// meanFade is what a use is worth that has come at any time in so many half-lives, which are more
// than none.
func meanFade(lives float64) float64 {
	return (1 - math.Exp2(-lives)) / (lives * math.Ln2)
}

// faded is what heat is after so many calls.
func (p *policy[P]) faded(h heat, calls int64) heat {
	steps := float64(max(calls, 0)) * p.pace
	return heat{h[brief] * fade(steps), h[lasting] * fade(steps*(briefLife/lastingLife))}
}

// sized takes the size of the cache in, which changes with the weight of its entries.
func (p *policy[P]) sized() { p.pace = fadeSteps / (briefLife * float64(p.size())) }

// fade is a half to the power of steps, of which fadeSteps are one half-life.
func fade(steps float64) float64 {
	if steps < float64(len(fades)) { // An int may not hold what is more.
		return fades[int(steps)]
	}
	// Rare, and not nothing: of two that are hardly worth anything one is worth less.
	return math.Exp2(-steps / fadeSteps)
}

const fadeSteps = 64

// fades are powers of a half: math.Exp2 would be a fifth of a miss.
var fades = func() (list [1024]float64) {
	for i := range list {
		list[i] = math.Exp2(-float64(i) / fadeSteps)
	}
	return list
}()
