package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/internal/redis"
	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
)

// documents are caches of parsed and validated queries, which cannot be shared: a new instance
// makes them of the fleet's texts.
type documents struct {
	schema  *ast.Schema
	queries []string
}

func newDocuments() *documents {
	d := &documents{schema: gqlparser.MustLoadSchema(&ast.Source{Input: `
type Query { user(id: Int): User }
type User { id: Int name: String posts(first: Int, after: Int): [Post] friend: User }
type Post { id: Int title: String body: String author: User }`})}
	for i := range 200 {
		part := fmt.Sprintf("a%d: user(id: %d) { id name posts(first: 10, after: %d) { id title body author { id name } } friend { id name } }\n", i, i, i)
		var q strings.Builder
		for j := range 12 {
			fmt.Fprintf(&q, "p%d: user(id: %d) { ...F }\n", j, i)
		}
		d.queries = append(d.queries, fmt.Sprintf("query Q%d {\n%s%s} fragment F on User { id name posts { id title } }", i, part, q.String()))
	}
	return d
}

func (d *documents) build(_ context.Context, key plancache.Key) (*ast.QueryDocument, error) {
	doc, errs := gqlparser.LoadQueryWithRules(d.schema, key.Query, nil)
	if errs != nil {
		return nil, errs
	}
	return doc, nil
}

func (d *documents) open(t *testing.T, address string) *plancache.Cache[*ast.QueryDocument] {
	t.Helper()
	c, err := plancache.New(plancache.Options[*ast.QueryDocument]{Schema: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	store := redisstore.New(connect(t, address), redisstore.Options{})
	if err := c.Share(plancache.Uses{Ranking: store, Every: 50 * time.Millisecond, Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	return c
}

// second asks for plans for a second, in an open loop, some queries much more often than others.
// The time is that of a Load: machines do not wake to the microsecond.
func (d *documents) second(t *testing.T, c *plancache.Cache[*ast.QueryDocument], seed uint64) (ratio float64, p95 time.Duration) {
	t.Helper()
	const each = 2 * time.Millisecond
	popular := rand.NewZipf(rand.New(rand.NewPCG(seed, 1)), 1.1, 4, uint64(len(d.queries)-1))
	var mu sync.Mutex
	var took []time.Duration
	var hits atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for i := range int(time.Second / each) {
		time.Sleep(time.Until(start.Add(time.Duration(i) * each)))
		key := plancache.Key{Query: d.queries[popular.Uint64()]}
		wg.Go(func() {
			begin := time.Now()
			hit := true
			_, err := c.Load(t.Context(), key, func(ctx context.Context) (*ast.QueryDocument, error) { hit = false; return d.build(ctx, key) })
			if err != nil {
				t.Error(err)
			}
			if hit {
				hits.Add(1)
			}
			mu.Lock()
			took = append(took, time.Since(begin))
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(took)
	return float64(hits.Load()) / float64(len(took)), took[len(took)*95/100]
}

// In its first second a new instance hits as one does that has run for a while.
func TestFirstSecond(t *testing.T) {
	server := redis.Start(t)
	d := newDocuments()
	old := d.open(t, server.Address)
	for _, q := range slices.Repeat(d.queries, 3) { // It has run for a while.
		key := plancache.Key{Query: q}
		if _, err := old.Load(t.Context(), key, func(ctx context.Context) (*ast.QueryDocument, error) { return d.build(ctx, key) }); err != nil {
			t.Fatal(err)
		}
	}
	steady, steadyP95 := d.second(t, old, 2)
	wait.Until(t, "the fleet knows", func() bool { return old.Stats().Fleet.Told >= uint64(len(d.queries)) })
	cold, coldP95 := d.second(t, d.open(t, server.Address), 2)
	fresh := d.open(t, server.Address)
	start := time.Now()
	w, err := fresh.WarmShared(t.Context(), plancache.WarmOptions{Timeout: time.Minute}, d.build)
	took := time.Since(start)
	if err != nil {
		t.Error(err)
	}
	warm, warmP95 := d.second(t, fresh, 2)
	t.Logf("hit ratio and P95 of a second: steady %.3f %v; new and cold %.3f %v; new and warm %.3f %v (%d plans in %v)",
		steady, steadyP95, cold, coldP95, warm, warmP95, w.Built, took)
	if warm < 0.95*steady || warm < cold {
		t.Errorf("hit ratios: steady %.3f, new and cold %.3f, new and warm %.3f", steady, cold, warm)
	}
}
