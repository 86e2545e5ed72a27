package reader

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// arrival is how a replica came to have what a call must see.
type arrival uint8

const (
	inVain arrival = iota // none has, in the time that there is
	atOnce                // it had it, only nobody had looked
	waited                // it had to catch up
)

const (
	// lookBound is how long a look for a call may take where nobody waits for replicas.
	lookBound = 10 * time.Millisecond
	// The pause between two looks for one call grows from the first to the second.
	firstGap = 500 * time.Microsecond
	lastGap  = 4 * time.Millisecond
)

// await looks at the replicas until one has what a call must see, for Config.TokenWait at most. The
// looks are shared with others who wait, and nobody keeps a connection meanwhile.
func (r *Reader) await(c *call) arrival {
	wait := r.config.TokenWait
	ctx, cancel := context.WithTimeout(c.ctx, max(wait, lookBound))
	defer cancel()
	pause := firstGap
	for first := true; ; first = false {
		candidates := r.candidates()
		for _, b := range candidates {
			if _, err := b.look(ctx); err == nil && b.serves(c) {
				if first {
					return atOnce
				}
				return waited
			}
		}
		if wait <= 0 || !moving(candidates) {
			return inVain
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if c.ctx.Err() == nil { // They had all the time that there is.
				for _, b := range candidates {
					b.stopped.Store(b.lsn())
				}
			}
			return inVain
		}
		pause = min(2*pause, lastGap)
	}
}

// moving reports whether it is worth waiting for any of the replicas: one that has replayed nothing
// since somebody has waited for it in vain is paused, or holds back for a query.
func moving(replicas []*backend) bool {
	return slices.ContainsFunc(replicas, func(b *backend) bool { return b.lsn() != b.stopped.Load() })
}

// candidates returns the replicas that may come to have what a call must see, the one that is the
// furthest first.
func (r *Reader) candidates() (list []*backend) {
	for _, b := range r.backends[1:] {
		if !b.out.Load() && b.has(0) {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b *backend) int { return cmp.Compare(b.lsn(), a.lsn()) })
	return list
}

// lsn returns how far a server was seen to be.
func (b *backend) lsn() uint64 {
	if s := b.looks.last.Load(); s != nil {
		return s.lsn
	}
	return 0
}
