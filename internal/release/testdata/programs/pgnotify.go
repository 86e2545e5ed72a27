package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gqlboost/gqlboost/contrib/pgnotify"
)

func main() {
	ctx := context.Background()
	bus, err := pgnotify.New(os.Getenv("DATABASE_URL"), pgnotify.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Close()
	fmt.Println(bus.Delete(ctx, "a plan"))
	// Output: <nil>
}
