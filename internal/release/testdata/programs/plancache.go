package main

import (
	"context"
	"fmt"
	"log"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/plancache"
)

func main() {
	plans, err := plancache.New(plancache.Options[string]{})
	if err != nil {
		log.Fatal(err)
	}
	defer plans.Close()
	for range 3 {
		plan, err := plans.Load(context.Background(), plancache.Key{Query: "{ me }"}, func(context.Context) (string, error) {
			return "planned", nil
		})
		if err != nil || plan != "planned" {
			log.Fatal(plan, err)
		}
	}
	var source gqlboost.Source = plans
	for metric := range source.Metrics() {
		if metric.Value == 2 {
			fmt.Println(plans.Stats().Hits)
			break
		}
	}
	// Output: 2
}
