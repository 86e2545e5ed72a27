package compiled_test

import (
	"context"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// TestReportedBugs has what users of gqlgen have reported, by the numbers of their issues, where
// an executor of its own could have the same bugs again.
func TestReportedBugs(t *testing.T) {
	p, streaming := newPair(), newPairOf(zoo.Offering{Resolver: &zoo.Resolver{}})
	for _, query := range []string{
		// 1230, 1681, 2541: null does not reach data through lists that must not be null.
		`{ boxes(n: 4) { mustFallible } }`,
		`{ boxes(n: 4) { mustOwner { id } children { mustFallible } } }`,
		`{ mustBox(id: 5) { id } mustBox2: mustBox(id: 3) { strictPets { home { mustFallible } } } }`,
		// 1271, 1299: fields with aliases in fragments are lost.
		`{ animal(id: 1) { ...F } } fragment F on Animal { name aliased: name }`,
		`{ animals { ... on Dog { name n: name } ... on Cat { n: name name } } }`,
		// 1547, 2379: fields of fragments on interfaces are written twice.
		`{ animals { ... on Dog { home { id } } ...H } } fragment H on Animal { home { label } }`,
		`{ named { ... on Animal { home { id } } ... on Dog { home { label } } ... on Cat { home { size } } } }`,
		// 1280: the same field in fragments on different types.
		`{ things { ... on Box { n: label } ... on Person { n: id } ... on Dog { n: barks } } }`,
	} {
		for seed := range uint64(30) {
			env := &zoo.Env{Seed: seed, Faults: seed%2 > 0}
			p.check(t, env, query, nil)
			streaming.check(t, env, query, nil)
		}
	}
	for _, each := range []*pair{p, streaming} {
		if f := each.fallbacks(); len(f) > 0 {
			t.Error(f)
		}
	}
}

// hiding takes a field from the fragments of an operation, which the query cache keeps as it is.
type hiding struct{ on *bool }

func (hiding) ExtensionName() string                   { return "hiding" }
func (hiding) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext implements [graphql.OperationContextMutator].
func (h hiding) MutateOperationContext(_ context.Context, o *graphql.OperationContext) *gqlerror.Error {
	if *h.on {
		doc, fragment := *o.Doc, *o.Doc.Fragments[0]
		fragment.SelectionSet = fragment.SelectionSet[:1]
		doc.Fragments = ast.FragmentDefinitionList{&fragment}
		o.Doc = &doc
	}
	return nil
}

// TestOtherFragments sees that a plan is that of the fragments, too.
func TestOtherFragments(t *testing.T) {
	on := false
	p := newPair(hiding{&on})
	for _, on = range []bool{false, true, false, true} {
		p.check(t, &zoo.Env{}, `{ ...F } fragment F on Query { count greeting }`, nil)
	}
}
