package compiled_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"go.uber.org/goleak"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFallbacks has what gqlgen's own schema executes, and why.
func TestFallbacks(t *testing.T) {
	p := newPair()
	run := func(query string) { p.check(t, &zoo.Env{Seed: 1}, query, nil) }
	run(`{ __schema { queryType { name } } }`)
	run(`{ count __type(name: "Box") { name } }`)
	run(`query @traced { count }`)
	run(`{ box(id: 1) { id @mark(with: "x") } }`)
	run(`{ count }`)
	run(`{ box(id: 1) { id ... @defer { name } } }`)
	run(`{ box(id: 1) { id loudBox { id ... @defer { name } } } }`) // below a field that gqlgen's function executes
	want := map[string]uint64{"introspection": 2, "directive in an operation": 2, "@defer": 2}
	if got := p.fallbacks(); !maps.Equal(got, want) {
		t.Errorf("fallbacks %v, want %v", got, want)
	}
	sums := map[string]float64{}
	for m := range p.schema.(gqlboost.Source).Metrics() {
		sums[m.Name] += m.Value
	}
	if sums["gqlboost.compiled.operations"] != 1 || sums["gqlboost.compiled.fallbacks"] != 6 {
		t.Errorf("metrics %v", sums)
	}
}

// TestSubscriptions sees that gqlgen's own schema serves them.
func TestSubscriptions(t *testing.T) {
	p := newPair()
	ctx := zoo.With(graphql.StartOperationTrace(context.Background()), &zoo.Env{Seed: 1})
	op, errs := p.compiled.CreateOperationContext(ctx, &graphql.RawParams{Query: `subscription { ticks(n: 3) { id } }`})
	if errs != nil {
		t.Fatal(errs)
	}
	next, ctx := p.compiled.DispatchOperation(ctx, op)
	for i := range 3 {
		if r := next(ctx); string(r.Data) != fmt.Sprintf(`{"ticks":{"id":"%d"}}`, i) {
			t.Errorf("%d: %s %v", i, r.Data, r.Errors)
		}
	}
	if r := next(ctx); r != nil {
		t.Errorf("a response after the last: %s", r.Data)
	}
}

// TestConditions has one operation with all values of its conditions, in one order and back.
func TestConditions(t *testing.T) {
	p := newPair()
	const query = `query($a: Boolean!, $b: Boolean!, $c: Boolean!) {
		box(id: 1) { id @skip(if: $a) ... @include(if: $b) { name label @skip(if: $c) } ...F @skip(if: $c) }
	} fragment F on Box { size @include(if: $b) }`
	for i := range 16 {
		i := min(i, 15-i)
		p.check(t, &zoo.Env{Seed: 1}, query, map[string]any{"a": i&1 > 0, "b": i&2 > 0, "c": i&4 > 0})
	}
}

// TestNullConditions has null in a condition, which variables with a default may be and gqlgen
// panics at: it is not false, and no other request has its plan.
func TestNullConditions(t *testing.T) {
	const query = `query($x: Boolean = false) { count greeting @include(if: $x) }`
	variables := []map[string]any{{"x": false}, {"x": nil}, {"x": true}, nil}
	for first := range variables {
		p := newPair()
		for i := range variables {
			p.check(t, &zoo.Env{}, query, variables[(first+i)%len(variables)])
		}
		if n := p.fallbacks()["panic of the collection of fields"]; n != 1 {
			t.Errorf("%d operations were delegated, want the one with null", n)
		}
	}
}

// TestPlansAreFreed sees that plans go with the documents that a query cache gives up.
func TestPlansAreFreed(t *testing.T) {
	p := newPair()
	for i := range 300 { // The cache keeps 100.
		p.check(t, &zoo.Env{Seed: 1}, fmt.Sprintf(`{ a%d: count }`, i), nil)
	}
	kept := func() float64 {
		for m := range p.schema.(gqlboost.Source).Metrics() {
			if m.Name == "gqlboost.compiled.plans" {
				return m.Value
			}
		}
		return -1
	}
	if kept() < 100 {
		t.Errorf("%v plans are kept, want those of the 100 documents in the cache", kept())
	}
	for range 100 {
		if runtime.GC(); kept() <= 110 {
			return
		}
	}
	t.Errorf("%v plans are kept for 100 documents", kept())
}

// TestConstantArguments sees that one request cannot change the arguments of another.
func TestConstantArguments(t *testing.T) {
	p := newPair()
	for seed := range uint64(20) {
		p.check(t, &zoo.Env{Seed: seed, Look: true},
			`{ boxes(n: 4) { children(first: 2, after: 5) { id } text(input: {min: 3, names: ["a"]}) computed(n: 4) } }`, nil)
	}
}
