// Package graphqlgo serves a schema of graphql-go/graphql with gqlboost's blocks:
//
//	plans, err := plancache.New(plancache.Config[*graphqlgo.Plan]{})
//	http.Handle("/graphql", graphqlgo.New(schema, plans, graphqlgo.Options{}))
//
// Requests are decoded by simdjson, queries are parsed and validated once, and responses
// are written by stream. GET, persisted queries, batches and the statuses of GraphQL over
// HTTP come with it.
//
// # What cannot be done
//
// The executor makes the whole result before it returns, so stream cannot send its
// beginning early, and there is no @defer. Extensions of the schema hear nothing of
// parsing and validation, which do not happen for each request any more.
package graphqlgo

import (
	"context"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/parser"
	"github.com/graphql-go/graphql/language/source"

	"github.com/gqlboost/gqlboost/contrib/internal/host"
	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/stream"
)

// Options say how a handler works. The zero value is good for most.
type Options = host.Options

// Handler serves a schema.
type Handler = host.Handler

// Plan is a query that is valid.
type Plan struct{ document *ast.Document }

// New returns a handler of a schema. plans may be nil: then each query is parsed and
// validated each time.
func New(schema graphql.Schema, plans *plancache.Cache[*Plan], o Options) *Handler {
	return host.New(o, func(ctx context.Context, o request.Operation) host.Result {
		build := func(context.Context) (*Plan, error) { return plan(&schema, o.Query) }
		load := func() (*Plan, error) { return build(ctx) }
		if plans != nil {
			load = func() (*Plan, error) { return plans.Load(ctx, o.Query, build) }
		}
		p, err := load()
		if err != nil {
			errs, ok := err.(invalid)
			if !ok {
				errs = invalid(gqlerrors.FormatErrors(err))
			}
			return host.Result{Refused: true, Write: func(w *stream.Writer) { result(w, &graphql.Result{Errors: errs}, false) }}
		}
		made := graphql.Execute(graphql.ExecuteParams{Schema: schema, AST: p.document, OperationName: o.OperationName, Args: o.Variables, Context: ctx})
		return host.Result{Refused: made.Data == nil && len(made.Errors) > 0 && len(made.Errors[0].Path) == 0, Write: func(w *stream.Writer) { result(w, made, true) }}
	})
}

// invalid is the errors of a query.
type invalid []gqlerrors.FormattedError

// Error returns the first one.
func (errs invalid) Error() string { return errs[0].Message }

func plan(schema *graphql.Schema, query string) (*Plan, error) {
	document, err := parser.Parse(parser.ParseParams{Source: source.NewSource(&source.Source{Body: []byte(query), Name: "GraphQL request"})})
	if err != nil {
		return nil, invalid(gqlerrors.FormatErrors(err))
	}
	if v := graphql.ValidateDocument(schema, document, nil); !v.IsValid {
		return nil, invalid(v.Errors)
	}
	return &Plan{document}, nil
}

func result(w *stream.Writer, r *graphql.Result, data bool) {
	if len(r.Errors) > 0 {
		w.Name("errors")
		_ = w.Any(r.Errors) // The writer keeps its error.
	}
	if data {
		w.Name("data")
		_ = w.Any(r.Data)
	}
	if len(r.Extensions) > 0 {
		w.Name("extensions")
		_ = w.Any(r.Extensions)
	}
}
