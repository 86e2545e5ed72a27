package reader

import (
	"context"
	"sync"
	"time"
)

const (
	// lagEvery is how often replicas are looked at.
	lagEvery = 250 * time.Millisecond
	// returnAfter is how many times in a row a replica must have been good to come back.
	returnAfter = 2
)

// position is how far the primary's log had come at a time.
type position struct {
	at  time.Time
	lsn int64
}

// lagMeter knows the history of the primary's log. So it tells how far a replica is
// behind in time, whether it replays or not and whether the primary writes or not,
// which the replica's own clock of its last transaction does not.
type lagMeter struct {
	history []position // the oldest first
}

// add takes in where the primary is.
func (m *lagMeter) add(at time.Time, lsn int64, keep time.Duration) {
	if n := len(m.history); n > 0 && m.history[n-1].lsn == lsn {
		return // Nothing was written since.
	}
	m.history = append(m.history, position{at, lsn})
	for len(m.history) > 1 && at.Sub(m.history[1].at) > keep {
		m.history = m.history[1:]
	}
}

// lag returns for how long there has been something that a replica has not replayed.
func (m *lagMeter) lag(now time.Time, replayed int64) time.Duration {
	for _, p := range m.history {
		if p.lsn > replayed {
			return now.Sub(p.at)
		}
	}
	return 0
}

// watchReplicas takes replicas out and back, until the context ends.
func (r *Reader) watchReplicas(ctx context.Context) {
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	meter := &lagMeter{}
	replicas := r.backends[1:]
	good := make([]int, len(replicas))
	for {
		// If the primary does not answer, what it had written before is what counts.
		if s, err := r.backends[0].look(ctx); err == nil {
			meter.add(time.Now(), s.position, 2*r.config.MaxLag)
		}
		var wg sync.WaitGroup
		for i, b := range replicas {
			wg.Go(func() {
				s, err := b.look(ctx)
				if err != nil || meter.lag(time.Now(), s.position) > r.config.MaxLag {
					good[i] = 0
					b.out.Store(true)
					return
				}
				if good[i]++; good[i] >= returnAfter {
					b.out.Store(false)
				}
			})
		}
		wg.Wait()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
