package load

import (
	"math/rand/v2"
	"time"
)

// Arrivals is how an open loop spaces its requests.
type Arrivals string

const (
	// Constant spaces requests evenly.
	Constant Arrivals = "constant"
	// Poisson draws exponential gaps, as many independent users make them.
	Poisson Arrivals = "poisson"
)

// Phase is a stretch of an open loop with one rate.
type Phase struct {
	Rate     float64 // requests per second
	Duration time.Duration
}

// schedule yields the times, since the start, at which requests are due. The
// phases repeat until the total is over.
type schedule struct {
	phases   []Phase
	arrivals Arrivals
	random   *rand.Rand
	total    time.Duration
	at       time.Duration // of the last request
	phase    int
	end      time.Duration // of the phase
}

func newSchedule(phases []Phase, a Arrivals, total time.Duration, seed uint64) *schedule {
	return &schedule{phases: phases, arrivals: a, total: total, end: phases[0].Duration,
		random: rand.New(rand.NewPCG(seed, 2))}
}

// next returns false when the total is over.
func (s *schedule) next() (time.Duration, bool) {
	for {
		rate := s.phases[s.phase].Rate
		at := s.end
		if rate > 0 {
			at = s.at + s.gap(rate)
		}
		if at < s.end {
			s.at = at
			return at, at < s.total
		}
		// An exponential gap has no memory, so cutting it at the end of its
		// phase and drawing again keeps the process exact.
		s.at = s.end
		if s.at >= s.total {
			return s.at, false
		}
		s.phase = (s.phase + 1) % len(s.phases)
		s.end += s.phases[s.phase].Duration
	}
}

func (s *schedule) gap(rate float64) time.Duration {
	gap := float64(time.Second) / rate
	if s.arrivals == Poisson {
		gap *= s.random.ExpFloat64()
	}
	return time.Duration(gap)
}
