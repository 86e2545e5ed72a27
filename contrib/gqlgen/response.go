package gqlgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
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

// refuse answers an invalid request.
func (b *base) refuse(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, err error) {
	code, message := request.Status(err), err.Error()
	if e := (*request.Unread)(nil); errors.As(err, &e) {
		code, message = http.StatusOK, fmt.Sprintf("could not read request body: %+v", e.Err)
	} else if e := (*request.Undecoded)(nil); errors.As(err, &e) {
		message = fmt.Sprintf("json request body could not be decoded: %+v", e.Standard)
	}
	response := exec.DispatchError(r.Context(), gqlerror.List{{Message: message, Err: err}})
	b.write(w, answer{status: code, response: response})
}

// inOne makes most responses one write: they are all there, so there is nothing to gain
// from sending the first part early.
var inOne = stream.Options{MinChunk: 64 << 10}

// write writes an answer. It leaves the length to net/http, which counts what a middleware
// makes of the response.
func (b *base) write(w http.ResponseWriter, a answer) {
	var write func()
	if b.StandardResponses {
		text := marshal(a.response)
		write = func() { _, _ = w.Write(text) } // The client has gone.
	} else {
		m := prepare(a.response)
		write = func() {
			out := stream.NewWriter(w, inOne)
			m.write(out)
			_ = out.Close() // The client has gone.
		}
	}
	setCacheControl(w.Header(), a)
	if a.status != http.StatusOK {
		w.WriteHeader(a.status)
	}
	write()
}

// prepared is a response of which all parts are JSON, so that nothing can fail when its
// first part has been sent.
type prepared struct {
	*graphql.Response
	errors, path, extensions []byte
}

// prepare makes what gqlgen and its extensions have made, of any types, JSON.
func prepare(r *graphql.Response) (m prepared) {
	if r == nil {
		return m
	}
	check(r)
	m.Response = r
	if len(r.Errors) > 0 {
		m.errors = marshal(r.Errors)
	}
	if len(r.Path) > 0 {
		m.path = marshal(r.Path)
	}
	if len(r.Extensions) > 0 {
		m.extensions = marshal(r.Extensions)
	}
	return m
}

// marshal returns the JSON of a value. Like gqlgen it panics if there is none, which is
// what a scalar's MarshalGQL can make of a response; handler.Server answers by 500 then.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("gqlgen: the response is not JSON: %w", err))
	}
	return text
}

// check makes the data of a response JSON if only its encoding is wrong, and panics like
// marshal if it is none.
func check(response *graphql.Response) {
	if response == nil || response.Data == nil || simdjson.Valid(response.Data) {
		return
	}
	response.Data = sink.ValidUTF8(response.Data)
	if !simdjson.Valid(response.Data) {
		panic(fmt.Errorf("gqlgen: the response is not JSON: %.1000s", response.Data))
	}
}

// write writes the response as a value.
func (m prepared) write(out *stream.Writer) {
	if m.Response == nil {
		out.Null()
		return
	}
	out.BeginObject()
	raw(out, "errors", m.errors)
	out.Name("data")
	data(out, m.Response)
	if m.Label != "" {
		out.Name("label")
		out.String(m.Label)
	}
	raw(out, "path", m.path)
	if m.HasNext != nil {
		out.Name("hasNext")
		out.Bool(*m.HasNext)
	}
	raw(out, "extensions", m.extensions)
	out.EndObject()
}

// raw writes a member that is there.
func raw(out *stream.Writer, name string, text []byte) {
	if text != nil {
		out.Name(name)
		out.Raw(text)
	}
}
