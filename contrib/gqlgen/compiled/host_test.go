package compiled_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// failingRoot is a root of resolvers some of which cannot be had.
type failingRoot struct{ *zoo.Resolver }

func (failingRoot) Box() zoo.BoxResolver     { panic("no resolvers of Box") }
func (failingRoot) Cat() zoo.CatResolver     { panic("no resolvers of Cat") }
func (failingRoot) Dog() zoo.DogResolver     { return nil }
func (failingRoot) Plain() zoo.PlainResolver { return nil }

// unbatchedRoot has no resolvers for batches.
type unbatchedRoot struct{ *zoo.Resolver }

func (unbatchedRoot) Cat() zoo.CatResolver { return nil }

// TestRootsThatFail compares what is answered if the root of the resolvers panics when it is
// asked for those of a type, or has none.
func TestRootsThatFail(t *testing.T) {
	for name, root := range map[string]zoo.ResolverRoot{
		"failing": failingRoot{&zoo.Resolver{}}, "unbatched": unbatchedRoot{&zoo.Resolver{}},
	} {
		t.Run(name, func(t *testing.T) { randomOperations(t, 300, newPairOf(root)) })
		t.Run(name+" with middleware", func(t *testing.T) {
			randomOperations(t, 300, newPairOf(root, aroundFields{}, aroundRoot{}))
		})
	}
}

// keepingRoot has resolvers that keep their contexts.
type keepingRoot struct {
	*zoo.Resolver
	keep func(ctx context.Context)
}

func (r keepingRoot) Plain() zoo.PlainResolver { return keepingPlain{r.Resolver.Plain(), r.keep} }
func (r keepingRoot) Query() zoo.QueryResolver { return keepingQuery{r.Resolver.Query(), r.keep} }

type keepingPlain struct {
	zoo.PlainResolver
	keep func(ctx context.Context)
}

func (r keepingPlain) One(ctx context.Context, p *zoo.Plain) (int, error) {
	r.keep(ctx)
	return r.PlainResolver.One(ctx, p)
}

func (r keepingPlain) Two(ctx context.Context, p *zoo.Plain, n int) (*string, error) {
	r.keep(ctx)
	return r.PlainResolver.Two(ctx, p, n)
}

func (r keepingPlain) Next(ctx context.Context, p *zoo.Plain) (*zoo.Plain, error) {
	r.keep(ctx)
	return r.PlainResolver.Next(ctx, p)
}

type keepingQuery struct {
	zoo.QueryResolver
	keep func(ctx context.Context)
}

func (r keepingQuery) Plain(ctx context.Context, n int) ([]*zoo.Plain, error) {
	r.keep(ctx)
	return r.QueryResolver.Plain(ctx, n)
}

// TestContextsAreKept sees that goroutines that resolvers have started may use their contexts
// at any time, also when the operation has ended, as with gqlgen.
func TestContextsAreKept(t *testing.T) {
	var wg sync.WaitGroup
	e := &zoo.Env{}
	counts := map[string]int{}
	var mu sync.Mutex
	p := newPairOf(keepingRoot{&zoo.Resolver{}, func(ctx context.Context) {
		late := rand.IntN(2) == 0
		wg.Go(func() {
			if late {
				<-ctx.Done()
			}
			path := graphql.GetPath(ctx).String()
			fc := graphql.GetFieldContext(ctx)
			var f zoo.Filter
			if err := graphql.UnmarshalNamedInputFromContext(ctx, "Filter", map[string]any{"min": 3}, &f); err != nil || f.Min != 3 {
				t.Errorf("%s: %v %v", path, f, err)
			}
			root := graphql.GetRootFieldContext(ctx).Field.Name
			mu.Lock()
			defer mu.Unlock()
			counts[path+" "+fc.Object+"."+fc.Field.Name+" "+root]++
		})
	}})
	const query = `{ plain(n: 50) { id one two(n: 3) next { one next { two(n: 4) } } } }`
	for _, middleware := range []bool{false, true} {
		if middleware {
			p.own.Use(passing{})
			p.compiled.Use(passing{})
		}
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			executeIn(ctx, p.compiled, clone(e), query, nil)
			cancel()
			wg.Wait()
			got := counts
			counts = map[string]int{}
			ctx, cancel = context.WithCancel(t.Context())
			executeIn(ctx, p.own, clone(e), query, nil)
			cancel()
			wg.Wait()
			for k, n := range counts {
				if got[k] != n {
					t.Fatalf("%s: %d, gqlgen %d", k, got[k], n)
				}
			}
			if len(got) != len(counts) || len(got) == 0 {
				t.Fatalf("%d, gqlgen %d", len(got), len(counts))
			}
			counts = map[string]int{}
		}
	}
}
