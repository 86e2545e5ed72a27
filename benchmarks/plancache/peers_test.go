package plancache

import (
	"context"
	"testing"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/gqlboost/gqlboost/plancache"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
)

// cache is what all of them can do.
type cache struct {
	get   func(string) bool
	add   func(string)
	close func()
}

// plan stands for a plan.
type plan struct{ query string }

// peers make caches for that many plans. Those that do work in the background are made to
// finish it after each call of add, so that all are compared at their best.
var peers = []struct {
	name string
	make func(b testing.TB, capacity int) cache
}{
	{"gqlboost", func(b testing.TB, n int) cache {
		c, err := plancache.New(plancache.Options[*plan]{Capacity: n})
		if err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		return cache{func(k string) bool { _, ok := c.Get(ctx, plancache.Key{Query: k}); return ok }, func(k string) { c.Add(ctx, plancache.Key{Query: k}, &plan{k}) }, func() { c.Close() }}
	}},
	{"otter", func(_ testing.TB, n int) cache {
		c := otter.Must(&otter.Options[string, *plan]{MaximumSize: n, Executor: func(f func()) { f() }})
		return cache{func(k string) bool { _, ok := c.GetIfPresent(k); return ok }, func(k string) { c.Set(k, &plan{k}); c.CleanUp() }, func() {}}
	}},
	{"theine", func(b testing.TB, n int) cache {
		c, err := theine.NewBuilder[string, *plan](int64(n)).Build()
		if err != nil {
			b.Fatal(err)
		}
		return cache{func(k string) bool { _, ok := c.Get(k); return ok }, func(k string) { c.Set(k, &plan{k}, 1); c.Wait() }, c.Close}
	}},
	{"golang-lru", func(b testing.TB, n int) cache {
		c, err := lru.New[string, *plan](n)
		if err != nil {
			b.Fatal(err)
		}
		return cache{func(k string) bool { _, ok := c.Get(k); return ok }, func(k string) { c.Add(k, &plan{k}) }, func() {}}
	}},
	{"2q", func(b testing.TB, n int) cache {
		c, err := lru.New2Q[string, *plan](n)
		if err != nil {
			b.Fatal(err)
		}
		return cache{func(k string) bool { _, ok := c.Get(k); return ok }, func(k string) { c.Add(k, &plan{k}) }, func() {}}
	}},
	{"ristretto", func(b testing.TB, n int) cache {
		c, err := ristretto.NewCache(&ristretto.Config[string, *plan]{NumCounters: int64(n) * 10, MaxCost: int64(n), BufferItems: 64, IgnoreInternalCost: true})
		if err != nil {
			b.Fatal(err)
		}
		return cache{func(k string) bool { _, ok := c.Get(k); return ok }, func(k string) { c.Set(k, &plan{k}, 1); c.Wait() }, c.Close}
	}},
}
