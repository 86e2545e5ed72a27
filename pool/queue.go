package pool

import (
	"container/list"
	"time"
)

// queue holds the waiters for a place in FIFO order. Urgent ones (transactions,
// which hold locks, and health checks) go first.
type queue struct {
	target time.Duration // 0: nobody is shed

	urgent, usual list.List // of *waiter
	streak        int       // urgent ones that went before usual ones
	busySince     time.Time // since when it has not been empty
}

type waiter struct {
	since   time.Time
	urgent  bool
	ready   chan struct{}
	place   *list.Element
	served  bool
	refused error
}

func (q *queue) Len() int { return q.urgent.Len() + q.usual.Len() }

func (q *queue) of(urgent bool) *list.List {
	if urgent {
		return &q.urgent
	}
	return &q.usual
}

func (q *queue) push(now time.Time, urgent bool) *waiter {
	if q.Len() == 0 {
		q.busySince = now
	}
	w := &waiter{since: now, urgent: urgent, ready: make(chan struct{})}
	w.place = q.of(urgent).PushBack(w)
	return w
}

func (q *queue) remove(w *waiter) { q.of(w.urgent).Remove(w.place) }

// maxStreak is how many urgent ones go before one that is not, so that a load of
// transactions does not starve queries.
const maxStreak = 3

// pop takes out whose turn it is. The queue must not be empty.
func (q *queue) pop() *waiter {
	from := &q.usual
	if q.usual.Len() == 0 || q.urgent.Len() > 0 && q.streak < maxStreak {
		from = &q.urgent
	}
	if from == &q.usual {
		q.streak = 0
	} else if q.usual.Len() > 0 {
		q.streak++
	}
	return from.Remove(from.Front()).(*waiter)
}

// shedAfter is how long a queue must stand until it is taken for overload, not for a
// burst: CoDel's interval.
const shedAfter = 100 * time.Millisecond

// sheds reports whether a waiter is to be refused though it is its turn. A queue that has
// not been empty for an interval is longer than it needs to be to keep connections
// busy: it only adds latency (CoDel, Nichols and Jacobson 2012; for queues of
// requests Maurer, "Fail at Scale", 2015). A waiter that has waited too long in it is refused,
// and the next one served while it is fresh.
func (q *queue) sheds(w *waiter) bool {
	if q.target == 0 || w.urgent {
		return false
	}
	now := time.Now()
	return now.Sub(w.since) > q.target && now.Sub(q.busySince) > shedAfter
}
