package compiled_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// A host uses NewCompiledSchema in place of NewExecutableSchema.
func Example() {
	schema := zoo.NewCompiledSchema(zoo.Config{Resolvers: &zoo.Resolver{}, Directives: zoo.Directives()})
	server := handler.New(schema)
	server.AddTransport(transport.POST{})

	ctx := zoo.With(context.Background(), &zoo.Env{}) // What the zoo's resolvers need.
	r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(`{"query":"{ plain(n: 2) { id next { title } } }"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	fmt.Println(w.Body)
	fmt.Println("left to gqlgen's executor:", schema.(interface{ Fallbacks() map[string]uint64 }).Fallbacks())
	// Output:
	// {"data":{"plain":[{"id":"0","next":{"title":"The title of number 0"}},{"id":"1","next":{"title":"The title of number 1"}}]}}
	// left to gqlgen's executor: map[]
}
