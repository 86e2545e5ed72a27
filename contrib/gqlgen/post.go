package gqlgen

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"

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
	code, response := execute(r, exec, list[0], contentType, nil)
	p.write(w, code, response)
}

// execute runs an operation. allow may refuse it before it begins.
func execute(r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams, contentType string, allow func(*graphql.OperationContext) *refusal) (int, *graphql.Response) {
	ctx := r.Context()
	operation, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		return status(errs, contentType), exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs)
	}
	if allow != nil {
		if no := allow(operation); no != nil {
			return no.status, no.response
		}
	}
	responses, ctx := exec.DispatchOperation(ctx, operation)
	return http.StatusOK, responses(ctx)
}

// refusal is the answer to an operation that may not run.
type refusal struct {
	status   int
	response *graphql.Response
}

// execAll runs the operations of a batch.
func execAll(r *http.Request, exec graphql.GraphExecutor, list []*graphql.RawParams) []*graphql.Response {
	responses := make([]*graphql.Response, len(list))
	request.Each(len(list), func(i int) { _, responses[i] = execute(r, exec, list[i], accept.JSON, nil) })
	return responses
}

func writeBatch(w http.ResponseWriter, responses []*graphql.Response) {
	for _, r := range responses {
		check(r)
	}
	out := stream.NewWriter(w, inOne)
	out.BeginArray()
	for _, r := range responses {
		member(out, r)
	}
	out.EndArray()
	_ = out.Close() // The client has gone.
}
