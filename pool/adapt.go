package pool

import (
	"context"
	"time"
)

const (
	// adaptEvery is the length of a window, whose mean the controller takes.
	adaptEvery = 50 * time.Millisecond
	// sampleEvery is how often it looks how many connections are in use.
	sampleEvery = 2 * time.Millisecond
	// enoughUses is how many uses a window must have: a mean of few says little.
	enoughUses = 30
	// minSize is the size that is never gone below.
	minSize = 2
	// The connections that are thought to wait for each other: below few of them the size
	// grows, above many it shrinks.
	few, many = 1.5, 4.0
	// probeEvery is the number of windows after which the shortest use is measured again, with a
	// quarter of the connections, because the load may have changed. A probe takes
	// two windows: in the first, connections that were in use come back.
	probeEvery = 200
)

// controller sets an admission's limit between minSize and max, as TCP Vegas does its
// window (Brakmo, O'Malley and Peterson 1994; Netflix's concurrency-limits took it to
// servers). By Little's law the mean time that a connection is used for is the mean
// number in use, divided by the rate. Where it is longer than the shortest that was
// seen, connections wait for each other in Postgres, and more of them do not help.
// Like BBR (Cardwell and others 2016), it looks for the shortest from time to time.
type controller struct {
	admission *admission
	max       int64

	used     float64 // the sum of the samples of this window
	samples  float64
	waiting  bool // somebody has waited for a connection in it
	uses     uint64
	started  time.Time
	shortest time.Duration // use
	windows  int           // since the last probe
	probing  int           // windows that are left of one
	usual    int64         // the limit before it
}

func (c *controller) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	c.begin(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			inside, limit := c.admission.inside.Load(), c.admission.limit.Load()
			c.sample(inside, limit)
			if now.Sub(c.started) >= adaptEvery {
				c.window(now)
			}
		}
	}
}

func (c *controller) begin(now time.Time) {
	c.used, c.samples, c.waiting = 0, 0, false
	c.uses, c.started = c.admission.uses.Load(), now
}

func (c *controller) sample(inside, limit int64) {
	c.used += float64(min(inside, limit))
	c.samples++
	c.waiting = c.waiting || inside > limit
}

// window ends a window, if enough has happened in it.
func (c *controller) window(now time.Time) {
	uses := c.admission.uses.Load() - c.uses
	if uses < enoughUses && now.Sub(c.started) < 20*adaptEvery {
		return
	}
	if uses > 0 && c.used > 0 {
		limit := c.admission.getLimit()
		used := c.used / c.samples
		next := c.next(limit, used, time.Duration(float64(now.Sub(c.started))*used/float64(uses)))
		if next != limit {
			c.admission.setLimit(next)
		}
	}
	c.begin(now)
}

// next returns the limit after one with which so many were in use, for so long.
func (c *controller) next(limit int64, used float64, use time.Duration) int64 {
	if c.probing > 0 {
		if c.probing--; c.probing > 0 {
			return limit
		}
		c.shortest = use
		return c.usual
	}
	if c.shortest == 0 || use < c.shortest {
		c.shortest = use
	}
	if used > 2*minSize {
		if c.windows++; c.windows >= probeEvery {
			c.windows, c.probing, c.usual = 0, 2, limit
			return max(int64(used)/4, minSize)
		}
	}
	queued := used * (1 - float64(c.shortest)/float64(use))
	switch {
	case queued < few && c.waiting:
		return min(limit+max(1, limit/4), c.max)
	case queued > many:
		return max(limit-max(1, limit/8), minSize)
	}
	return limit
}
