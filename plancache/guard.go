package plancache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// PanicError is a panic of a callback: of a build, for all who waited for it, or of any
// other function of a configuration, for Options.OnError.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

// Error implements error.
func (e *PanicError) Error() string {
	return fmt.Sprintf("plancache: a callback panicked: %v", e.Value)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// errGoexit is the error of a callback that ended its goroutine.
var errGoexit error = &PanicError{Value: "runtime.Goexit was called"}

// protect turns a panic into an error.
func protect[T any](ctx context.Context, f func(context.Context) (T, error)) (value T, err error) {
	ended := false
	defer func() {
		if !ended {
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	value, err = f(ctx)
	ended = true
	return value, err
}

// guard calls a callback that returns no error. It reports a panic, and whether there was
// none. A callback may also end its goroutine, and guard does not return.
func guard[T any](report func(error), name string, f func() T) (value T, ok bool) {
	defer func() {
		if !ok {
			err := errGoexit
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: debug.Stack()}
			}
			report(fmt.Errorf("plancache: %s: %w", name, err))
		}
	}()
	return f(), true
}

// within runs f until the context ends. A function that ignores its context goes on alone;
// abandoned counts those.
func within[T any](ctx context.Context, abandoned *atomic.Int32, f func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome) // not buffered: either both sides see the outcome or none
	go func() {
		o := outcome{err: errGoexit}
		defer func() {
			select {
			case done <- o:
			case <-ctx.Done():
				abandoned.Add(-1)
			}
		}()
		o.value, o.err = protect(ctx, f)
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		abandoned.Add(1)
		var none T
		return none, ctx.Err()
	}
}
