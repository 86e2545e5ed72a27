package main

import (
	"context"
	"log"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/pgrows"
)

func main() {
	ctx := context.Background()
	db, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close(ctx)
	rows, err := db.Query(ctx, "select 1 as id, array['a', 'b'] as tags")
	if err != nil {
		log.Fatal(err)
	}
	w := stream.NewWriter(os.Stdout, stream.Options{})
	if _, err := pgrows.Write(w, rows, pgrows.Options{}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: [{"id":1,"tags":["a","b"]}]
}
