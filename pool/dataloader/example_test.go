package dataloader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

// The resolvers of three posts ask for their authors, with one statement.
func Example() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	type author struct {
		ID   int64
		Name string
	}
	authors := dataloader.New(dataloader.ByKey(db.Reader(),
		"select id, name from (values (1::bigint, 'Ada'), (2, 'Bob')) a(id, name) where id = any($1)",
		func(a author) int64 { return a.ID }), dataloader.Options{})
	names := make([]string, 3)
	var resolvers sync.WaitGroup
	for i, id := range []int64{2, 1, 2} {
		resolvers.Go(func() {
			a, err := authors.Load(ctx, id)
			if err != nil {
				panic(err)
			}
			names[i] = a.Name
		})
	}
	resolvers.Wait()
	fmt.Println(names)
	// Output: [Bob Ada Bob]
}

// A column of keys and one of values need no struct. A *string is nil for null.
func ExampleByColumn() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	names := dataloader.New(dataloader.ByColumn[int64, *string](db.Reader(),
		"select id, name from (values (1::bigint, 'Ada'), (2, null)) a(id, name) where id = any($1)"), dataloader.Options{})
	list, err := names.LoadAll(ctx, []int64{1, 2})
	fmt.Println(*list[0], list[1], err)
	_, err = names.Load(ctx, 3)
	fmt.Println(errors.Is(err, dataloader.ErrNotFound))
	// Output:
	// Ada <nil> <nil>
	// true
}

// The tags of posts, in the order of the statement. A post without tags has an empty list.
func ExampleListByColumn() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	tags := dataloader.New(dataloader.ListByColumn[int64, string](db.Reader(),
		"select post, tag from (values (1::bigint, 'sql'), (1, 'go')) t(post, tag) where post = any($1) order by tag"), dataloader.Options{})
	list, err := tags.LoadAll(ctx, []int64{1, 2})
	fmt.Println(list, err)
	// Output: [[go sql] []] <nil>
}

// Values are pointers to structs, as resolvers of gqlgen return them.
func ExampleByKeyFunc() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	type author struct {
		ID   int64
		Name string
	}
	authors := dataloader.New(dataloader.ByKeyFunc(db.Reader(),
		"select id, name from (values (1::bigint, 'Ada'), (2, 'Bob')) a(id, name) where id = any($1)",
		pgx.RowToAddrOfStructByName[author], func(a *author) int64 { return a.ID }), dataloader.Options{})
	a, err := authors.Load(ctx, 2)
	fmt.Println(a.Name, err)
	// Output: Bob <nil>
}

// A fetch says which keys failed. The others have their values, or are not found.
func ExampleKeyErrors() {
	errForbidden := errors.New("forbidden")
	salaries := dataloader.New(func(_ context.Context, users []int) (map[int]int, error) {
		found, failed := map[int]int{}, dataloader.KeyErrors[int]{}
		for _, user := range users {
			switch user {
			case 1:
				found[user] = 5000
			case 2:
				failed[user] = errForbidden
			}
		}
		return found, failed // Also if it is empty.
	}, dataloader.Options{})
	for user := 1; user <= 3; user++ {
		fmt.Println(salaries.Load(context.Background(), user))
	}
	// Output:
	// 5000 <nil>
	// 0 forbidden
	// 0 dataloader: not found
}

// An error is not kept: a Load that begins later fetches again, and only what
// is missing.
func ExampleLoader_Load() {
	calls := 0
	squares := dataloader.New(func(_ context.Context, keys []int) (map[int]int, error) {
		calls++
		if calls == 1 {
			return map[int]int{2: 4}, errors.New("the server is restarting") // It got as far as 2.
		}
		fmt.Println("fetch", keys)
		return map[int]int{3: 9}, nil
	}, dataloader.Options{})
	ctx := context.Background()
	fmt.Println(squares.LoadAll(ctx, []int{2, 3}))
	fmt.Println(squares.LoadAll(ctx, []int{2, 3}))
	// Output:
	// [4 0] the server is restarting
	// fetch [3]
	// [4 9] <nil>
}

// Requests that come at the same time fetch together, if they have the same role and parameters.
func ExampleMerge() {
	fetch := func(_ context.Context, ids []int) (map[int]string, error) { // dataloader.ByColumn(db.Reader(), ...)
		names := map[int]string{}
		for _, id := range ids {
			names[id] = fmt.Sprint("user ", id)
		}
		return names, nil
	}
	merged := dataloader.Merge(fetch, reader.ScopeOf, dataloader.MergeOptions{}) // one for the process

	users := dataloader.New(merged, dataloader.Options{}) // one for each request
	name, err := users.Load(context.Background(), 7)
	fmt.Println(name, err)
	// Output: user 7 <nil>
}

// A merged fetch has one span, which is linked to those of all requests that it is for, and which the
// fetch ends. With OpenTelemetry, the links are an option of the tracer's Start: trace.WithLinks of a
// trace.LinkFromContext for each caller; and fetch begins with defer trace.SpanFromContext(ctx).End().
func ExampleMergeOptions_trace() {
	type spanKey struct{}
	fetch := func(ctx context.Context, ids []int) (map[int]string, error) {
		fmt.Println("a statement of", ctx.Value(spanKey{}))
		return nil, nil
	}
	trace := func(ctx context.Context, callers []context.Context) context.Context {
		span := "a span that is linked to"
		for _, caller := range callers {
			span += fmt.Sprint(" ", caller.Value(spanKey{}))
		}
		return context.WithValue(ctx, spanKey{}, span)
	}
	merged := dataloader.Merge(fetch, reader.ScopeOf, dataloader.MergeOptions{Trace: trace})

	request := context.WithValue(context.Background(), spanKey{}, "the first request's")
	if _, err := merged(request, []int{7}); err != nil {
		fmt.Println(err)
	}
	// Output: a statement of a span that is linked to the first request's
}
