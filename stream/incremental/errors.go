package incremental

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/gqlboost/gqlboost/stream"
)

var (
	// ErrNotAccepted is wrapped by the error of New if the client does not accept parts, or the
	// ResponseWriter cannot abort or flush a response.
	ErrNotAccepted = errors.New("incremental: the result cannot be sent in parts")
	// ErrClosed is the error of using a delivery after Close.
	ErrClosed = errors.New("incremental: the delivery is closed")
	// ErrEnded is the error of a part that was announced when the client had been told
	// that nothing follows.
	ErrEnded = errors.New("incremental: the result has ended: announce a part before the last open one is complete, or " +
		"use Hold")

	errComplete = errors.New("incremental: the part is complete already")
	errExited   = errors.New("incremental: a body, a value or the ResponseWriter has called runtime.Goexit")
)

// PanicError is a panic of a body.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value. The stack is for the log.
func (e *PanicError) Error() string { return fmt.Sprintf("incremental: body panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// call calls body, and returns its panic as an error.
func call(body func(*stream.Writer) error, w *stream.Writer) (err error) {
	defer recovered(&err)
	return body(w)
}

// recovered is deferred.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}
