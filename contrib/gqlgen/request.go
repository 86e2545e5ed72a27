package gqlgen

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/simdjson"
)

// decode reads the operations of a body. An error is a *simdjson.RequestError.
func (b *base) decode(w http.ResponseWriter, r *http.Request) (list []*graphql.RawParams, batch bool, err error) {
	start := graphql.Now()
	var operations []request.Operation
	if b.StandardRequests {
		operations = make([]request.Operation, 1)
		operations[0], err = b.requests.Standard(w, r)
	} else {
		operations, batch, err = b.requests.Post(w, r)
	}
	if err != nil {
		if e, ok := err.(*simdjson.RequestError); ok && e.Err == nil && e.Message == nullBody {
			operations, err = make([]request.Operation, 1), nil // For gqlgen it is an operation without a query.
		} else {
			return nil, false, err
		}
	}
	for _, o := range operations {
		list = append(list, &graphql.RawParams{
			Query: o.Query, OperationName: o.OperationName, Variables: o.Variables, Extensions: o.Extensions, Headers: r.Header,
			ReadTime: graphql.TraceTiming{Start: start, End: graphql.Now()},
		})
	}
	return list, batch, nil
}

// nullBody is what simdjson says of a body that is null.
const nullBody = "The request body must be an object or an array of objects, not null."
