package main

import (
	"fmt"
	"net/http/httptest"

	"github.com/99designs/gqlgen/graphql/handler"

	"example.com/outside/graph"
	"github.com/gqlboost/gqlboost/contrib/gqlgen"
)

func main() {
	schema := graph.NewCompiledSchema(graph.Config{Resolvers: &graph.Resolver{}})
	srv := handler.New(schema)
	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("GET", "/graphql?query={posts{id,title}}", nil))
	fmt.Println(w.Body)
	// Output: {"data":{"posts":[{"id":"1","title":"Hello"}]}}
}
