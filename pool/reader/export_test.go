package reader

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// StuckAfter is how long nothing may come back until a connection is given up.
const StuckAfter time.Duration = stuckAfter

// Counts are the Reader's counters.
type Counts struct{ Direct, Shared, Writes, Runs, Sent, Reruns, Moved, Lost, Canceled uint64 }

// Counts returns them.
func (r *Reader) Counts() Counts {
	c := &r.counters
	return Counts{c.direct.Load(), c.shared.Load(), c.writes.Load(), c.runs.Load(), c.sent.Load(), c.reruns.Load(), c.moved.Load(), c.lost.Load(), c.canceled.Load()}
}

// Idle reports whether nothing is under way.
func (r *Reader) Idle() bool {
	for _, t := range r.backends {
		if t.running.Load() != 0 {
			return false
		}
		for _, p := range t.pipes {
			if p.load.Load() != 0 {
				return false
			}
		}
	}
	return true
}

// Underway returns how many calls share a connection, or have until now.
func (r *Reader) Underway() int64 { return r.underway.Load() }

// Up returns how many shared connections there are.
func (r *Reader) Up() (n int32) {
	for _, t := range r.backends {
		for _, p := range t.pipes {
			if p.session.Load() != nil {
				n++
			}
		}
	}
	return n
}

// TransactionPooling reports whether nothing stays prepared.
func (r *Reader) TransactionPooling() bool { return r.config.TransactionPooling }

// Registered returns the types of a map that were registered with it.
func Registered(m *pgtype.Map) []*pgtype.Type { return registered(m) }

// Doubts returns how often what was learned was doubted.
func (r *Reader) Doubts() int64 { return r.catalog.epoch.Load() }

// Looks returns how often the catalog was looked at.
func (r *Reader) Looks() int64 { return r.catalog.looks.Load() }

// CopyMap returns a caller's copy of a type map.
func CopyMap(m *pgtype.Map) *pgtype.Map { return newTypes(m).get() }
