package pool

import "sync/atomic"

// hands counts connections that callers have. pgxpool does not tell when one is hijacked: its
// own count of connections in use falls then, and nobody has given one back.
type hands struct {
	taken    atomic.Int64
	returned atomic.Int64 // released, or kept by the Reader
	hijacked int64        // with the admission's lock
	acquired func() int64 // connections in use by pgxpool's count; nil: nobody can hijack one
}

// freeHijacked gives back the places of connections that were hijacked. A caller's connection
// is in use by pgxpool's count before it is taken, and until after it is returned, so there are
// never more callers than that, unless some have hijacked theirs. It is called with the lock.
func (a *admission) freeHijacked() {
	if a.hands.acquired == nil {
		return
	}
	taken, returned := a.hands.taken.Load(), a.hands.returned.Load()
	inUse := a.hands.acquired() - a.held
	if a.hands.taken.Load() != taken || a.hands.returned.Load() != returned {
		return // Somebody has come or gone meanwhile: next time.
	}
	n := taken - returned - a.hands.hijacked - inUse
	if n <= 0 {
		return
	}
	a.hands.hijacked += n
	a.inside.Add(-n)
	a.opened -= n
	a.adjust()
}
