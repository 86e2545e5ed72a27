package compiled

import (
	"context"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sets"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
)

// Root is the object of the fields of Query and Mutation.
type Root = struct{}

// Config is what generated code tells the runtime.
type Config struct {
	// Query and Mutation are the root types; nil if there is none.
	Query, Mutation *Object[*Root]
	// NewContext returns the generated execution context of an operation.
	NewContext func(*graphql.OperationContext) any
	// Inputs returns the unmarshalers of input objects.
	Inputs func(ec any) *graphql.InputUnmarshalerIndex
	// Directives are those of operations and of fields in operations that the host
	// implements.
	Directives []string
	// WorkerLimit is gqlgen's worker_limit, and OmitPanicHandler its omit_panic_handler.
	WorkerLimit      int64
	OmitPanicHandler bool
}

// Executable executes operations from plans. It is safe for concurrent use.
type Executable struct {
	graphql.ExecutableSchema // gqlgen's own
	Config

	plans     plans
	workers   workers
	plainCode uintptr // of a field middleware that does nothing
	rootCode  uintptr // of a root field middleware that does nothing
	compiled  atomic.Uint64
	unkept    atomic.Uint64
	streamed  atomic.Uint64
	broken    atomic.Uint64
	delegated reasons
	held      reasons
	limits    limits
}

// New returns a schema that executes what it can, and has the others executed by gqlgen's.
func New(own graphql.ExecutableSchema, c Config) graphql.ExecutableSchema {
	s := &Executable{ExecutableSchema: own, Config: c, limits: defaultLimits}
	// Its error is that there is no query.
	ctx := graphql.StartOperationTrace(context.Background())
	op, _ := executor.New(own).CreateOperationContext(ctx, &graphql.RawParams{})
	s.plainCode, s.rootCode = code(op.ResolverMiddleware), code(op.RootResolverMiddleware)
	if events, ok := own.(graphql.ExecutableSchemaWithEventContext); ok {
		return &withEvents{s, events}
	}
	return s
}

// code returns the address of a function's code, which tells functions of one place in the
// source from others.
func code(function any) uintptr { return reflect.ValueOf(function).Pointer() }

// withEvents is an Executable whose subscriptions have contexts of their events.
type withEvents struct {
	*Executable
	events graphql.ExecutableSchemaWithEventContext
}

// ExecWithEventContext implements [graphql.ExecutableSchemaWithEventContext].
func (s *withEvents) ExecWithEventContext(ctx context.Context) graphql.ResponseHandlerWithContext {
	s.delegated.add("subscription")
	return s.events.ExecWithEventContext(ctx)
}

// Exec implements [graphql.ExecutableSchema].
func (s *Executable) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	p, reason := s.plan(op)
	if reason != "" {
		s.delegated.add(reason)
		return s.ExecutableSchema.Exec(ctx)
	}
	s.compiled.Add(1)
	first := true
	return func(ctx context.Context) *graphql.Response {
		if !first {
			return nil
		}
		first = false
		x := newRun(s, p, op, ctx)
		x.direct, x.out = s.offers(ctx, p, op)
		if x.out != nil {
			return x.stream()
		}
		return &graphql.Response{Data: x.execute()}
	}
}

// plan returns the plan of an operation, or why there is none.
func (s *Executable) plan(op *graphql.OperationContext) (*plan, string) {
	if op.Operation.Operation == ast.Subscription {
		return nil, "subscription"
	}
	watched := code(op.ResolverMiddleware) != s.plainCode
	p := s.plans.of(op.Doc, op.Operation).plan(s, op, watched)
	return p, p.refused
}

// compile compiles an operation for values of its conditional variables.
func (s *Executable) compile(op *graphql.OperationContext, values map[string]any, watched bool) (out *plan) {
	out = &plan{watched: watched}
	defer func() {
		if recover() != nil {
			out.refused = "panic of the collection of fields" // gqlgen's own execution will have it too.
		}
	}()
	root := s.Query
	if op.Operation.Operation == ast.Mutation {
		root = s.Mutation
	}
	if root == nil {
		out.refused = "no such root"
		return out
	}
	doc := &ast.QueryDocument{Fragments: op.Doc.Fragments} // A plan that had the operation would keep it.
	c := &compiler{
		op:      &graphql.OperationContext{Doc: doc, Variables: values},
		query:   op.Operation.Operation == ast.Query,
		call:    &Call{EC: s.NewContext(op)},
		watched: watched,

		selections: selection.NewMaker(doc, values),
		sets:       sets.Numbers{},
		places:     map[placeKey]any{},
	}
	c.directives(s.Directives, op)
	top := root.compileFields(c, graphql.CollectFields(c.op, op.Operation.SelectionSet, root.implementor))
	if c.refused != "" {
		return &plan{refused: c.refused}
	}
	out.root, out.fields, out.streams, out.inside = top, c.fields, c.streams > 0, c.inside
	return out
}

// directives refuses an operation with directives that the host implements.
func (c *compiler) directives(implemented []string, op *graphql.OperationContext) {
	if len(implemented) == 0 {
		return
	}
	check := func(list ast.DirectiveList) {
		for _, d := range list {
			if slices.Contains(implemented, d.Name) {
				c.refuse("directive in an operation")
			}
		}
	}
	check(op.Operation.Directives)
	var search func(ast.SelectionSet)
	search = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				check(s.Directives)
				search(s.SelectionSet)
			case *ast.InlineFragment:
				search(s.SelectionSet)
			}
		}
	}
	search(op.Operation.SelectionSet)
	for _, fragment := range op.Doc.Fragments {
		search(fragment.SelectionSet)
	}
}

// offers reports whether the execution of a plan takes what resolvers offer beside their
// results, and returns what it can stream to; nil if it cannot, or has nothing to stream.
func (s *Executable) offers(ctx context.Context, p *plan, op *graphql.OperationContext) (direct bool, out sink.Sink) {
	rooted := code(op.RootResolverMiddleware) != s.rootCode
	direct = !p.watched && !rooted
	if !p.streams {
		if p.inside {
			s.held.add("inside of another list")
		}
		return direct, nil
	}
	out = sink.From(ctx)
	switch {
	case p.watched:
		s.held.add("field middleware")
	case rooted:
		s.held.add("root field middleware")
	case out == nil:
		s.held.add("transport")
	case !out.Direct():
		s.held.add("response middleware")
	default:
		s.streamed.Add(1)
		return direct, out
	}
	return direct, nil
}
