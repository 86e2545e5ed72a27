package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/dataloader/callers"
	"github.com/gqlboost/gqlboost/pool/reader"
)

type user struct {
	ID   int
	Name string
}

func main() {
	db, err := pool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	users := dataloader.New(dataloader.ByKey(db.Reader(),
		"select id, 'user ' || id as name from generate_series(1, 9) id where id = any($1)",
		func(u user) int { return u.ID }), dataloader.Options{})
	group := callers.New(1)
	u, err := users.Load(group.Context(context.Background()), 7)
	group.Done()
	if err != nil {
		log.Fatal(err)
	}
	ctx := reader.WithSettings(context.Background(), reader.Settings{GUC: map[string]string{"app.tenant": "acme"}})
	rows, err := db.Reader().Query(ctx, "select current_setting('app.tenant')")
	if err != nil {
		log.Fatal(err)
	}
	tenant, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	fmt.Println(u.Name, tenant, err)
	// Output: user 7 acme <nil>
}
