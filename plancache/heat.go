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
	// briefLife and lastingLife are after how many calls for each entry a use is worth half.
	briefLife, lastingLife = 0.7, 5
	// preference is by which factor the lasting one must be ahead. It is slow to forget, so a
	// mistake costs more.
	preference = 1.5
)

func (h heat) plus(uses uint32) heat {
	return heat{h[brief] + float64(uses), h[lasting] + float64(uses)}
}

// heat is that of an entry at a time. Uses since the last time count as if all had come at
// the last one of them, and those in the window not at all.
func (p *policy[P]) heat(e *entry[P], now int64) heat {
	if uses := e.uses.Load(); uses != e.counted {
		if !e.fresh {
			last := e.last.Load()
			e.heat, e.heated = p.faded(e.heat, last-e.heated).plus(uses-e.counted), last
		}
		e.count(uses)
	}
	return p.faded(e.heat, now-e.heated)
}

// faded is what heat is after so many calls.
func (p *policy[P]) faded(h heat, calls int64) heat {
	if calls <= 0 {
		return h
	}
	steps := float64(calls) * p.pace
	return heat{h[brief] * fade(steps), h[lasting] * fade(steps*(briefLife/lastingLife))}
}

// sized takes the size of the cache in, which changes with the weight of its entries.
func (p *policy[P]) sized() { p.pace = fadeSteps / (briefLife * float64(p.size())) }

// fade is a half to the power of steps, of which fadeSteps are one half-life.
func fade(steps float64) float64 {
	if at := int(steps); at < len(fades) {
		return fades[at]
	}
	// Rare, and not nothing: of two that are hardly worth anything one is worth less.
	return math.Exp2(-steps / fadeSteps)
}

const fadeSteps = 256

// fades are powers of a half: math.Exp2 would be a fifth of a miss.
var fades = func() (list [4096]float64) {
	for i := range list {
		list[i] = math.Exp2(-float64(i) / fadeSteps)
	}
	return list
}()
