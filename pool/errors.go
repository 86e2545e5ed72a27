package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/pool/reader"
)

var (
	// ErrExhausted is matched (errors.Is) by the [*ExhaustedError] of a pool that has no
	// connection to give.
	ErrExhausted = reader.ErrExhausted
	// ErrClosed is matched by what a pool or its Reader returns after Close.
	ErrClosed = reader.ErrClosed
	// ErrNotRead is matched by the Reader's error for a statement that is not a read, or that
	// could change the session or the transaction of others.
	ErrNotRead = reader.ErrNotRead
)

// ExhaustedError reports why no connection was available.
type ExhaustedError struct {
	Waited time.Duration // by this caller
	Limit  int           // connections that may be in use at a time
	Queue  int           // callers that wait, with this one
	Full   bool          // the queue had no place, so the caller has not waited
	Shed   bool          // it waited longer than TargetWait in a queue that does not empty
	// Opening reports that there was room for the caller, but its connection was not opened, or
	// did not answer, in time.
	Opening bool
}

// Error implements error.
func (e *ExhaustedError) Error() string {
	if e.Full {
		return fmt.Sprintf("pool: exhausted: all %d connections are in use, and %d callers wait already", e.Limit, e.Queue-1)
	}
	if e.Shed {
		return fmt.Sprintf("pool: exhausted: shed after %v: more comes than %d connections can do, %d callers wait", e.Waited.Round(time.Millisecond), e.Limit, e.Queue)
	}
	if e.Opening {
		const format = "pool: exhausted: no connection within %v: the server has not accepted or answered one"
		return fmt.Sprintf(format, e.Waited.Round(time.Millisecond))
	}
	return fmt.Sprintf("pool: exhausted: no connection within %v: all %d are in use, %d callers wait", e.Waited.Round(time.Millisecond), e.Limit, e.Queue)
}

// Is matches [ErrExhausted], and context.DeadlineExceeded, which is what pgxpool's
// callers know.
func (e *ExhaustedError) Is(target error) bool {
	return target == ErrExhausted || target == context.DeadlineExceeded
}

// Timeout returns true: trying again later may help.
func (e *ExhaustedError) Timeout() bool { return true }
