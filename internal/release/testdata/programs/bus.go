package main

import (
	"context"
	"fmt"
	"log"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

func main() {
	ctx := context.Background()
	link, err := bus.New(bustest.NewHub().Connect(), bus.Options{})
	if err != nil {
		log.Fatal(err)
	}
	keys, err := link.Watch(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := link.Delete(ctx, "a:plan"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-keys, link.Close())
	// Output: a:plan <nil>
}
