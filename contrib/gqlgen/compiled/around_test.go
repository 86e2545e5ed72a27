package compiled_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// aroundFields notes what it sees, and does what middleware may do.
type aroundFields struct{}

func (aroundFields) ExtensionName() string                   { return "fields" }
func (aroundFields) Validate(graphql.ExecutableSchema) error { return nil }

type seenKey struct{}

// InterceptField implements [graphql.FieldInterceptor].
func (aroundFields) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	e := zoo.From(ctx)
	fc := graphql.GetFieldContext(ctx)
	path := graphql.GetPath(ctx).String()
	e.Note("around %s: %s.%s, root %s, within %v", path, fc.Object, fc.Field.Name, graphql.GetRootFieldContext(ctx).Field.Alias, ctx.Value(seenKey{}))
	if e.Look {
		e.See(ctx, "around")
	}
	kind := e.Hash(path) % 100
	switch fc.Field.Name {
	case "owner", "mustOwner", "scores", "ranked":
		// Batch resolvers are called for all objects if they are for one, which may be more
		// than in gqlgen, so these calls are made.
		kind = 5 + kind%8
	}
	if !e.Faults {
		kind = 12 + kind%2
	}
	switch kind {
	case 0:
		return nil, errors.New("refused by middleware")
	case 1:
		return graphql.MarshalString("marshaler"), nil
	case 2:
		return struct{}{}, nil
	case 3:
		return nil, nil
	case 4:
		panic("middleware panics")
	case 5, 6:
		graphql.MarkNonNull(ctx)
	case 70:
		return graphql.Null, nil
	case 12:
		ctx = context.WithValue(ctx, seenKey{}, path)
	}
	if n, ok := fc.Args["n"].(int); ok && e.Look {
		fc.Args["n"] = n + 1
	}
	v, err := next(ctx)
	e.Note("around %s: %T %v", path, v, err)
	return v, err
}

// aroundRoot notes what it sees, and does what middleware of root fields may do.
type aroundRoot struct{}

func (aroundRoot) ExtensionName() string                   { return "root fields" }
func (aroundRoot) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptRootField implements [graphql.RootFieldInterceptor].
func (aroundRoot) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	e := zoo.From(ctx)
	rc := graphql.GetRootFieldContext(ctx)
	e.Note("root %s %s %s at %v in %s", rc.Object, rc.Field.Name, rc.Field.Alias, graphql.GetPath(ctx), graphql.GetFieldContext(ctx).Object)
	kind := 10
	if e.Faults {
		kind = e.Hash(rc.Field.Alias) % 20
	}
	switch kind {
	case 0:
		return graphql.Null
	case 1:
		graphql.AddErrorf(ctx, "of middleware")
	case 2:
		return graphql.WriterFunc(func(w io.Writer) { fmt.Fprint(w, `"replaced"`) })
	}
	v := next(context.WithValue(ctx, seenKey{}, "root"))
	e.Note("root %s: null %v required %v", rc.Field.Alias, v == graphql.Null, v == graphql.RequiredNull)
	return v
}

// TestMiddleware compares what middleware sees and does.
func TestMiddleware(t *testing.T) {
	n := 250
	if os.Getenv("GQLBOOST_LONG") != "" {
		n = 100_000
	}
	for name, extensions := range map[string][]graphql.HandlerExtension{
		"fields": {aroundFields{}}, "root": {aroundRoot{}}, "both": {aroundFields{}, aroundRoot{}},
	} {
		t.Run(name, func(t *testing.T) { randomOperations(t, n, newPair(extensions...)) })
	}
	// gqlgen without a limit answers the same.
	t.Run("limited", func(t *testing.T) {
		p := newPair(aroundFields{})
		compiled.LimitWorkers(p.schema, 2)
		randomOperations(t, n, p)
	})
}
