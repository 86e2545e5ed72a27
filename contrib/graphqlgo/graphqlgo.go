// Package graphqlgo serves a schema of graphql-go/graphql with gqlboost's blocks:
//
//	plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
//	http.Handle("/graphql", graphqlgo.New(schema, plans, graphqlgo.Options{}))
//
// Requests are decoded by simdjson, queries are parsed and validated once, and responses
// are written by stream. GET, persisted queries, batches and the statuses of GraphQL over
// HTTP come with it.
//
// # What cannot be done
//
// The executor makes the whole result before it returns, so stream cannot send its
// beginning early, and there is no @defer. A schema with extensions is served by
// [graphql.Do], which parses and validates each query and calls all hooks: plans are not used.
package graphqlgo

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"

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

// Options configures a handler. The zero value works for most programs. It has all
// options of graphql-go/handler under their names, but for GraphiQL and Playground: a
// handler with these is a Browser.
type Options struct {
	// MaxBytes is the largest body, 16 MiB by default. The time that graphql-go takes for a query with
	// errors grows with the square of its size: where strangers can send queries, set what yours need.
	MaxBytes int64
	// MaxBatch is the largest number of operations in a request. 0 is no batches.
	MaxBatch int
	// Persisted has the texts of persisted queries; nil is none. With those of
	// [plancache.NewTrusted], no other operation runs.
	Persisted *plancache.Persisted
	// Pretty indents responses by tabs.
	Pretty bool
	// Browser, if there is one, answers GET requests that accept text/html, do not name
	// application/json and have no parameter raw, such as
	//
	//	handler.New(&handler.Config{Schema: &schema, GraphiQL: true})
	//
	// A mutation or a subscription in the query string does not reach it, nor does what is no trusted
	// document.
	Browser http.Handler
	// RootObjectFn returns the source of the root fields, for each operation.
	RootObjectFn func(ctx context.Context, r *http.Request) map[string]any
	// ResultCallbackFn is called with each operation's result when the response has been
	// written. body is the operation's part of it. It must not block: the response ends
	// when it has returned.
	ResultCallbackFn func(ctx context.Context, params *graphql.Params, result *graphql.Result, body []byte)
	// FormatErrorFn makes of each error what the client gets.
	FormatErrorFn func(error) gqlerrors.FormattedError
}

// Handler serves a schema.
type Handler = host.Handler

// Plan is a query that is valid.
type Plan struct{ document *ast.Document }

// New returns a handler of a schema. plans may be nil: then each query is parsed and
// validated each time, as for a schema with extensions. It is safe for concurrent use.
func New(schema graphql.Schema, plans *plancache.Cache[*Plan], o Options) *Handler {
	s := &server{schema, plans, hasExtensions(schema), o}
	return host.New(host.Options{
		MaxBytes: o.MaxBytes, MaxBatch: o.MaxBatch, Persisted: o.Persisted, Pretty: o.Pretty, Browser: o.Browser,
	}, s.execute)
}

type server struct {
	schema   graphql.Schema
	plans    *plancache.Cache[*Plan]
	extended bool
	options  Options
}

// hasExtensions reports whether a schema has extensions. graphql-go does not tell; where it cannot be
// seen, there may be some.
func hasExtensions(schema graphql.Schema) bool {
	list := reflect.ValueOf(schema).FieldByName("extensions")
	return !list.IsValid() || list.Kind() != reflect.Slice || list.Len() > 0
}

// execute runs an operation.
func (s *server) execute(r *http.Request, o request.Operation) host.Result {
	ctx := r.Context()
	params := &graphql.Params{
		Schema: s.schema, RequestString: o.Query, VariableValues: o.Variables, OperationName: o.OperationName, Context: ctx,
	}
	if s.options.RootObjectFn != nil {
		params.RootObject = s.options.RootObjectFn(ctx, r)
	}
	var made host.Result
	result, err := s.run(params)
	switch {
	case err != nil:
		made.Status = host.Failed(ctx, http.StatusInternalServerError)
		result = &graphql.Result{Errors: internal(err)}
	case result.Data == nil && len(result.Errors) > 0 && len(result.Errors[0].Path) == 0:
		made.Status = host.Failed(ctx, http.StatusBadRequest)
	}
	if format := s.options.FormatErrorFn; format != nil && len(result.Errors) > 0 {
		formatted := make([]gqlerrors.FormattedError, len(result.Errors))
		for i, e := range result.Errors {
			formatted[i] = format(e.OriginalError())
		}
		result.Errors = formatted
	}
	made.Write = func(w *stream.Writer) { write(w, result, made.Status == 0) }
	if callback := s.options.ResultCallbackFn; callback != nil {
		made.After = func() {
			// What cannot be JSON has failed the response already.
			body, _ := host.Render(func(w *stream.Writer) error {
				w.BeginObject()
				made.Write(w)
				w.EndObject()
				return w.Err()
			}, s.options.Pretty)
			callback(ctx, params, result, body)
		}
	}
	return made
}

// run returns what [graphql.Do] does. The error is none of the request's.
func (s *server) run(params *graphql.Params) (*graphql.Result, error) {
	if s.extended {
		if _, err := parse(&s.schema, params.RequestString); errors.Is(err, errEndless) {
			return refused(err)
		}
		return graphql.Do(*params), nil
	}
	p, err := s.plan(params.Context, params.RequestString)
	if err != nil {
		return refused(err)
	}
	return graphql.Execute(graphql.ExecuteParams{
		Schema: s.schema, Root: params.RootObject, AST: p.document,
		OperationName: params.OperationName, Args: params.VariableValues, Context: params.Context,
	}), nil
}

// refused is the result of a query that is not valid, or the error of what has failed.
func refused(err error) (*graphql.Result, error) {
	if errs, ok := errors.AsType[*invalid](err); ok {
		return &graphql.Result{Errors: slices.Clone(errs.list)}, nil // Callbacks may change what is theirs.
	}
	return nil, err
}

// internal is what a client is told of an error that is none of the request's.
func internal(err error) []gqlerrors.FormattedError {
	list := gqlerrors.FormatErrors(err)
	for i := range list {
		list[i].Message = stream.Public(err, nil).Message
	}
	return list
}

// plan returns the plan of a query.
func (s *server) plan(ctx context.Context, query string) (*Plan, error) {
	build := func(context.Context) (*Plan, error) { return plan(&s.schema, query) }
	if s.plans == nil {
		return build(ctx)
	}
	return s.plans.Load(ctx, plancache.Key{Query: query}, build)
}

// invalid is the errors of a query.
type invalid struct {
	list []gqlerrors.FormattedError
	kind error // errEndless or nil
}

// Error returns the first one.
func (errs *invalid) Error() string { return errs.list[0].Message }

// Unwrap returns errEndless if graphql-go must not see the query.
func (errs *invalid) Unwrap() error { return errs.kind }

func plan(schema *graphql.Schema, query string) (*Plan, error) {
	document, err := parse(schema, query)
	if err != nil {
		return nil, err
	}
	if v := graphql.ValidateDocument(schema, document, nil); !v.IsValid {
		return nil, &invalid{list: v.Errors}
	}
	return &Plan{document}, nil
}

// parse parses a query. The error wraps errEndless if validation would overflow the stack.
func parse(schema *graphql.Schema, query string) (*ast.Document, error) {
	// Each reader has a source of its own: graphql-go's lexer writes into it where a block string has escaped
	// quotes, and the next one would find the string ended there.
	text := func() *source.Source {
		return source.NewSource(&source.Source{Body: []byte(query), Name: "GraphQL request"})
	}
	if !nests(text()) {
		return nil, errTooDeep
	}
	document, err := parser.Parse(parser.ParseParams{Source: text()})
	if err != nil {
		return nil, &invalid{list: gqlerrors.FormatErrors(err)}
	}
	return document, checkFragments(schema, document)
}

func write(w *stream.Writer, r *graphql.Result, data bool) {
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
