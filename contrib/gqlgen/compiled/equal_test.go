package compiled_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// pair is gqlgen's executor of the zoo, and the same with the compiled schema.
type pair struct {
	own, compiled *executor.Executor
	schema        graphql.ExecutableSchema
}

func newPair(extensions ...graphql.HandlerExtension) *pair {
	return newPairOf(&zoo.Resolver{}, extensions...)
}

func newPairOf(resolvers zoo.ResolverRoot, extensions ...graphql.HandlerExtension) *pair {
	config := zoo.Config{Resolvers: resolvers, Directives: zoo.Directives()}
	p := &pair{schema: zoo.NewCompiledSchema(config)}
	p.own, p.compiled = newExecutor(zoo.NewExecutableSchema(config)), newExecutor(p.schema)
	for _, e := range extensions {
		p.own.Use(e)
		p.compiled.Use(e)
	}
	return p
}

func newExecutor(s graphql.ExecutableSchema) *executor.Executor {
	e := executor.New(s)
	e.SetQueryCache(lru.New[*ast.QueryDocument](100))
	e.SetRecoverFunc(func(_ context.Context, r any) error { return gqlerror.Errorf("recovered: %v", r) })
	return e
}

func (p *pair) fallbacks() map[string]uint64 {
	return p.schema.(interface{ Fallbacks() map[string]uint64 }).Fallbacks()
}

// answer is what can be observed of an operation.
type answer struct {
	data   string
	errors []string // sorted
	notes  []string // sorted
}

func execute(e *executor.Executor, env *zoo.Env, query string, variables map[string]any) (out answer) {
	return executeIn(context.Background(), e, env, query, variables)
}

func executeIn(ctx context.Context, e *executor.Executor, env *zoo.Env, query string, variables map[string]any) (out answer) {
	ctx = zoo.With(graphql.StartOperationTrace(ctx), env)
	params := &graphql.RawParams{Query: query, Variables: variables}
	op, errs := e.CreateOperationContext(ctx, params)
	if errs != nil {
		return answer{data: "refused", errors: texts(errs)}
	}
	next, ctx := e.DispatchOperation(ctx, op)
	defer func() {
		if r := recover(); r != nil {
			out = answer{data: fmt.Sprint("panic: ", r)}
		}
	}()
	response := next(ctx)
	if next(ctx) != nil {
		panic("a second response")
	}
	return answer{string(response.Data), texts(response.Errors), env.Notes()}
}

func texts(errs gqlerror.List) []string {
	out := make([]string, len(errs))
	for i, err := range errs {
		text, _ := json.Marshal(err)
		out[i] = string(text)
	}
	slices.Sort(out)
	return out
}

// check compares both executors.
func (p *pair) check(t *testing.T, env *zoo.Env, query string, variables map[string]any) {
	t.Helper()
	want := execute(p.own, clone(env), query, variables)
	got := execute(p.compiled, clone(env), query, variables)
	if got.data == want.data && slices.Equal(got.errors, want.errors) && slices.Equal(got.notes, want.notes) {
		return
	}
	t.Errorf("seed %d faults %v look %v\n%s\nvariables %v\n%s", env.Seed, env.Faults, env.Look, query, variables, difference(got, want))
}

func clone(e *zoo.Env) *zoo.Env { return &zoo.Env{Seed: e.Seed, Faults: e.Faults, Look: e.Look} }

func difference(got, want answer) string {
	var b strings.Builder
	if got.data != want.data {
		fmt.Fprintf(&b, "data\n got  %s\n want %s\n", got.data, want.data)
	}
	for _, each := range []struct {
		name      string
		got, want []string
	}{{"errors", got.errors, want.errors}, {"notes", got.notes, want.notes}} {
		for _, line := range each.got {
			if !slices.Contains(each.want, line) {
				fmt.Fprintf(&b, "%s: too much %s\n", each.name, line)
			}
		}
		for _, line := range each.want {
			if !slices.Contains(each.got, line) {
				fmt.Fprintf(&b, "%s: missing %s\n", each.name, line)
			}
		}
		if len(each.got) != len(each.want) {
			fmt.Fprintf(&b, "%s: %d, want %d\n", each.name, len(each.got), len(each.want))
		}
	}
	return b.String()
}

// TestRandomOperations compares answers, errors, calls and contexts of random operations.
func TestRandomOperations(t *testing.T) {
	n := 1500
	if os.Getenv("GQLBOOST_LONG") != "" {
		n = 100_000
	}
	t.Run("unlimited", func(t *testing.T) { randomOperations(t, n, newPair()) })
	t.Run("limited", func(t *testing.T) {
		p := newPair()
		compiled.LimitWorkers(p.schema, 3)
		randomOperations(t, n/3, p)
	})
}

func randomOperations(t *testing.T, n int, p *pair) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	o := &operations{Rand: rand.New(rand.NewPCG(seed, 1)), schema: p.schema.Schema()}
	for i := 0; i < n && !t.Failed(); i++ {
		query, variables := o.next()
		for range 1 + o.IntN(2) {
			p.check(t, &zoo.Env{Seed: o.Uint64N(1000), Faults: o.IntN(2) == 0, Look: o.IntN(3) == 0}, query, variables)
		}
	}
	for reason, count := range p.fallbacks() {
		t.Errorf("%d operations were delegated: %s", count, reason)
	}
}
