package gqlgen

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/internal/accept"
	"github.com/gqlboost/gqlboost/stream"
)

// POST returns a transport that takes the place of gqlgen's transport.POST. It is safe
// for concurrent use.
func POST(o Options) graphql.Transport { return &post{newBase(o)} }

type post struct{ base }

// Supports reports whether it takes a request.
func (p *post) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" && (p.Strict || request.IsJSON(r))
}

// Do answers a request.
func (p *post) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	contentType := p.begin(w, r)
	if p.Strict && !request.IsJSON(r) {
		p.refuse(w, r, exec, request.ErrMediaType)
		return
	}
	list, batch, err := p.decode(w, r)
	if err != nil {
		p.refuse(w, r, exec, err)
		return
	}
	if batch {
		writeBatch(w, execAll(r, exec, list))
		return
	}
	p.respond(w, r, exec, list[0], contentType, nil)
}

// answer is what an operation was answered.
type answer struct {
	status   int
	response *graphql.Response
	ctx      context.Context // of the operation; nil if there was none
}

// execute runs an operation. allow may refuse it before it begins, and it may stream to
// s; both may be nil.
func execute(
	r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams, contentType string,
	allow func(*graphql.OperationContext) *answer, s *streaming,
) answer {
	ctx := r.Context()
	operation, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		ctx = graphql.WithOperationContext(ctx, operation)
		return answer{status(errs, contentType), exec.DispatchError(ctx, errs), ctx}
	}
	if allow != nil {
		if no := allow(operation); no != nil {
			no.ctx = ctx
			return *no
		}
	}
	keepArenas(ctx, operation)
	responses, ctx := exec.DispatchOperation(ctx, operation)
	return answer{http.StatusOK, respond(responses, ctx, s), ctx}
}

// respond asks for the response. It is known by its name, see plainCalls.
//
//go:noinline
func respond(responses graphql.ResponseHandler, ctx context.Context, s *streaming) *graphql.Response {
	if s != nil {
		ctx = sink.With(ctx, s)
	}
	return responses(ctx)
}

// respond runs an operation and writes its answer.
func (b *base) respond(
	w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams, contentType string,
	allow func(*graphql.OperationContext) *answer,
) {
	if b.StandardResponses {
		b.write(w, execute(r, exec, params, contentType, allow, nil))
		return
	}
	s := &streaming{w: w, r: r, contentType: contentType}
	defer s.abandon()
	a := execute(r, exec, params, contentType, allow, s)
	if s.begun() {
		s.end(a.response)
		return
	}
	b.write(w, a)
}

// execAll runs the operations of a batch.
func execAll(r *http.Request, exec graphql.GraphExecutor, list []*graphql.RawParams) []answer {
	answers := make([]answer, len(list))
	request.Each(len(list), func(i int) { answers[i] = execute(r, exec, list[i], accept.JSON, nil, nil) })
	return answers
}

func writeBatch(w http.ResponseWriter, answers []answer) {
	list := make([]prepared, len(answers))
	for i, a := range answers {
		list[i] = prepare(a.response)
	}
	setCacheControl(w.Header(), answers...)
	out := stream.NewWriter(w, inOne)
	out.BeginArray()
	for _, m := range list {
		m.write(out)
	}
	out.EndArray()
	_ = out.Close() // The client has gone.
}
