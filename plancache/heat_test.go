package plancache

import (
	"math"
	"testing"
	"time"
)

// heated is a policy for so many entries.
func heated(size int64) policy[int] {
	p := newPolicy[int](size, 1<<40)
	p.sized()
	return p
}

// lives are the half-lives in calls of a cache of so many entries.
func lives(size int64) heat { return heat{briefLife * float64(size), lastingLife * float64(size)} }

// later is what a use is worth after so many calls.
func later(calls, life float64) float64 { return math.Exp2(-calls / life) }

// anytime is what a use is worth that has come at any time in so many calls.
func anytime(calls, life float64) (mean float64) {
	const steps = 10_000
	for i := range steps {
		mean += later((float64(i)+0.5)/steps*calls, life) / steps
	}
	return mean
}

// near reports whether two heats differ by no more than the steps in which they fade.
func near(got, want heat) bool {
	for i := range want {
		if math.Abs(got[i]-want[i]) > 0.02*want[i] {
			return false
		}
	}
	return true
}

// A use is worth half after a half-life, also where it is hardly worth anything any more.
func TestHeatFades(t *testing.T) {
	const size = 1000
	p, life := heated(size), lives(size)
	for term := range life {
		for _, n := range []float64{0, 1, 2, 2.5, 15, 16, 20, 40} {
			calls := n * life[term]
			got := p.faded(heat{3, 3}, int64(calls))
			if want := (heat{3 * later(calls, life[brief]), 3 * later(calls, life[lasting])}); !near(got, want) {
				t.Errorf("after %v half-lives of kind %d: %v, want %v", n, term, got, want)
			}
		}
	}
	if got := p.faded(heat{3, 3}, -1000); got != (heat{3, 3}) {
		t.Errorf("before it was hot: %v", got)
	}
}

// Of uses since, one came now and the others at any time. They count as one for each period at most.
func TestHeatOfUses(t *testing.T) {
	const size = 1000
	p, life := heated(size), lives(size)
	for _, c := range []struct {
		uses  uint32
		calls float64
		count float64
	}{
		{5, 0, 0},
		{5, -100, 0},
		{3, 0.5 * period * size, 0.5},
		{1, period * size, 1},
		{9, 1.25 * period * size, 1.25},
		{3, 10 * period * size, 3},
		{100, 10 * period * size, 10},
		{50, 100 * period * size, 50},
	} {
		var want heat
		for i := range want {
			want[i] = 4*later(max(c.calls, 0), life[i]) + min(c.count, 1) + max(c.count-1, 0)*anytime(c.calls, life[i])
		}
		if got := p.used(heat{4, 4}, c.uses, int64(c.calls)); !near(got, want) {
			t.Errorf("%d uses in %v calls: %v, want %v", c.uses, c.calls, got, want)
		}
	}
}

// The heat of an entry is that of all its uses, of which each counts once.
func TestHeatOfAnEntry(t *testing.T) {
	const size, last, now = 1000, 3000, 5000
	p, life := heated(size), lives(size)
	e := &entry[int]{fresh: true, counted: 5, heat: heat{4, 4}, heated: 1000}
	e.uses.Store(7)
	e.last.Store(last)
	var want heat
	for i := range want {
		then := 4*later(last-1000, life[i]) + 1 + anytime(last-1000, life[i])
		want[i] = then * later(now-last, life[i])
	}
	for range 2 {
		if got := p.heat(e, now); !near(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// A use of a plan is worth twice as much if it takes four times as long to build as the mean, in
// whole steps.
func TestFactor(t *testing.T) {
	p := heated(100)
	if f := p.factor(time.Second); f != 1 {
		t.Errorf("the first is worth %v", f)
	}
	p.learn(time.Millisecond)
	for cost, want := range map[time.Duration]float64{
		0: 1, time.Microsecond: 1.0 / 32, 250 * time.Microsecond: 0.5, time.Millisecond: 1, 1900 * time.Microsecond: 1,
		2100 * time.Microsecond: 2, 4 * time.Millisecond: 2, 16 * time.Millisecond: 4, time.Second: 32,
	} {
		if got := p.factor(cost); got != want {
			t.Errorf("after %v: %v, want %v", cost, got, want)
		}
	}
}

// The mean cost of builds follows those that cost something, and no build moves it by much.
func TestMeanCost(t *testing.T) {
	p := heated(100)
	for _, cost := range []time.Duration{0, time.Millisecond, 0, -1} {
		p.learn(cost)
	}
	if p.meanCost != 1e6 {
		t.Errorf("the mean of one is %v", time.Duration(p.meanCost))
	}
	for range 1000 {
		p.learn(3 * time.Millisecond)
	}
	if got := p.meanCost / 3e6; math.Abs(got-1) > 0.01 {
		t.Errorf("the mean of many that are the same is %.3f of them", got)
	}
	p.learn(30 * time.Millisecond) // 10 times as much
	if got := p.meanCost / 3e6; got < 1.05 || got > 1.3 {
		t.Errorf("one that took ten times as long makes the mean %.3f times as long", got)
	}
	p = heated(100)
	p.learn(time.Millisecond)
	p.learn(time.Hour)
	if got := p.meanCost / 1e6; got < 2 || got > 3 {
		t.Errorf("a build that took an hour makes the mean %.1f times as long", got)
	}
}

// Uses fade to nothing, however long ago they were: also where an int has 32 bits.
func TestFadeOfLongAgo(t *testing.T) {
	last := 1.0
	for _, steps := range []float64{0, 1023, 1024, 1 << 31, 1 << 32, 1 << 63, math.MaxFloat64} {
		f := fade(steps)
		if f < 0 || f > last {
			t.Errorf("after %v steps %v is left, and before it was %v", steps, f, last)
		}
		last = f
	}
}
