package matview

import (
	"sync"
	"time"
)

// closeTimeout is how long the end of Run waits for a call of OnError.
const closeTimeout = time.Second

// reporter calls OnError outside Run's goroutine, so that OnError can neither block nor end
// Run.
type reporter struct {
	call func(error) // may be nil

	mu     sync.Mutex
	next   error         // the error for the next call
	busy   chan struct{} // closed when no call is left; nil while there is none
	closed bool
}

// report calls OnError with an error, after the current call if there is one.
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

// start calls OnError in a new goroutine, because OnError may call runtime.Goexit. The caller
// holds the lock.
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

// close waits up to closeTimeout for calls to end. No call starts after that.
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
