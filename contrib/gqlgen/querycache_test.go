package gqlgen_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/plancache"
)

// generation returns a schema in which the type of v tells which one it is.
func generation(n int) *ast.Schema {
	return gqlparser.MustLoadSchema(&ast.Source{Input: fmt.Sprintf(`
		type Query { v: G%[1]d }
		type Mutation { v: G%[1]d }
		type Subscription { v: G%[1]d }
		type G%[1]d { id: ID }`, n)})
}

// changing is an executable schema that may change. It answers with the type of v in the
// document that it runs.
type changing struct{ schema atomic.Pointer[ast.Schema] }

func newChanging(s *ast.Schema) *changing {
	c := new(changing)
	c.schema.Store(s)
	return c
}

func (c *changing) Schema() *ast.Schema { return c.schema.Load() }

func (c *changing) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (c *changing) Exec(ctx context.Context) graphql.ResponseHandler {
	return graphql.OneShot(&graphql.Response{Data: fmt.Appendf(nil, "%q", typeOf(graphql.GetOperationContext(ctx).Doc))})
}

func typeOf(doc *ast.QueryDocument) string {
	for {
		switch s := doc.Operations[0].SelectionSet[0].(type) {
		case *ast.Field:
			return s.Definition.Type.Name()
		case *ast.InlineFragment:
			return s.SelectionSet[0].(*ast.Field).Definition.Type.Name()
		case *ast.FragmentSpread:
			return s.Definition.SelectionSet[0].(*ast.Field).Definition.Type.Name()
		}
	}
}

func newPlans(t *testing.T, schema string) *plancache.Cache[*ast.QueryDocument] {
	t.Helper()
	plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plans.Close() })
	return plans
}

var linked = []string{
	"{ v { id } }", "mutation { v { id } }", "subscription { v { id } }", "{ ... { v { id } } }", "{ ... F } fragment F on Query { v { id } }",
}

func validated(t *testing.T, s *ast.Schema, query string) *ast.QueryDocument {
	t.Helper()
	doc, err := gqlparser.LoadQueryWithRules(s, query, nil)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// What was validated before a change of the schema is not served after it, by a server
// that was made for the change or by one whose schema changes.
func TestQueryCacheOverAChange(t *testing.T) {
	ctx := t.Context()
	for _, query := range linked {
		first, second := newChanging(generation(1)), newChanging(generation(2))
		plans := newPlans(t, "a host's own version")
		a := gqlgen.QueryCache(plans, first)
		if got, want := plans.Schema(), gqlgen.SchemaVersion(first); got != want {
			t.Errorf("plans are for %q, want %q", got, want)
		}
		old := validated(t, first.Schema(), query)
		a.Add(ctx, query, old)
		if doc, ok := a.Get(ctx, query); !ok || doc != old {
			t.Errorf("%s: not found", query)
		}
		b := gqlgen.QueryCache(plans, second)
		if _, ok := b.Get(ctx, query); ok {
			t.Errorf("%s: the second server gets what the first one has cached", query)
		}
		a.Add(ctx, query, old) // It was validated when the change came.
		if _, ok := plans.Get(ctx, plancache.Key{Query: query}); ok {
			t.Errorf("%s: cached for the second schema", query)
		}
		b.Add(ctx, query, old)
		if _, ok := plans.Get(ctx, plancache.Key{Query: query}); ok {
			t.Errorf("%s: cached though the server has another schema", query)
		}
		b.Add(ctx, query, validated(t, second.Schema(), query))
		if _, ok := b.Get(ctx, query); !ok {
			t.Errorf("%s: not found after the change", query)
		}
		if _, ok := a.Get(ctx, query); ok {
			t.Errorf("%s: the first server gets what the second one has cached", query)
		}

		second.schema.Store(generation(3))
		if _, ok := b.Get(ctx, query); ok {
			t.Errorf("%s: found after the server's own schema has changed", query)
		}
		b.Add(ctx, query, validated(t, second.Schema(), query))
		if doc, ok := b.Get(ctx, query); !ok || typeOf(doc) != "G3" || plans.Schema() != gqlgen.SchemaVersion(second) {
			t.Errorf("%s: not found after the server's own schema has changed", query)
		}
	}
	c := gqlgen.QueryCache(newPlans(t, ""), newChanging(generation(1)))
	for _, doc := range []*ast.QueryDocument{nil, {}, {Operations: ast.OperationList{{}}}, {Operations: ast.OperationList{{SelectionSet: ast.SelectionSet{&ast.Field{}}}}}} {
		c.Add(ctx, "q", doc)
		if _, ok := c.Get(ctx, "q"); ok {
			t.Errorf("a document that nobody has validated: %+v", doc)
		}
	}
}

// Plans for the same version stay.
func TestQueryCacheKeepsPlans(t *testing.T) {
	schema := newChanging(generation(1))
	plans := newPlans(t, gqlgen.SchemaVersion(newChanging(generation(1))))
	doc := validated(t, schema.Schema(), "{ v { id } }")
	plans.Add(t.Context(), plancache.Key{Query: "{ v { id } }"}, doc) // as Restore does
	if got, ok := gqlgen.QueryCache(plans, schema).Get(t.Context(), "{ v { id } }"); !ok || got != doc {
		t.Error("the plan is gone")
	}
	if gqlgen.SchemaVersion(schema) == gqlgen.SchemaVersion(newChanging(generation(2))) {
		t.Error("two schemas have one version")
	}
}

// Schemas change under requests: each answer is of a schema that was there between the
// request's beginning and its end.
func TestQueryCacheUnderFire(t *testing.T) {
	plans := newPlans(t, "")
	schemas := make([]*ast.Schema, 4)
	for i := range schemas {
		schemas[i] = generation(i)
	}
	source := newChanging(schemas[0])
	serve := func() *handler.Server {
		s := handler.New(source)
		s.AddTransport(gqlgen.POST(gqlgen.Options{}))
		s.SetQueryCache(gqlgen.QueryCache(plans, source))
		return s
	}
	var server atomic.Pointer[handler.Server]
	server.Store(serve())
	var change sync.RWMutex // held for reading by requests that must see one schema
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range 400 {
				if i == 0 && n%8 == 0 {
					change.Lock()
					source = newChanging(schemas[r.IntN(len(schemas))])
					server.Store(serve())
					change.Unlock()
				}
				query := linked[r.IntN(2)] + strings.Repeat(" ", r.IntN(3))
				late := server.Load()
				change.RLock()
				b, _ := io.ReadAll(post(`{"query":"` + query + `"}`).send(server.Load()).Body)
				want := source.Schema().Query.Fields.ForName("v").Type.Name()
				change.RUnlock()
				if !strings.Contains(string(b), want) {
					t.Errorf("%s: got %s, want %s", query, b, want)
				}
				post(`{"query":"` + query + `"}`).send(late) // The old one still has requests.
			}
		})
	}
	wg.Wait()
	if s := plans.Stats(); s.Hits == 0 || s.Switches == 0 {
		t.Errorf("nothing was tested: %+v", s)
	}
}

// The executor takes the cache as well as the server does, and its validation is linked
// to the schema as this package relies on, whichever rules it has.
func TestQueryCacheRelies(t *testing.T) {
	schema := newChanging(generation(1))
	for _, query := range linked {
		plans := newPlans(t, "")
		e := executor.New(schema)
		e.SetQueryCache(gqlgen.QueryCache(plans, schema))
		ctx := graphql.StartOperationTrace(t.Context())
		if _, errs := e.CreateOperationContext(ctx, &graphql.RawParams{Query: query}); errs != nil {
			t.Fatal(errs)
		}
		if plans.Len() != 1 {
			t.Errorf("%s: not cached", query)
		}
	}
	doc, _ := gqlparser.LoadQueryWithRules(schema.Schema(), "{ v { id } }", nil)
	if doc == nil {
		t.Fatal("no document")
	}
	c := gqlgen.QueryCache(newPlans(t, ""), schema)
	c.Add(t.Context(), "q", doc)
	if _, ok := c.Get(t.Context(), "q"); !ok {
		t.Error("a document validated by other rules is not cached")
	}
}
