package lifecycle

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	openTimeout = time.Minute     // of Start and Warm
	endTimeout  = 3 * time.Second // of Drain and Close
	// hookGrace is how long a function has to return after its context has ended.
	hookGrace = time.Second
)

// call runs a function of a component, and waits for it as long as its context lasts.
func (c *Component) call(ctx context.Context, name string, f func(context.Context) error, usual time.Duration) error {
	if f == nil {
		return nil
	}
	name = fmt.Sprintf("%s of component %q", name, c.Name)
	timeout := c.Timeout
	if timeout == 0 {
		timeout = usual
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no end within %v: %w", timeout,
		context.DeadlineExceeded))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("lifecycle: %s called runtime.Goexit", name)
		defer func() { done <- err }()
		err = guarded(name, func() error { return f(ctx) })
	}()
	select {
	case err := <-done:
		return hookError(name, err)
	case <-ctx.Done():
	}
	late := time.NewTimer(hookGrace)
	defer late.Stop()
	select {
	case err := <-done:
		return hookError(name, err)
	case <-late.C:
		return fmt.Errorf("lifecycle: %s is left behind, it does not return: %w", name, context.Cause(ctx))
	}
}

func hookError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lifecycle: %s: %w", name, err)
}

// guarded makes a panic an error.
func guarded(name string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("lifecycle: %s panicked: %v\n%s", name, v, debug.Stack())
		}
	}()
	return f()
}
