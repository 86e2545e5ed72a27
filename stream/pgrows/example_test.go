package pgrows_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/pgrows"
	"github.com/jackc/pgx/v5"
)

// A join of parents and children, ordered by the parents' key.
func ExampleWrite() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select * from (values
		(1, 'First',  'Ada', 10, 'Nice'),
		(1, 'First',  'Ada', 11, 'Well'),
		(2, 'Second', null, null, null)) posts(post_id, title, author__name, "comments[]__id", "comments[]__body")`)
	if err != nil {
		panic(err)
	}
	w := stream.NewWriter(os.Stdout, stream.Options{})
	n, err := pgrows.Write(w, rows, pgrows.Options{Rename: pgrows.CamelCase})
	if err := w.Close(); err != nil {
		panic(err)
	}
	fmt.Println()
	fmt.Println(n, err)
	// Output:
	// [{"postId":1,"title":"First","author":{"name":"Ada"},"comments":[{"id":10,"body":"Nice"},{"id":11,"body":"Well"}]},{"postId":2,"title":"Second","author":null,"comments":[]}]
	// 2 <nil>
}
