// Package callback calls functions of users, which may block, panic, end their goroutine and call
// back. Where that must not stop what calls them, they run on goroutines of their own.
package callback

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

var errGoexit = errors.New("runtime.Goexit was called")

// Run has a function run, by what starts a goroutine, and sends its error when it has ended, also by a
// panic or by runtime.Goexit. Nobody needs to receive it.
func Run(start func(func()), f func() error) <-chan error {
	done := make(chan error, 1)
	start(func() {
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("a panic: %v\n%s", v, debug.Stack())
			}
			done <- err
		}()
		err = f()
	})
	return done
}

// Go starts a goroutine.
func Go(f func()) { go f() }

// Errors are errors on their way to a function, one call at a time and in their order, on a goroutine
// that ends when there are none. The zero value is ready. It is safe for concurrent use.
type Errors struct {
	mu      sync.Mutex
	waiting []error
	running bool
}

// mostErrors bounds the errors that wait while the function blocks.
const mostErrors = 64

// Send has a function called with an error, or not, if as many wait as may. The function must be
// the same each time.
func (e *Errors) Send(on func(error), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) < mostErrors {
		e.waiting = append(e.waiting, err)
	}
	if !e.running {
		e.running = true
		go e.deliver(on)
	}
}

func (e *Errors) deliver(on func(error)) {
	for err := e.next(); err != nil; err = e.next() {
		_ = <-Run(Go, func() error { on(err); return nil }) // Nobody is left to be told of its panic.
	}
}

// next returns the error that has waited for the longest time, or nil, which ends the goroutine.
func (e *Errors) next() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		e.running, e.waiting = false, nil
		return nil
	}
	err := e.waiting[0]
	e.waiting = e.waiting[1:]
	return err
}
