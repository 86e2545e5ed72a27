package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/contrib/prom"
)

func main() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prom.NewCollector(new(arena.Buffers)))
	families, err := registry.Gather()
	fmt.Println(len(families) > 0, err)
	// Output: true <nil>
}
