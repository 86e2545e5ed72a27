package blocks_test

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
)

// ranking is the memory of a fleet.
type ranking struct {
	mu     sync.Mutex
	groups map[string]map[string]float64
}

func (r *ranking) Count(_ context.Context, group string, uses []plancache.Use, _ plancache.Keep) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups[group] == nil {
		r.groups[group] = map[string]float64{}
	}
	for _, u := range uses {
		r.groups[group][u.Member] += u.Count
	}
	return nil
}

func (r *ranking) Top(_ context.Context, group string, n, _ int) (list []plancache.Use, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m, count := range maps.Clone(r.groups[group]) {
		if len(list) < n {
			list = append(list, plancache.Use{Member: m, Count: count})
		}
	}
	return list, nil
}

// The first request of a new instance is a hit, also with a new schema, if the fleet has used its
// query; and what the new schema refuses is not served.
func TestFleetMakesTheFirstRequestAHit(t *testing.T) {
	r := &ranking{groups: map[string]map[string]float64{}}
	b := blocks.Blocks{PlanCache: true, Fleet: plancache.Uses{Ranking: r, Every: 20 * time.Millisecond}}
	old := open(t, b)
	wait.Until(t, "both queries are told", func() bool {
		for _, q := range []string{retired, `{ totals { users } }`} {
			if body := ask(old, q); strings.Contains(body, "errors") {
				t.Fatal(body)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for group, members := range r.groups {
			if !strings.HasSuffix(group, "versions") && len(members) == 2 && len(r.groups) == 2 {
				return true
			}
		}
		return false
	})
	same := open(t, b)
	if err := same.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	b.SchemaFile = write(t, "next", next())
	after := open(t, b)
	if err := after.Warm(t.Context()); err == nil || !strings.Contains(err.Error(), "handle") {
		t.Errorf("a query that the new schema refuses: %v", err)
	}
	for name, s := range map[string]*blocks.Server{"same schema": same, "new schema": after} {
		before, missed := lookups(s)
		if body := ask(s, `{ totals { users } }`); strings.Contains(body, "errors") {
			t.Error(body)
		}
		if hits, misses := lookups(s); hits != before+1 || misses != missed {
			t.Errorf("%s: %v hits and %v misses more", name, hits-before, misses-missed)
		}
	}
	if body := ask(after, retired); !strings.Contains(body, "errors") {
		t.Errorf("the new schema serves what it has no longer: %s", body)
	}
}

// Before it is ready an instance has asked what the fleet asks, and has written nothing.
func TestRehearsalReadsOnly(t *testing.T) {
	r := &ranking{groups: map[string]map[string]float64{}}
	b := blocks.Blocks{PlanCache: true, Pool: true, Reader: true, Compiled: true,
		Fleet: plancache.Uses{Ranking: r, Every: 20 * time.Millisecond}}
	old := open(t, b)
	queries := []string{
		`{ totals { comments posts } }`, `query u($id: ID!) { user(id: $id) { name } }`,
		`query f($n: Int! = 3, $before: ID) { feed(first: $n, before: $before) { id } }`,
		`mutation { addComment(input: {postId: 1, authorId: 1, body: \"one\"}) { id } }`,
		`mutation c($c: NewComment!) { addComment(input: $c) { id } }`,
		`query a { totals { users } } query b { totals { posts } }`,
	}
	wait.Until(t, "all are told", func() bool {
		for _, q := range queries {
			ask(old, q)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, members := range r.groups {
			if len(members) == len(queries) {
				return true
			}
		}
		return false
	})
	before := ask(old, queries[0])
	fresh := open(t, b)
	if err := fresh.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	if after := ask(old, queries[0]); after != before {
		t.Errorf("%s before, %s after", before, after)
	}
	if hits, misses := lookups(fresh); hits != 6 || misses != 6 {
		t.Errorf("%v hits and %v misses, want 6 and 6: three queries are asked twice", hits, misses)
	}
}
