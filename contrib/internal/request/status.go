package request

import (
	"encoding/json"
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

// Unread is returned for a body that broke off.
type Unread struct{ Err error }

// Error returns a message for the client.
func (e *Unread) Error() string { return "The request body could not be read." }

// Unwrap returns the body's error.
func (e *Unread) Unwrap() error { return e.Err }

// Undecoded is returned for what encoding/json refuses as well.
type Undecoded struct {
	Parameter string // of a query string; "" for a body
	Standard  error  // encoding/json's
	message   string
}

func undecoded(parameter string, standard, refused error) error {
	e := &Undecoded{Parameter: parameter, Standard: standard}
	var kind *json.UnmarshalTypeError
	switch {
	case refused != nil:
		e.message = refused.Error()
	case errors.As(standard, &kind): // Its text names types of ours.
		e.message = wrongType(parameter, kind)
	case parameter != "":
		e.message = fmt.Sprintf("The parameter %q could not be decoded: %v", parameter, standard)
	default:
		e.message = fmt.Sprintf("The request body could not be decoded: %v", standard)
	}
	return e
}

// wrongType says which part of a request has a value of the wrong type.
func wrongType(parameter string, wrong *json.UnmarshalTypeError) string {
	switch {
	case parameter != "":
		return fmt.Sprintf("The parameter %q must not be a JSON %s.", parameter, wrong.Value)
	case wrong.Field != "":
		return fmt.Sprintf("The member %q of the request must not be a JSON %s.", wrong.Field, wrong.Value)
	case wrong.Value == "array":
		return "The request body is an array: this server takes one operation in a request."
	}
	return fmt.Sprintf("The request body must be a JSON object, not a %s.", wrong.Value)
}

// Error returns a message for the client.
func (e *Undecoded) Error() string { return e.message }

// Unwrap returns encoding/json's error.
func (e *Undecoded) Unwrap() error { return e.Standard }

// NotAllowedCode returns the code, Apollo Router's, of an operation that is not among the trusted
// documents; query is the text that came with it.
func NotAllowedCode(query string) string {
	if query == "" {
		return "PERSISTED_QUERY_NOT_IN_LIST"
	}
	return "QUERY_NOT_IN_SAFELIST"
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
