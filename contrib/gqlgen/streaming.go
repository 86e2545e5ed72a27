package gqlgen

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
	"github.com/gqlboost/gqlboost/stream"
)

// streaming lets a compiled schema send data while it makes them.
type streaming struct {
	w           http.ResponseWriter
	r           *http.Request
	contentType string

	response *stream.Response // nil as long as nothing has been sent
	data     io.WriteCloser
	broken   error
	ended    bool
}

var _ sink.Sink = (*streaming)(nil)

// Breaks implements [sink.Sink].
func (s *streaming) Breaks() bool { return stream.CanAbort(s.w, s.r) }

// Begin implements [sink.Sink].
func (s *streaming) Begin() io.Writer {
	s.response = stream.Begin(s.w, s.r, stream.Options{ContentType: s.contentType})
	s.response.BeginObject()
	s.response.Name("data")
	s.data = s.response.Pieces()
	return s.data
}

// Flush implements [sink.Sink].
func (s *streaming) Flush() error { return s.response.Flush() }

// Break implements [sink.Sink].
func (s *streaming) Break(err error) { s.broken = err }

// begun reports whether something has been sent.
func (s *streaming) begun() bool { return s.response != nil }

// end ends a response that has begun with what else is in it. Errors come behind the data.
func (s *streaming) end(r *graphql.Response) {
	err := s.broken
	if err == nil {
		m := prepare(r) // It panics if an extension is no JSON.
		_ = s.data.Close()
		raw(s.response.Writer, "errors", m.errors)
		raw(s.response.Writer, "extensions", m.extensions)
	}
	s.ended = true
	_ = s.response.End(err) // The client has gone, or sees that the response has no end.
}

// abandon breaks a response off that has not been ended, because of a panic.
func (s *streaming) abandon() {
	if s.begun() && !s.ended {
		_ = s.response.End(errAbandoned)
	}
}

var errAbandoned = errors.New("gqlgen: a panic while the response was being sent")

// Direct implements [sink.Sink]: it compares the functions that are being called with those
// that are if no middleware of gqlgen's is between the transport and the schema. Any that sees
// the response is one of them, whatever it is.
func (*streaming) Direct() bool {
	plain := plainCalls()
	return plain != nil && slices.Equal(calls(), plain)
}

// plainCalls are the calls between a schema and its transport where there is no middleware.
var plainCalls = sync.OnceValue(func() []string {
	s := &probe{schema: gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a: Int }"})}
	execute(unsent(), executor.New(s), &graphql.RawParams{Query: "{ a }"}, "", nil, nil)
	return s.calls
})

// unsent is a request that nobody has sent.
func unsent() *http.Request {
	return (&http.Request{}).WithContext(graphql.StartOperationTrace(context.Background()))
}

// probe is a schema that looks at who calls it.
type probe struct {
	graphql.ExecutableSchema
	schema *ast.Schema
	calls  []string
}

func (p *probe) Schema() *ast.Schema { return p.schema }

func (p *probe) Exec(context.Context) graphql.ResponseHandler {
	return func(context.Context) *graphql.Response {
		p.calls = calls()
		return &graphql.Response{}
	}
}

const (
	thisPackage     = "github.com/gqlboost/gqlboost/contrib/gqlgen"
	compiledPackage = thisPackage + "/compiled."
	transport       = thisPackage + ".respond"
)

// calls returns the functions between respond and its caller, without those of the schema; nil
// if respond is not among them.
func calls() []string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	var list []string
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		switch {
		case frame.Function == transport:
			return list
		case list == nil && ofSchema(frame.Function):
		default:
			list = append(list, frame.Function)
		}
	}
	return nil
}

// ofSchema reports whether a function is one of a compiled schema, or a method of this package.
func ofSchema(name string) bool {
	return strings.HasPrefix(name, compiledPackage) || strings.HasPrefix(name, thisPackage+".(*")
}
