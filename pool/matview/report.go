package matview

import (
	"sync"
	"time"
)

// closeTimeout is how long the end of Run waits for a call of OnError.
const closeTimeout = time.Second

// reporter calls OnError, so that what this does is of no consequence to Run.
type reporter struct {
	call func(error) // may be nil

	mu     sync.Mutex
	next   error         // what the call after the current one gets
	busy   chan struct{} // closed after the current call and those that follow it; nil if there is none
	closed bool
}

// report passes an error on, after the current call if there is one.
func (r *reporter) report(err error) {
	if r.call == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next = err; r.busy == nil {
		r.busy = make(chan struct{})
		r.start()
	}
}

// start calls with the next error in a goroutine, as the call may end its own. It is called
// with the lock.
func (r *reporter) start() {
	err := r.next
	r.next = nil
	go func() {
		defer r.ended()
		defer func() { _ = recover() }()
		r.call(err)
	}()
}

func (r *reporter) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next != nil && !r.closed {
		r.start()
		return
	}
	close(r.busy)
	r.busy = nil
}

// close waits for the calls, but not for long, after which there are no more.
func (r *reporter) close() {
	r.mu.Lock()
	busy := r.busy
	r.mu.Unlock()
	if busy != nil {
		select {
		case <-busy:
		case <-time.After(closeTimeout):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}
