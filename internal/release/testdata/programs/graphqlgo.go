package main

import (
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/graphql-go/graphql"

	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
	"github.com/gqlboost/gqlboost/plancache"
)

func main() {
	motto := &graphql.Field{Type: graphql.String, Resolve: func(graphql.ResolveParams) (any, error) { return "be quick", nil }}
	schema, err := graphql.NewSchema(graphql.SchemaConfig{
		Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{"motto": motto}}),
	})
	if err != nil {
		log.Fatal(err)
	}
	plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
	if err != nil {
		log.Fatal(err)
	}
	defer plans.Close()
	w := httptest.NewRecorder()
	graphqlgo.New(schema, plans, graphqlgo.Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/graphql?query={motto}", nil))
	fmt.Println(w.Body)
	// Output: {"data":{"motto":"be quick"}}
}
