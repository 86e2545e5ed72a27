package pool

import (
	"sync/atomic"
	"time"
)

// stall knows since when callers have waited for a connection while none has come back. They
// may wait for each other: who holds one, in a transaction, asks for a second one. pgxpool has
// MaxConns for them, so they are to have what the Reader keeps without using it, and what an
// adaptive limit holds back.
type stall struct {
	returned int64                     // connections that had come back at the last look
	since    atomic.Pointer[time.Time] // nil: nobody waits, or one has come back
}

// look takes in whether anybody waits, and how many connections have come back until now.
func (s *stall) look(waiting bool, returned int64, now time.Time) {
	switch {
	case !waiting || returned != s.returned:
		s.since.Store(nil)
	case s.since.Load() == nil:
		s.since.Store(&now) // It has a monotonic part: a clock that is set does not matter.
	}
	s.returned = returned
}

// lasts returns for how long it has been so.
func (s *stall) lasts() time.Duration {
	since := s.since.Load()
	if since == nil {
		return 0
	}
	return time.Since(*since)
}
