package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/contrib/redisstore"
)

func main() {
	ctx := context.Background()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{os.Getenv("REDIS_ADDRESS")}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store := redisstore.New(client, redisstore.Options{})
	if err := store.Set(ctx, "key", []byte("plan"), time.Minute); err != nil {
		log.Fatal(err)
	}
	plan, err := store.Get(ctx, "key")
	fmt.Println(string(plan), err)
	// Output: plan <nil>
}
