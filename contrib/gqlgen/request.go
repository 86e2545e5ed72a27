package gqlgen

import (
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
)

// decode reads the operations of a body. An error is one that request.Status knows.
func (b *base) decode(w http.ResponseWriter, r *http.Request) (list []*graphql.RawParams, batch bool, err error) {
	start := graphql.Now()
	operations, batch, err := b.requests.Post(w, r)
	if err != nil {
		return nil, false, err
	}
	for _, o := range operations {
		p := params(o, r, start)
		if batch { // They run at once, and a middleware may change what it takes for its own.
			p.Headers = p.Headers.Clone()
		}
		list = append(list, p)
	}
	return list, batch, nil
}

// params is an operation as gqlgen takes it.
func params(o request.Operation, r *http.Request, start time.Time) *graphql.RawParams {
	return &graphql.RawParams{
		Query: o.Query, OperationName: o.OperationName, Variables: o.Variables, Extensions: o.Extensions, Headers: r.Header,
		ReadTime: graphql.TraceTiming{Start: start, End: graphql.Now()},
	}
}
