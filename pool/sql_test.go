package pool_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gqlboost/gqlboost/pool"
)

func ExampleOpenDB() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	sqlDB := pool.OpenDB(db)
	defer sqlDB.Close()
	var n int
	err = sqlDB.QueryRowContext(ctx, "select count(*) from generate_series(1, $1::int)", 3).Scan(&n)
	fmt.Println(n, err)
	// Output: 3 <nil>
}
