package reader_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
)

func ExampleWithSettings() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	request := reader.WithSettings(ctx, reader.Settings{GUC: map[string]string{"app.tenant": "acme"}})
	var tenant string
	err = db.Reader().QueryRow(request, "select current_setting('app.tenant')").Scan(&tenant)
	fmt.Println(tenant, err)
	err = db.Reader().QueryRow(ctx, "select coalesce(current_setting('app.tenant', true), '')").Scan(&tenant)
	fmt.Printf("%q %v\n", tenant, err)
	// Output:
	// acme <nil>
	// "" <nil>
}

func ExampleAlone() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	var n int
	err = db.Reader().QueryRow(reader.Alone(ctx), "select count(*) from generate_series(1, 10)").Scan(&n)
	fmt.Println(n, err)
	// Output: 10 <nil>
}
