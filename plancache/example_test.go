package plancache_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
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

// ranking is a fleet's ranking in memory; contrib/redisstore has one on Redis.
type ranking struct {
	mu   sync.Mutex
	uses map[string]map[string]float64
}

func (r *ranking) Count(_ context.Context, group string, uses []plancache.Use, _ plancache.Keep) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.uses[group] == nil {
		r.uses[group] = map[string]float64{}
	}
	for _, u := range uses {
		r.uses[group][u.Member] += u.Count
	}
	return nil
}

func (r *ranking) Top(_ context.Context, group string, n, _ int) (list []plancache.Use, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for member, count := range r.uses[group] {
		list = append(list, plancache.Use{Member: member, Count: count})
	}
	slices.SortFunc(list, func(a, b plancache.Use) int { return cmp.Compare(b.Count, a.Count) })
	return list[:min(n, len(list))], nil
}

func (r *ranking) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.uses) < 2 // the plans of a version, and the versions
}

// A new instance with a new schema gets the plans that the others use most.
func ExampleCache_WarmShared() {
	fleet := &ranking{uses: map[string]map[string]float64{}}
	uses := plancache.Uses{Ranking: fleet, Every: 10 * time.Millisecond}
	old, _ := plancache.New(plancache.Options[*plan]{Schema: "v1"})
	defer old.Close()
	_ = old.Share(uses)
	key := plancache.Key{Query: "{ a }"}
	for fleet.empty() {
		_, _ = old.Load(context.Background(), key, func(ctx context.Context) (*plan, error) { return build(ctx, key) })
	}

	cache, _ := plancache.New(plancache.Options[*plan]{Schema: "v2"})
	defer cache.Close()
	_ = cache.Share(uses)
	warmed, err := cache.WarmShared(context.Background(), plancache.WarmOptions{}, build)
	fmt.Println(warmed.Built, err)
	p, ok := cache.Get(context.Background(), key)
	fmt.Println(p.query, ok)
	// Output:
	// 1 <nil>
	// { a } true
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
