package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/pool/advisor"
)

func main() {
	ctx := context.Background()
	db, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	report, err := advisor.Analyze(ctx, db, advisor.Options{})
	fmt.Println(report != nil, err)
	// Output: true <nil>
}
