package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Shutdown drains the instance and closes it, see the package's comment. If ctx ends, nothing
// more is waited for, see [Lifecycle.Hurry]: components are closed all the same. Each call
// waits until the instance is closed, and returns what the first does: the errors of the
// components, and an error that matches [ErrCut] if requests did not end in time. A component must not
// call it: the end would wait for itself, until the component's time is over.
func (l *Lifecycle) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	l.ending.Do(func() { go l.shutdown() })
	select {
	case <-l.closed:
	case <-ctx.Done():
		l.Hurry()
		<-l.closed
	}
	return l.endErr
}

// Hurry makes a shutdown, now or later, tell all work to end at once: it waits for CutGrace and
// for the functions of components only. It does not begin one.
func (l *Lifecycle) Hurry() { l.hurried.Do(func() { close(l.hurry) }) }

func (l *Lifecycle) shutdown() {
	began := time.Now()
	l.reach(Draining)
	close(l.draining)
	l.mu.Lock()
	begun, ready := l.begun, l.ready
	l.mu.Unlock()
	if begun {
		<-l.started // Its context has ended.
	}
	l.mu.Lock()
	opened := slices.Clone(l.components[:l.opened])
	l.mu.Unlock()
	slices.Reverse(opened)
	ctx := context.Background()
	var errs []error
	for _, c := range opened {
		errs = append(errs, c.call(ctx, "Drain", c.Drain, endTimeout))
	}
	if ready { // Otherwise no balancer sends requests.
		l.pause(l.options.DrainDelay-time.Since(began), nil)
	}
	errs = append(errs, l.finish())
	for _, c := range opened {
		errs = append(errs, c.call(ctx, "Close", c.Close, endTimeout))
	}
	l.endErr = errors.Join(errs...)
	l.reach(Closed)
	close(l.closed)
}

// finish sheds new work, and waits for the rest.
func (l *Lifecycle) finish() (err error) {
	l.mu.Lock()
	l.shedding = true
	l.look()
	servers := slices.Clone(l.servers)
	l.mu.Unlock()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	quiet := make(chan struct{}) // No server has a connection with a request.
	go func() {
		defer close(quiet)
		var all sync.WaitGroup
		for _, s := range servers {
			all.Go(func() { _ = s.Shutdown(ctx) }) // One that fails is closed below.
		}
		all.Wait()
	}()
	idle := make(chan struct{})
	go func() {
		<-l.work.idle
		<-quiet
		close(idle)
	}()
	grace := min(l.options.StreamGrace, l.options.DrainTimeout)
	if l.pause(grace, idle) {
		return nil
	}
	l.end(Stream)
	if l.pause(l.options.DrainTimeout-grace, idle) {
		return nil
	}
	if n := l.end(Request) + l.work.unknown(); n > 0 {
		l.work.cut.Add(uint64(n))
		err = fmt.Errorf("%w: %d requests had not ended after DrainTimeout, or were not waited for", ErrCut, n)
	}
	if await(l.options.CutGrace, idle, nil) { // No hurry ends it.
		return err
	}
	l.mu.Lock()
	left := l.work.running[Request] + l.work.running[Stream] + l.work.unknown()
	l.mu.Unlock()
	for _, s := range servers {
		err = errors.Join(err, closeServer(s))
	}
	l.work.sever() // A server does not close what was hijacked.
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d requests and streams did not end within CutGrace", ErrCut, left))
	}
	return err
}

func closeServer(s *http.Server) error {
	if err := s.Close(); err != nil {
		return fmt.Errorf("lifecycle: closing the server on %q: %w", s.Addr, err)
	}
	return nil
}

// pause waits, unless there is a hurry, and reports whether what it waited for has come.
func (l *Lifecycle) pause(d time.Duration, until <-chan struct{}) bool {
	if d <= 0 || came(l.hurry) {
		return came(until)
	}
	return await(d, until, l.hurry)
}

// await waits until something comes, for d at most and until there is a hurry, and reports whether it
// has come.
func await(d time.Duration, until, hurry <-chan struct{}) bool {
	select {
	case <-until:
	case <-time.After(d):
	case <-hurry:
	}
	return came(until)
}

func came(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
