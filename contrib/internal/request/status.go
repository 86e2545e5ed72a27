package request

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gqlboost/gqlboost/simdjson"
)

// Error is returned for what HTTP refuses before a request is decoded.
type Error struct {
	Status  int // of the response
	Message string
}

// Error returns the message, which is for the client.
func (e *Error) Error() string { return e.Message }

// Refusal returns an error that the host answers with status.
func Refusal(status int, format string, args ...any) error {
	return &Error{status, fmt.Sprintf(format, args...)}
}

// Status returns the HTTP status that answers an error of this package or of
// simdjson's decoding. All hosts answer by it.
func Status(err error) int {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	var decoding *simdjson.RequestError
	if errors.As(err, &decoding) {
		switch decoding.Kind {
		case simdjson.BodyTooLarge, simdjson.BatchTooLarge:
			return http.StatusRequestEntityTooLarge
		case simdjson.Misconfigured:
			return http.StatusInternalServerError
		}
	}
	return http.StatusBadRequest
}
