package gqlgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/internal/accept"
	"github.com/gqlboost/gqlboost/simdjson"
	"github.com/gqlboost/gqlboost/stream"
)

// begin sets the headers of a response, and returns its type.
func (b *base) begin(w http.ResponseWriter, r *http.Request) (contentType string) {
	h := w.Header()
	for name, values := range b.ResponseHeaders {
		for _, v := range values {
			h.Add(name, v)
		}
		if contentType == "" && strings.EqualFold(name, "Content-Type") {
			contentType = values[0]
		}
	}
	if contentType == "" {
		contentType = b.accepted(r)
		h.Add("Content-Type", contentType)
	}
	return contentType
}

// accepted returns the type of a response.
func (b *base) accepted(r *http.Request) string {
	usual := accept.JSON
	if b.GraphQLResponse {
		usual = accept.GraphQL
	}
	return accept.AsGqlgen(r, usual)
}

// status is that of errors in a request, as gqlgen has it.
func status(errs gqlerror.List, contentType string) int {
	switch {
	case errcode.GetErrorKind(errs) != errcode.KindProtocol:
		return http.StatusOK
	case contentType == accept.GraphQL:
		return http.StatusBadRequest
	default:
		return http.StatusUnprocessableEntity
	}
}

// refuse answers a request that is none.
func (b *base) refuse(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, err error) {
	code, message := request.Status(err), err.Error()
	if e := (*request.Unread)(nil); errors.As(err, &e) {
		code, message = http.StatusOK, fmt.Sprintf("could not read request body: %+v", e.Err)
	} else if e := (*request.Undecoded)(nil); errors.As(err, &e) {
		message = fmt.Sprintf("json request body could not be decoded: %+v", e.Standard)
	}
	b.write(w, code, exec.DispatchError(r.Context(), gqlerror.List{{Message: message, Err: err}}))
}

// inOne makes most responses one write: they are all there, so there is nothing to gain
// from sending the first part early.
var inOne = stream.Options{MinChunk: 64 << 10}

// write writes a response. Like gqlgen it panics if that is no JSON, which is what a
// scalar's MarshalGQL can make of it; handler.Server answers by 500 then. It leaves the
// length to net/http, which counts what a middleware makes of the response.
func (b *base) write(w http.ResponseWriter, code int, response *graphql.Response) {
	if b.StandardResponses {
		text, err := json.Marshal(response)
		if err != nil {
			panic(fmt.Errorf("gqlgen: the response is not JSON: %w", err))
		}
		if code != http.StatusOK {
			w.WriteHeader(code)
		}
		_, _ = w.Write(text) // The client has gone.
		return
	}
	check(response)
	if code != http.StatusOK {
		w.WriteHeader(code)
	}
	out := stream.NewWriter(w, inOne)
	member(out, response)
	_ = out.Close() // The client has gone.
}

// check makes the data of a response JSON if only its encoding is wrong, and panics if
// it is none. gqlgen copies strings that are not UTF-8 as they are; who decodes them has
// U+FFFD in the place of each byte.
func check(response *graphql.Response) {
	if response == nil || response.Data == nil || simdjson.Valid(response.Data) {
		return
	}
	if !utf8.Valid(response.Data) {
		response.Data = []byte(string([]rune(string(response.Data))))
	}
	if !simdjson.Valid(response.Data) {
		panic(fmt.Errorf("gqlgen: the response is not JSON: %.1000s", response.Data))
	}
}

// member writes a response as a value.
func member(out *stream.Writer, r *graphql.Response) {
	if r == nil {
		out.Null()
		return
	}
	out.BeginObject()
	if len(r.Errors) > 0 {
		out.Name("errors")
		other(out, r.Errors)
	}
	out.Name("data")
	data(out, r)
	if r.Label != "" {
		out.Name("label")
		out.String(r.Label)
	}
	if len(r.Path) > 0 {
		out.Name("path")
		other(out, r.Path)
	}
	if r.HasNext != nil {
		out.Name("hasNext")
		out.Bool(*r.HasNext)
	}
	if len(r.Extensions) > 0 {
		out.Name("extensions")
		other(out, r.Extensions)
	}
	out.EndObject()
}

// other writes what gqlgen and its extensions have made, of any types. Like gqlgen it
// panics if that cannot be JSON.
func other(out *stream.Writer, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("gqlgen: the response is not JSON: %w", err))
	}
	out.Raw(text)
}
