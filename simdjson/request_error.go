package simdjson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// RequestErrorKind is what is wrong with a body that is not a GraphQL request. A
// host chooses its answer by it: contrib's hosts answer by the HTTP statuses 400,
// 413 for what is too large, and 500 for Misconfigured.
type RequestErrorKind uint8

const (
	// NotJSON is a body that is not valid JSON.
	NotJSON RequestErrorKind = iota + 1
	// NotRequest is JSON that is not a GraphQL request.
	NotRequest
	// BodyTooLarge is a body, or a form's parameters together, above Options.MaxBytes.
	BodyTooLarge
	// BatchTooLarge is a batch above Options.MaxBatch.
	BatchTooLarge
	// Misconfigured is not the body's fault: Options.Kernel or Options.Mode is unknown.
	Misconfigured
)

var requestErrorKinds = [...]string{
	NotJSON: "not JSON", NotRequest: "not a request", BodyTooLarge: "body too large", BatchTooLarge: "batch too large",
	Misconfigured: "misconfigured",
}

// String returns the kind in words.
func (k RequestErrorKind) String() string {
	if int(k) < len(requestErrorKinds) && k > 0 {
		return requestErrorKinds[k]
	}
	return "RequestErrorKind(" + strconv.Itoa(int(k)) + ")"
}

// RequestError is returned for a body that is not a GraphQL request.
type RequestError struct {
	Kind RequestErrorKind
	// Message is for the client.
	Message string
	Err     error // the cause, or nil
}

// Error returns the message.
func (e *RequestError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

func badRequest(format string, args ...any) error {
	return &RequestError{Kind: NotRequest, Message: fmt.Sprintf(format, args...)}
}

// notParsed wraps an error of parse.
func notParsed(err error) error {
	kind, message := Misconfigured, "The server cannot read requests: its JSON parser is misconfigured."
	switch syntax := (*SyntaxError)(nil); {
	case errors.Is(err, ErrTooLarge):
		message = "The request body is too large" + strings.TrimPrefix(err.Error(), ErrTooLarge.Error())
		kind = BodyTooLarge
	case errors.As(err, &syntax):
		kind, message = NotJSON, "The request body is not valid JSON: "+err.Error()
	}
	return &RequestError{Kind: kind, Message: message, Err: err}
}
