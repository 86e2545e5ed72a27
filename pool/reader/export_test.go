package reader

import (
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// StuckAfter is how long nothing may come back until a connection is given up.
const StuckAfter time.Duration = stuckAfter

// Counts are the Reader's counters.
type Counts struct{ Direct, Shared, Writes, Runs, Sent, Reruns, Moved, Lost, Canceled, Rehearsed uint64 }

// Counts returns them.
func (r *Reader) Counts() Counts {
	c := &r.counters
	return Counts{c.direct.Load(), c.shared.Load(), c.writes.Load(), c.runs.Load(), c.sent.Load(), c.reruns.Load(), c.moved.Load(), c.lost.Load(), c.canceled.Load(),
		c.rehearsed.Load()}
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
func (r *Reader) TransactionPooling() bool { return r.backends[0].pooled }

// Registered returns the types of a map that were registered with it.
func Registered(m *pgtype.Map) []*pgtype.Type { return registered(m) }

// Doubts returns how often what was learned was doubted.
func (r *Reader) Doubts() int64 { return r.catalog.epoch.Load() }

// Looks returns how often the catalog was looked at.
func (r *Reader) Looks() int64 { return r.catalog.looks.Load() }

// CopyMap returns a caller's copy of a type map.
func CopyMap(m *pgtype.Map) *pgtype.Map { return newTypes(m).get() }

// LSN returns a token's position.
func LSN(t Token) uint64 { return t.lsn }

// ParseLSN reads Postgres's text of a position.
func ParseLSN(text string) uint64 {
	lsn, _ := parseLSN(text)
	return lsn
}

// Followed are the counters of reads by a token.
type Followed struct{ Replica, Waited, Primary, Refused uint64 }

// Followed returns them.
func (r *Reader) Followed() Followed {
	c := &r.counters
	return Followed{c.followReplica.Load(), c.followWaited.Load(), c.followPrimary.Load(), c.refused.Load()}
}

// Pretend has the Reader believe that its replicas have replayed whatever anybody asks for.
func (r *Reader) Pretend() {
	primary := r.backends[0].looks.last.Load()
	for _, b := range r.backends[1:] {
		b.looks.last.Store(&standing{history: primary.history, lsn: math.MaxUint64, replica: true})
		b.out.Store(false)
	}
}

// Histories returns the histories that servers were seen to have, the primary's first.
func (r *Reader) Histories() (list []uint64) {
	for _, b := range r.backends {
		history := uint64(0)
		if s := b.looks.last.Load(); s != nil {
			history = s.history
		}
		list = append(list, history)
	}
	return list
}

// Repeat makes a list longer, as for a rehearsal.
func Repeat(list []byte) ([]byte, bool) { return repeat(list) }
