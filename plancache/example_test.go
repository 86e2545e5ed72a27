package plancache_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
)

type plan struct{ query string }

func build(_ context.Context, key plancache.Key) (*plan, error) { return &plan{key.Query}, nil }

func ExampleCache_Load() {
	cache, err := plancache.New(plancache.Options[*plan]{Schema: plancache.HashSchema("type Query { a: Int }")})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	const query = "{ a }"
	for range 3 {
		p, err := cache.Load(context.Background(), plancache.Key{Query: query}, func(ctx context.Context) (*plan, error) { return build(ctx, plancache.Key{Query: query}) })
		fmt.Println(p.query, err)
	}
	fmt.Println("built:", cache.Stats().Builds)
	// Output:
	// { a } <nil>
	// { a } <nil>
	// { a } <nil>
	// built: 1
}

func ExampleCache_SetSchema() {
	cache, _ := plancache.New(plancache.Options[*plan]{Schema: "v1"})
	defer cache.Close()
	n, err := cache.Warm(context.Background(), slices.Values([]plancache.Key{{Query: "{ a }"}, {Query: "{ b }"}}), build)
	fmt.Println(n, err)
	fmt.Println(cache.SetSchema(context.Background(), "v2", plancache.Switch[*plan]{Rebuild: build}), cache.Len())
	// Output:
	// 2 <nil>
	// <nil> 2
}

func ExampleNormalize() {
	fmt.Println(plancache.Normalize("query A {\n  a, b # both\n}"))
	fmt.Println(plancache.Signature(`{ user(name: "Ada", limit: 10) { id } }`))
	// Output:
	// query A{a b}
	// {user(name:""limit:0){id}}
}

func ExamplePersisted() {
	store := plancache.NewTrusted(slices.Values([]string{"{ a }"}))
	query, err := store.Resolve(context.Background(), plancache.HashQuery("{ a }"), "")
	fmt.Println(query, err)
	_, err = store.Resolve(context.Background(), "", "{ b }")
	fmt.Println(err)
	// Output:
	// { a } <nil>
	// plancache: the query is not one of the trusted documents
}

func ExampleResults() {
	results, _ := plancache.NewResults(plancache.ResultsOptions{Bytes: 1 << 20, TTL: time.Minute})
	defer results.Close()
	key := plancache.ResultKey{Query: "{ posts { id } }"}
	fill := func(context.Context) ([]byte, []string, error) { return []byte(`{"data":{}}`), []string{"posts"}, nil }
	data, err := results.Load(context.Background(), key, fill)
	fmt.Println(string(data), err)
	_ = results.Invalidate(context.Background(), "posts")
	_, ok := results.Get(key)
	fmt.Println(ok)
	// Output:
	// {"data":{}} <nil>
	// false
}

func ExampleRelocate() {
	built := "query Q {\n  a\n  b\n}" // what the plan was made of
	sent := "query Q { a b }"         // what this client has sent, which has the same plan
	fmt.Println(plancache.Relocate(built, sent, 3, 3))
	// Output:
	// 1 13 true
}
