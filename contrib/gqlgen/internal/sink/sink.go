// Package sink is between contrib/gqlgen's transports, which can send data while they are made,
// and the compiled schema, which makes them.
package sink

import (
	"context"
	"io"
)

// Sink is what a transport offers to an operation. It is for one goroutine.
type Sink interface {
	// Direct reports whether the transport itself has called its caller for the response, so
	// that there is nobody else who would see the data in it.
	Direct() bool
	// Breaks reports whether the client would see that a response breaks off. If not, the
	// response is returned whole. It is asked when there is something to send.
	Breaks() bool
	// Begin begins the response, whose data are what is then written. They are complete when
	// the caller returns its response, which has no data.
	Begin() io.Writer
	// Flush sends what has been written. Without it more may be waited for.
	Flush() error
	// Break says that the data cannot be completed.
	Break(err error)
}

type key struct{}

// With returns a context with a sink.
func With(ctx context.Context, s Sink) context.Context { return context.WithValue(ctx, key{}, s) }

// From returns the sink of a context, nil if there is none.
func From(ctx context.Context) Sink {
	s, _ := ctx.Value(key{}).(Sink)
	return s
}
