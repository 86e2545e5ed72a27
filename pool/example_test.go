package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5"
)

func ExamplePool_Reader() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	rows, err := db.Reader().Query(ctx, "select n * n from generate_series(1, $1::int) n", 4)
	if err != nil {
		panic(err)
	}
	fmt.Println(pgx.CollectRows(rows, pgx.RowTo[int]))
	_, err = db.Reader().Exec(ctx, "create table t (id int)")
	fmt.Println(err)
	_, err = db.Reader().Exec(ctx, "begin")
	fmt.Println(errors.Is(err, pool.ErrNotRead))
	// Output:
	// [1 4 9 16] <nil>
	// ERROR: cannot execute CREATE TABLE in a read-only transaction (SQLSTATE 25006)
	// true
}

func ExampleExhaustedError() {
	ctx := context.Background()
	c, err := pool.ParseConfig(os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	c.MaxConns, c.AcquireTimeout, c.Warm = 1, 100*time.Millisecond, true
	db, err := pool.NewWithConfig(ctx, c)
	if err != nil {
		panic(err)
	}
	defer db.Close()
	conn, err := db.Acquire(ctx)
	if err != nil {
		panic(err)
	}
	_, err = db.Exec(ctx, "select 1")
	var exhausted *pool.ExhaustedError
	fmt.Println(errors.As(err, &exhausted), exhausted.Limit, exhausted.Queue)
	conn.Release()
	_, err = db.Exec(ctx, "select 1")
	fmt.Println(err)
	// Output:
	// true 1 1
	// <nil>
}

// Instances of one fleet divide what the server has. Each has a connection besides for its lease.
func ExampleLeaseOptions() {
	ctx := context.Background()
	c, err := pool.ParseConfig(os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	c.MaxConns = 10 // at most, whatever the share is
	c.Lease = pool.LeaseOptions{Fleet: "example", OnError: func(err error) { fmt.Println(err) }}
	db, err := pool.NewWithConfig(ctx, c)
	if err != nil {
		panic(err)
	}
	defer db.Close()
	for m := range db.Metrics() {
		if m.Name == "gqlboost.pool.lease.share" || m.Name == "gqlboost.pool.lease.members" {
			fmt.Println(m.Name, m.Value)
		}
	}
	// Output:
	// gqlboost.pool.lease.share 10
	// gqlboost.pool.lease.members 1
}
