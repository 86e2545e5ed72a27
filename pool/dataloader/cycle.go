package dataloader

import (
	"context"
	"sync"
	"time"
)

// task is a fetch in the graph of fetches that wait for each other, over all loaders. A
// fetch that calls Load waits for another fetch, and so does one that joins a call of [Merge]. A
// cycle of waits would never end. It is a context: that of the fetch, with the values of the first
// caller's, but without its end.
type task struct {
	values context.Context
	done   chan struct{} // closed when the fetch has ended
	on     map[*task]int // how many of its goroutines wait for each task; guarded by waits
}

// Deadline implements context.Context.
func (t *task) Deadline() (deadline time.Time, ok bool) { return deadline, false }

// Done implements context.Context.
func (t *task) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (t *task) Err() error { return nil }

// Value implements context.Context.
func (t *task) Value(key any) any {
	if key == (taskKey{}) {
		return t
	}
	return t.values.Value(key)
}

// waits guards the graph. Only a Load that a fetch calls takes it, and a fetch that waits in [Merge].
var waits sync.Mutex

type taskKey struct{}

// taskOf returns the fetch whose context ctx is or derives from, and nil if there is none.
func taskOf(ctx context.Context) *task {
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

// enter records that t waits for other. It reports false if that would close a cycle.
func (t *task) enter(other *task) bool {
	waits.Lock()
	defer waits.Unlock()
	if other.reaches(t, map[*task]bool{}) {
		return false
	}
	if t.on == nil {
		t.on = map[*task]int{}
	}
	t.on[other]++
	return true
}

// leave reverts enter.
func (t *task) leave(other *task) {
	waits.Lock()
	defer waits.Unlock()
	if t.on[other]--; t.on[other] == 0 {
		delete(t.on, other)
	}
}

// reaches reports whether t is other or waits for it, directly or not. A task that is done
// waits for nothing. Tasks that were seen before are not looked at again: there may be many ways to one.
func (t *task) reaches(other *task, seen map[*task]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	select {
	case <-t.done:
		return false
	default:
	}
	if t == other {
		return true
	}
	for next := range t.on {
		if next.reaches(other, seen) {
			return true
		}
	}
	return false
}
