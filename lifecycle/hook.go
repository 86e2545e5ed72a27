package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
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
	done := callback.Run(callback.Go, func() error { return f(ctx) })
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(hookGrace):
			return fmt.Errorf("lifecycle: %s is left behind, it does not return: %w", name, context.Cause(ctx))
		}
	}
	if err != nil {
		return fmt.Errorf("lifecycle: %s: %w", name, err)
	}
	return nil
}
