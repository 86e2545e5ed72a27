package dataloader

import (
	"context"
	"slices"
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
	on     []*task       // the tasks that it waits for; guarded by waits
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
	if other.reaches(t) {
		return false
	}
	t.on = append(t.on, other)
	return true
}

// leave reverts enter.
func (t *task) leave(other *task) {
	waits.Lock()
	defer waits.Unlock()
	i := slices.Index(t.on, other)
	t.on = slices.Delete(t.on, i, i+1)
}

// reaches reports whether t is other or waits for it, directly or not. A task that is done
// waits for nothing.
func (t *task) reaches(other *task) bool {
	select {
	case <-t.done:
		return false
	default:
	}
	return t == other || slices.ContainsFunc(t.on, func(next *task) bool { return next.reaches(other) })
}
