package main

import (
	"fmt"
	"net/http/httptest"

	"github.com/graph-gophers/graphql-go"

	"github.com/gqlboost/gqlboost/contrib/graphgophers"
)

type query struct{}

func (*query) Motto() string { return "be quick" }

func main() {
	schema := graphql.MustParseSchema("type Query { motto: String! }", &query{})
	w := httptest.NewRecorder()
	graphgophers.New(schema, graphgophers.Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/graphql?query={motto}", nil))
	fmt.Println(w.Body)
	// Output: {"data":{"motto":"be quick"}}
}
