package compiled_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// failingRoot is a root of resolvers, getting some of which fails.
type failingRoot struct{ *zoo.Resolver }

func (failingRoot) Box() zoo.BoxResolver     { panic("no resolvers of Box") }
func (failingRoot) Cat() zoo.CatResolver     { panic("no resolvers of Cat") }
func (failingRoot) Dog() zoo.DogResolver     { return nil }
func (failingRoot) Plain() zoo.PlainResolver { return nil }

// TestRootsThatFail compares what is answered if the root of the resolvers panics when it is
// asked for those of a type, or has none.
func TestRootsThatFail(t *testing.T) {
	root := failingRoot{&zoo.Resolver{}}
	t.Run("plain", func(t *testing.T) { randomOperations(t, 300, newPairOf(root)) })
	t.Run("middleware", func(t *testing.T) { randomOperations(t, 300, newPairOf(root, aroundFields{}, aroundRoot{})) })
}

// spoilingRoot has batch resolvers that change the slice of their objects.
type spoilingRoot struct{ *zoo.Resolver }

func (r spoilingRoot) Box() zoo.BoxResolver { return spoilingBox{r.Resolver.Box()} }

type spoilingBox struct{ zoo.BoxResolver }

func (r spoilingBox) Owner(ctx context.Context, objs []*zoo.Box) ([]*zoo.Person, error) {
	out, err := r.BoxResolver.Owner(ctx, objs)
	clear(objs)
	return out, err
}

func (r spoilingBox) Ranked(ctx context.Context, objs []*zoo.Box, filter *zoo.Filter) ([]*int, error) {
	out, err := r.BoxResolver.Ranked(ctx, objs, filter)
	_ = append(objs, &zoo.Box{ID: -1})
	return out, err
}

// TestObjectsOfBatches sees that the slice of its objects is a batch resolver's own, also if each
// object has arguments of its own.
func TestObjectsOfBatches(t *testing.T) {
	for _, extensions := range [][]graphql.HandlerExtension{nil, {passing{}}} {
		p := newPairOf(spoilingRoot{&zoo.Resolver{}}, extensions...)
		p.own = newPair(extensions...).own // It would pass the host's own slice.
		for seed := range uint64(20) {
			p.check(t, &zoo.Env{Seed: seed}, `{ boxes(n: 4) { id ranked(filter: {min: 2}) name } }`, nil)
			p.check(t, &zoo.Env{Seed: seed}, `{ boxes(n: 4) { id ranked name owner { id }
				children(first: 3) { ranked(filter: {min: 2}) owner { name } id } } }`, nil)
		}
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
			err := graphql.UnmarshalNamedInputFromContext(ctx, "Filter", map[string]any{"min": 3}, &f)
			if err != nil || f.Min != 3 {
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

// faultyError is an error whose text panics if it is nil, as it is in an error that a function of
// this type returns by mistake.
type faultyError struct{ text string }

func (e *faultyError) Error() string { return e.text }

// faultyRoot has a batch resolver with such errors.
type faultyRoot struct {
	*zoo.Resolver
	err func(n int) error
}

func (r faultyRoot) Box() zoo.BoxResolver { return faultyBox{r.Resolver.Box(), r.err} }

type faultyBox struct {
	zoo.BoxResolver
	err func(n int) error
}

func (r faultyBox) Owner(_ context.Context, objs []*zoo.Box) ([]*zoo.Person, error) {
	return make([]*zoo.Person, len(objs)), r.err(len(objs))
}

func (r faultyBox) MustOwner(_ context.Context, objs []*zoo.Box) ([]*zoo.Person, error) {
	return make([]*zoo.Person, len(objs)), r.err(len(objs))
}

func (r faultyBox) Children(ctx context.Context, b *zoo.Box, first int, after *int) ([]*zoo.Box, error) {
	time.Sleep(time.Millisecond) // so that another goroutine has the batch
	return r.BoxResolver.Children(ctx, b, first, after)
}

// faultyList panics when it is asked for its errors.
type faultyList struct{ error }

func (faultyList) Errors() []error { panic("no errors") }

// TestErrorsOfBatchesPanic sees that what panics when the errors of a batch are added is recovered,
// on whichever goroutine it is.
func TestErrorsOfBatchesPanic(t *testing.T) {
	for name, err := range map[string]func(n int) error{
		"nil": func(int) error { return (*faultyError)(nil) },
		"nil in a list": func(n int) error {
			list := make(graphql.BatchErrorList, n)
			list[0] = (*faultyError)(nil)
			return list
		},
		"list": func(int) error { return faultyList{errors.New("some")} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, extensions := range [][]graphql.HandlerExtension{nil, {passing{}}} {
				p := newPairOf(faultyRoot{&zoo.Resolver{}, err}, extensions...)
				for _, field := range []string{"owner", "mustOwner"} {
					p.check(t, &zoo.Env{Seed: 1}, `{ boxes(n: 4) { children { id } `+field+` { id } } }`, nil)
				}
			}
		})
	}
}

// loudRoot notes the calls of batch resolvers that gqlgen's functions call.
type loudRoot struct{ *zoo.Resolver }

func (r loudRoot) Box() zoo.BoxResolver { return loudBox{r.Resolver.Box()} }

type loudBox struct{ zoo.BoxResolver }

func (r loudBox) LoudOwner(ctx context.Context, objs []*zoo.Box) ([]*zoo.Person, error) {
	zoo.From(ctx).Note("loudOwner of %d", len(objs))
	return r.BoxResolver.LoudOwner(ctx, objs)
}

func (r loudBox) LoudScores(ctx context.Context, objs []*zoo.Box, base int) ([][]int, error) {
	zoo.From(ctx).Note("loudScores of %d", len(objs))
	return r.BoxResolver.LoudScores(ctx, objs, base)
}

// TestBatchesWithDirectives compares the calls of batch resolvers of fields with directives: one for
// each list, with errors at the right objects.
func TestBatchesWithDirectives(t *testing.T) {
	for _, extensions := range [][]graphql.HandlerExtension{nil, {passing{}}} {
		p := newPairOf(loudRoot{&zoo.Resolver{}}, extensions...)
		for seed := range uint64(20) {
			for _, query := range []string{
				`{ boxes(n: 4) { loudOwner { id } } }`,
				`{ boxes(n: 4) { loudScores again: loudScores(base: 2) children { loudScores } } }`,
				`{ boxes(n: 4) { children { loudOwner { id } grid { loudOwner { name } } } } }`,
				`{ box(id: 1) { loudOwner { id } inner { loudScores } } boxes { inner { loudOwner { id } } } }`,
				`{ boxes(n: 4) { things { ... on Box { loudOwner { id } loudScores } } } named { ... on Box { loudScores } } }`,
			} {
				p.check(t, &zoo.Env{Seed: seed, Faults: seed%2 > 0}, query, nil)
			}
		}
	}
}
