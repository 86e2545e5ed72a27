package lifecycle

import (
	"context"
	"errors"
	"slices"
)

// Start starts and warms the components, after which the instance is ready. It fails if a
// component does, or if ctx ends or the instance is shut down meanwhile; what had started is closed
// then. Another call waits for the first, and returns what that does.
func (l *Lifecycle) Start(ctx context.Context) error {
	first, err := l.begin(ctx)
	if err != nil {
		return err
	}
	if first {
		l.startErr = l.startOrClose(ctx)
		close(l.startEnd)
	}
	<-l.startEnd
	return l.startErr
}

var errNoContext = errors.New("lifecycle: the context is nil")

// begin reports whether this is the first call. It refuses to start what is being shut down.
func (l *Lifecycle) begin(ctx context.Context) (first bool, err error) {
	if ctx == nil {
		return false, errNoContext
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.begun:
		return false, nil
	case l.state == Draining:
		return false, ErrDraining
	case l.state == Closed:
		return false, ErrClosed
	}
	l.begun = true
	return true, nil
}

func (l *Lifecycle) startOrClose(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-l.draining:
			cancel(ErrDraining)
		case <-ctx.Done():
		}
	}()
	err := l.start(ctx)
	close(l.started)
	if err != nil {
		err = errors.Join(err, l.Shutdown(context.Background()))
	}
	return err
}

// start returns an error if the instance does not become ready.
func (l *Lifecycle) start(ctx context.Context) error {
	l.mu.Lock()
	components := slices.Clone(l.components)
	l.mu.Unlock()
	for _, c := range components {
		if err := l.interrupted(ctx); err != nil {
			return err
		}
		if err := c.call(ctx, "Start", c.Start, openTimeout); err != nil {
			return err
		}
		l.mu.Lock()
		l.opened++
		l.mu.Unlock()
	}
	l.reach(Warming)
	for _, c := range components {
		if err := l.interrupted(ctx); err != nil {
			return err
		}
		err := c.call(ctx, "Warm", c.Warm, openTimeout)
		if ctx.Err() == nil {
			l.report(err)
		}
	}
	if err := l.interrupted(ctx); err != nil {
		return err
	}
	if !l.reach(Ready) {
		return ErrDraining
	}
	return nil
}

// interrupted returns why the start must not go on.
func (l *Lifecycle) interrupted(ctx context.Context) error {
	if l.State() >= Draining {
		return ErrDraining
	}
	return context.Cause(ctx)
}
