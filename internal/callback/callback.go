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
	waiting []letter
	running bool
}

type letter struct {
	err  error
	told chan struct{}
}

// mostErrors bounds the errors that wait while the function blocks.
const mostErrors = 64

// Send has a function called with an error, or not, if as many wait as may. The function must be
// the same each time. The channel is closed when the call has ended.
func (e *Errors) Send(on func(error), err error) (told <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one := letter{err, make(chan struct{})}
	if len(e.waiting) >= mostErrors {
		close(one.told)
		return one.told
	}
	e.waiting = append(e.waiting, one)
	if !e.running {
		e.running = true
		go e.deliver(on)
	}
	return one.told
}

func (e *Errors) deliver(on func(error)) {
	for one, ok := e.next(); ok; one, ok = e.next() {
		panicked := <-Run(Go, func() error { on(one.err); return nil })
		_ = panicked // Nobody is left to be told.
		close(one.told)
	}
}

// next returns the error that has waited for the longest time. Without one the goroutine ends.
func (e *Errors) next() (one letter, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		e.running, e.waiting = false, nil
		return one, false
	}
	one = e.waiting[0]
	e.waiting = e.waiting[1:]
	return one, true
}
