package main

import (
	"context"
	"fmt"
	"log"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/contrib/otel"
)

func main() {
	producer, err := otel.NewProducer(new(arena.Buffers))
	if err != nil {
		log.Fatal(err)
	}
	scopes, err := producer.Produce(context.Background())
	fmt.Println(len(scopes), err)
	// Output: 1 <nil>
}
