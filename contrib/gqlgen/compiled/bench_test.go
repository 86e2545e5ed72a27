package compiled_test

import (
	"context"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// BenchmarkPlain is a list of 1000 objects with five plain fields each.
func BenchmarkPlain(b *testing.B) { benchmark(b, `{ plain(n: 1000) { id title views score done } }`) }

// BenchmarkResolvers is a list of 100 objects with three resolvers each.
func BenchmarkResolvers(b *testing.B) {
	benchmark(b, `{ plain(n: 100) { id one two(n: 3) next { id title } } }`)
}

func benchmark(b *testing.B, query string, extensions ...graphql.HandlerExtension) {
	p := newPair(extensions...)
	for _, c := range []struct {
		name string
		e    *executor.Executor
	}{{"gqlgen", p.own}, {"gqlboost", p.compiled}} {
		b.Run("impl="+c.name, func(b *testing.B) {
			ctx := zoo.With(graphql.StartOperationTrace(context.Background()), &zoo.Env{})
			b.ReportAllocs()
			for b.Loop() {
				op, errs := c.e.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
				if errs != nil {
					b.Fatal(errs)
				}
				next, ctx := c.e.DispatchOperation(ctx, op)
				r := next(ctx)
				if r.Errors != nil {
					b.Fatal(r.Errors)
				}
				b.SetBytes(int64(len(r.Data)))
			}
		})
	}
}

// BenchmarkAroundFields is BenchmarkPlain with field middleware that does nothing.
func BenchmarkAroundFields(b *testing.B) {
	benchmark(b, `{ plain(n: 1000) { id title views score done } }`, passing{})
}

type passing struct{}

func (passing) ExtensionName() string                   { return "passing" }
func (passing) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptField implements [graphql.FieldInterceptor].
func (passing) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	return next(ctx)
}
