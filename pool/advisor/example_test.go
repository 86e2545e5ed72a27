package advisor_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// A server records its statements, and asks now and then what to fix.
func Example() {
	ctx := context.Background()
	recorder := advisor.NewRecorder(advisor.RecorderOptions{})
	config, err := pool.ParseConfig(os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	config.ConnConfig.Tracer = recorder
	db, err := pool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	defer db.Close()

	// A request asks for each author on its own.
	request, end := recorder.Request(ctx, "Feed")
	for id := range 20 {
		if _, err := db.Reader().
			Exec(request, "select name from (values (1, 'Ada')) authors(id, name) where id = $1", id); err != nil {
			panic(err)
		}
	}
	end()

	report, err := advisor.Analyze(ctx, db, advisor.Options{Record: recorder.Record()})
	if err != nil {
		panic(err)
	}
	for _, f := range report.Findings {
		if f.Kind == advisor.RepeatedStatement {
			fmt.Println(f.Title)
		}
	}
	// Output: Feed runs a statement up to 20 times for one request
}

// Hints are data, for one transaction.
func ExampleHint() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer conn.Close(ctx)
	hint := advisor.Hint{Settings: map[string]string{"work_mem": "32MB"}}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := hint.Apply(ctx, tx); err != nil {
			return err
		}
		var memory string
		if err := tx.QueryRow(ctx, "show work_mem").Scan(&memory); err != nil {
			return err
		}
		fmt.Println(memory)
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output: 32MB
}
