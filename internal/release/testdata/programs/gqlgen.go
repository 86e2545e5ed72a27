package main

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/plancache"
)

// schema stands for what gqlgen generates.
func schema() graphql.ExecutableSchema {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { motto: String }"})
	return &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			op := graphql.GetOperationContext(ctx)
			s := selection.New(op.Doc, op.Variables, op.Operation.SelectionSet)
			return graphql.OneShot(&graphql.Response{Data: fmt.Appendf(nil, `{"%s":"be quick"}`, s.Fields[0].Alias)})
		},
	}
}

func main() {
	plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{})
	if err != nil {
		log.Fatal(err)
	}
	defer plans.Close()
	s := schema()
	srv := handler.New(s)
	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))
	srv.SetQueryCache(gqlgen.QueryCache(plans, s))
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("GET", "/graphql?query={motto}", nil))
	fmt.Println(w.Body)
	// Output: {"data":{"motto":"be quick"}}
}
