package pool

import "sync/atomic"

// hands counts connections that callers have. pgxpool does not tell when one is hijacked: its
// own count of connections in use falls then, and nobody has given one back.
type hands struct {
	taken    atomic.Int64
	returned atomic.Int64 // released, or kept by the Reader
	hijacked int64        // with the gate's lock
	acquired func() int64 // connections in use by pgxpool's count; nil: nobody can hijack one
}

// freeHijacked gives back the places of connections that were hijacked. A caller's connection
// is in use by pgxpool's count before it is taken, and until after it is returned, so there are
// never more callers than that, unless some have hijacked theirs. It is called with the lock.
func (g *gate) freeHijacked() {
	if g.hands.acquired == nil {
		return
	}
	taken, returned := g.hands.taken.Load(), g.hands.returned.Load()
	inUse := g.hands.acquired() - g.held
	if g.hands.taken.Load() != taken || g.hands.returned.Load() != returned {
		return // Somebody has come or gone meanwhile: next time.
	}
	n := taken - returned - g.hands.hijacked - inUse
	if n <= 0 {
		return
	}
	g.hands.hijacked += n
	g.inside.Add(-n)
	g.opened -= n
	g.adjust()
}
