// Command graphgophers serves the blog by graph-gophers/graphql-go, plain or with gqlboost's
// blocks.
package main

import (
	"net/http"

	graphql "github.com/graph-gophers/graphql-go"
	"github.com/graph-gophers/graphql-go/relay"

	"github.com/gqlboost/gqlboost/benchmarks/peers/host"
	"github.com/gqlboost/gqlboost/contrib/graphgophers"
	"github.com/gqlboost/gqlboost/examples/blog/schema"
)

// parallelism is how many resolvers of a request run at once. The default of 10 would cut
// the batches of the data loaders: each waiting resolver holds one of the places.
const parallelism = 1000

func main() {
	host.Main("graphgophers", func(h *host.Host) (http.Handler, error) {
		parsed, err := graphql.ParseSchema(schema.SDL, &root{h.Store}, graphql.MaxParallelism(parallelism))
		if err != nil {
			return nil, err
		}
		if h.Boosted {
			return graphgophers.New(parsed, graphgophers.Options{}), nil
		}
		return &relay.Handler{Schema: parsed}, nil
	})
}
