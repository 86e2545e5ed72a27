// Command graphqlgo serves the blog by graphql-go/graphql, plain or with gqlboost's blocks.
package main

import (
	"net/http"

	"github.com/graphql-go/handler"

	"github.com/gqlboost/gqlboost/benchmarks/peers/host"
	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
	"github.com/gqlboost/gqlboost/plancache"
)

func main() {
	host.Main("graphqlgo", func(h *host.Host) (http.Handler, error) {
		schema, err := newSchema(h.Store)
		if err != nil {
			return nil, err
		}
		if !h.Boosted {
			return handler.New(&handler.Config{Schema: &schema}), nil
		}
		plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
		if err != nil {
			return nil, err
		}
		h.Closers = append(h.Closers, func() { plans.Close() })
		return graphqlgo.New(schema, plans, graphqlgo.Options{}), nil
	})
}
