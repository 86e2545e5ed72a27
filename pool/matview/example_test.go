package matview_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/matview"
)

// All instances of a server keep a view fresh, and one of them does the work.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	for _, sql := range []string{
		"create table votes (post int)",
		"create materialized view vote_counts as select post, count(*) from votes group by post with no data",
		"create unique index on vote_counts (post)",
		"insert into votes values (1), (1), (2)",
	} {
		if _, err := db.Exec(ctx, sql); err != nil {
			panic(err)
		}
	}
	r, err := matview.New(db, matview.Options{View: "vote_counts", Every: time.Minute})
	if err != nil {
		panic(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx) // It ends with the context.
	}()
	for {
		if _, known := r.Staleness(); known {
			break
		}
		time.Sleep(time.Millisecond)
	}
	var votes int
	if err := db.QueryRow(ctx, "select count from vote_counts where post = 1").Scan(&votes); err != nil {
		panic(err)
	}
	fmt.Println(votes, r.Leads())
	stop()
	<-done
	// Output: 2 true
}
