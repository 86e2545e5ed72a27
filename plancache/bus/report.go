package bus

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// reports are errors for OnError, which may block and may call the link: so it is called by a
// goroutine of its own, which ends when there are none.
type reports struct {
	mu      sync.Mutex
	waiting []error
	running bool
}

// mostReports bounds the errors that wait for OnError. Further ones are only counted.
const mostReports = 64

// report counts an error that no caller gets, and has OnError called.
func (l *Link) report(err error) {
	l.counts.errors.Add(1)
	if l.options.OnError == nil {
		return
	}
	r := &l.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) < mostReports {
		r.waiting = append(r.waiting, err)
	}
	if !r.running {
		r.running = true
		go l.tellErrors()
	}
}

func (l *Link) tellErrors() {
	for err := l.reports.next(); err != nil; err = l.reports.next() {
		ended := isolated(func(f func()) { go f() }, func() error { l.options.OnError(err); return nil })
		_ = <-ended // Nobody is left to be told.
	}
}

// next returns the error that has waited for the longest time, or nil, which ends the goroutine.
func (r *reports) next() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.running, r.waiting = false, nil
		return nil
	}
	err := r.waiting[0]
	r.waiting = r.waiting[1:]
	return err
}

// isolated runs what is not ours on a goroutine of its own, and sends its error when it has ended,
// also by a panic or by runtime.Goexit.
func isolated(run func(func()), f func() error) <-chan error {
	done := make(chan error, 1)
	run(func() {
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("bus: a panic: %v\n%s", v, debug.Stack())
			}
			done <- err
		}()
		err = f()
	})
	return done
}

var errGoexit = errors.New("bus: runtime.Goexit was called")
