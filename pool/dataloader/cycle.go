package dataloader

import (
	"context"
	"slices"
	"sync"
)

// task is a fetch, as others see that wait for it. Fetches that load wait for other
// fetches, of any loader: where these waits form a circle none of them would end.
type task struct {
	done chan struct{} // that of the batch
	on   []*task       // what its loads wait for; guarded by waits
}

// waits guards what all tasks wait for. Only loads of a fetch take it.
var waits sync.Mutex

type taskKey struct{}

// taskOf returns the fetch whose context, or one derived from it, ctx is; nil if there is
// none.
func taskOf(ctx context.Context) *task {
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

// enter notes that t waits for another task, unless this would close a circle.
func (t *task) enter(other *task) bool {
	waits.Lock()
	defer waits.Unlock()
	if other.reaches(t) {
		return false
	}
	t.on = append(t.on, other)
	return true
}

// leave undoes enter.
func (t *task) leave(other *task) {
	waits.Lock()
	defer waits.Unlock()
	i := slices.Index(t.on, other)
	t.on = slices.Delete(t.on, i, i+1)
}

// reaches reports whether t, which has not ended, is or waits for another task. There are
// no circles, so it comes to an end.
func (t *task) reaches(other *task) bool {
	select {
	case <-t.done:
		return false
	default:
	}
	return t == other || slices.ContainsFunc(t.on, func(next *task) bool { return next.reaches(other) })
}
