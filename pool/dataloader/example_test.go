package dataloader_test

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
)

// The resolvers of three posts ask for their authors, with one statement.
func Example() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	type author struct {
		ID   int64
		Name string
	}
	authors := dataloader.New(dataloader.ByKey(db.Reader(),
		"select id, name from (values (1::bigint, 'Ada'), (2, 'Bob')) a(id, name) where id = any($1)",
		func(a author) int64 { return a.ID }), dataloader.Options{})
	names := make([]string, 3)
	var resolvers sync.WaitGroup
	for i, id := range []int64{2, 1, 2} {
		resolvers.Go(func() {
			a, err := authors.Load(ctx, id)
			if err != nil {
				panic(err)
			}
			names[i] = a.Name
		})
	}
	resolvers.Wait()
	fmt.Println(names)
	// Output: [Bob Ada Bob]
}
