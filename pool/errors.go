package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrExhausted is matched (errors.Is) by the [*ExhaustedError] of a pool that has no
// connection to give.
var ErrExhausted = errors.New("pool: exhausted")

// ExhaustedError tells why there was no connection.
type ExhaustedError struct {
	Waited time.Duration // by this caller
	Limit  int           // connections that may be in use at a time
	Queue  int           // callers that wait, with this one
	Full   bool          // the queue had no place, so the caller has not waited
	Shed   bool          // it waited longer than TargetWait in a queue that does not empty
}

// Error tells it all.
func (e *ExhaustedError) Error() string {
	if e.Full {
		return fmt.Sprintf("pool: exhausted: all %d connections are in use, and %d callers wait already", e.Limit, e.Queue-1)
	}
	if e.Shed {
		return fmt.Sprintf("pool: exhausted: shed after %v: more comes than %d connections can do, %d callers wait", e.Waited.Round(time.Millisecond), e.Limit, e.Queue)
	}
	return fmt.Sprintf("pool: exhausted: no connection within %v: all %d are in use, %d callers wait", e.Waited.Round(time.Millisecond), e.Limit, e.Queue)
}

// Is matches [ErrExhausted], and context.DeadlineExceeded, which is what pgxpool's
// callers know.
func (e *ExhaustedError) Is(target error) bool {
	return target == ErrExhausted || target == context.DeadlineExceeded
}

// Timeout tells that trying again later may help.
func (e *ExhaustedError) Timeout() bool { return true }

// down tells of an error with which a server refuses all, for now.
func down(e *pgconn.PgError) bool {
	switch e.Code {
	case "57P01", "57P02", "57P03", "53300": // shutdown, crash, starting, too many connections
		return true
	}
	return strings.HasPrefix(e.Code, "08") // of the connection
}
