package gqlgen_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/plancache"
)

// exampleSchema stands for what gqlgen generates: NewExecutableSchema(Config{...}).
func exampleSchema() graphql.ExecutableSchema {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean)
			on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
		enum CacheControlScope { PUBLIC PRIVATE }
		type Query {
			motto: String @cacheControl(maxAge: 60)
			me: String @cacheControl(maxAge: 10, scope: PRIVATE)
		}`})
	return &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ExecFunc: func(context.Context) graphql.ResponseHandler {
			return graphql.OneShot(&graphql.Response{Data: []byte(`{"motto":"be quick"}`)})
		},
	}
}

// A server with a cache of documents and with the header Cache-Control from its schema.
func Example() {
	schema := exampleSchema()
	plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{Schema: gqlgen.SchemaVersion(schema)})
	if err != nil {
		panic(err)
	}
	defer func() { _ = plans.Close() }()

	srv := handler.New(schema)
	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))
	srv.AddTransport(gqlgen.POST(gqlgen.Options{}))
	srv.SetQueryCache(gqlgen.QueryCache(plans, schema))
	srv.Use(&gqlgen.CacheControl{})

	for _, query := range []string{"{ motto }", "{ motto me }", "{ motto }"} {
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, httptest.NewRequest("GET", "/graphql?query="+url.QueryEscape(query), nil))
		fmt.Println(w.Header().Get("Cache-Control"))
	}
	fmt.Println("documents from the cache:", plans.Stats().Hits)
	// Output:
	// max-age=60, public
	// max-age=10, private
	// max-age=60, public
	// documents from the cache: 1
}

// The schema changes while requests are served. What the first server still validates does
// not come into the plans of the second one.
func ExampleQueryCache() {
	plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = plans.Close() }()
	schema := exampleSchema()
	first := handler.New(schema)
	first.SetQueryCache(gqlgen.QueryCache(plans, schema))

	changed := newChanging(gqlparser.MustLoadSchema(&ast.Source{Input: `type Query { motto: String! }`}))
	second := handler.New(changed)
	second.SetQueryCache(gqlgen.QueryCache(plans, changed)) // and requests go to it from now on
	fmt.Println(plans.Schema() == gqlgen.SchemaVersion(changed))
	// Output: true
}
