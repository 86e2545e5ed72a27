package plancache

import (
	"sync"
	"time"
)

// tasks counts what a cache runs in the background, so that Close can wait for it.
type tasks struct {
	mu      sync.Mutex
	running int
	closed  bool
	idle    chan struct{} // closed when nothing runs; nil unless wait needs it
}

// start runs f in the background, unless the cache is closed.
func (t *tasks) start(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.run(f)
	return true
}

// finish runs f in the background, also while the cache is being closed.
func (t *tasks) finish(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run(f)
}

func (t *tasks) run(f func()) {
	t.running++
	go func() {
		defer t.end()
		f()
	}()
}

func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// close lets nothing start any more.
func (t *tasks) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// wait waits until nothing runs, but no longer than patience, and returns how much runs
// still.
func (t *tasks) wait(patience time.Duration) int {
	t.mu.Lock()
	if t.running == 0 {
		t.mu.Unlock()
		return 0
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running
}
