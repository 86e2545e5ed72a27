package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/pool/matview"
)

func main() {
	ctx := context.Background()
	db, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	r, err := matview.New(db, matview.Options{View: "sales", Every: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Leads())
	// Output: false
}
