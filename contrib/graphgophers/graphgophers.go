// Package graphgophers serves a schema of graph-gophers/graphql-go with gqlboost's blocks:
//
//	http.Handle("/graphql", graphgophers.New(schema, graphgophers.Options{MaxBatch: 10, Persisted: persisted}))
//
// It takes the place of relay.Handler: requests are decoded by simdjson, and the data
// goes to the client as the executor has made it. GET, persisted queries, batches and the
// statuses of GraphQL over HTTP come with it. All options of the schema hold. A body must be
// application/json, which relay.Handler does not look at.
//
// # What cannot be done
//
// Schema.Exec parses and validates each query again, and takes no document that was parsed
// before: plancache can keep the texts of persisted queries and whole results
// (plancache.Results), but no plans. The executor makes the whole response before it
// returns, so stream cannot send its beginning early, and there is no @defer.
package graphgophers

import (
	"net/http"

	graphql "github.com/graph-gophers/graphql-go"

	"github.com/gqlboost/gqlboost/contrib/internal/host"
	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/stream"
)

// Options configures a handler. The zero value works for most programs.
type Options = host.Options

// Handler serves a schema.
type Handler = host.Handler

// New returns a handler of a schema. It panics for a nil one, as [graphql.MustParseSchema] does for
// one that is wrong: each request would.
func New(schema *graphql.Schema, o Options) *Handler {
	if schema == nil {
		panic("graphgophers: the schema is nil")
	}
	return host.New(o, func(r *http.Request, o request.Operation) host.Result {
		response := schema.Exec(r.Context(), o.Query, o.OperationName, o.Variables)
		status := 0
		if response.Data == nil {
			status = host.Failed(r.Context(), http.StatusBadRequest)
		}
		return host.Result{Status: status, Write: func(w *stream.Writer) {
			if len(response.Errors) > 0 {
				w.Name("errors")
				_ = w.Any(response.Errors) // The writer keeps its error.
			}
			if response.Data != nil {
				w.Name("data")
				w.Raw(response.Data)
			}
			if len(response.Extensions) > 0 {
				w.Name("extensions")
				_ = w.Any(response.Extensions)
			}
		}}
	})
}
