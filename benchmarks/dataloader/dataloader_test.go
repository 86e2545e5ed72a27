// Package dataloader measures pool/dataloader against other loaders.
package dataloader

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	graphgophers "github.com/graph-gophers/dataloader/v7"
	"github.com/jackc/pgx/v5"
	"github.com/vikstrous/dataloadgen"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

type fetch = func(context.Context, []int) (map[int]string, error)

// loaders make a new loader of a request, which returns its Load. Peers have a fixed wait:
// their own default of 16 ms, and one of 1 ms and of 100 us, which those take who have
// measured.
var loaders = []struct {
	name string
	make func(fetch) func(context.Context, int) (string, error)
}{
	{"gqlboost", func(f fetch) func(context.Context, int) (string, error) {
		return dataloader.New(f, dataloader.Options{}).Load
	}},
	{"dataloadgen", loadgen(16 * time.Millisecond)},
	{"dataloadgen-1ms", loadgen(time.Millisecond)},
	{"dataloadgen-100us", loadgen(100 * time.Microsecond)},
	{"graph-gophers", gophers(16 * time.Millisecond)},
	{"graph-gophers-1ms", gophers(time.Millisecond)},
	{"graph-gophers-100us", gophers(100 * time.Microsecond)},
}

func loadgen(wait time.Duration) func(fetch) func(context.Context, int) (string, error) {
	return func(f fetch) func(context.Context, int) (string, error) {
		return dataloadgen.NewMappedLoader(f, dataloadgen.WithWait(wait)).Load
	}
}

func gophers(wait time.Duration) func(fetch) func(context.Context, int) (string, error) {
	return func(f fetch) func(context.Context, int) (string, error) {
		l := graphgophers.NewBatchedLoader(func(ctx context.Context, keys []int) []*graphgophers.Result[string] {
			found, err := f(ctx, keys)
			results := make([]*graphgophers.Result[string], len(keys))
			for i, k := range keys {
				results[i] = &graphgophers.Result[string]{Data: found[k], Error: err}
			}
			return results
		}, graphgophers.WithWait[int, string](wait))
		return func(ctx context.Context, key int) (string, error) { return l.Load(ctx, key)() }
	}
}

// request asks for n keys from as many goroutines, as resolvers of a list do.
func request(b *testing.B, load func(context.Context, int) (string, error), n int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if v, err := load(ctx, i); err != nil || v == "" {
				b.Errorf("%d: %q %v", i, v, err)
			}
		})
	}
	wg.Wait()
}

// BenchmarkMemory is what a loader itself costs a request.
func BenchmarkMemory(b *testing.B) {
	values := map[int]string{}
	for i := range 1000 {
		values[i] = fmt.Sprint("value ", i)
	}
	for _, n := range []int{1, 20, 200} {
		for _, l := range loaders {
			b.Run(fmt.Sprintf("keys=%d/impl=%s", n, l.name), func(b *testing.B) {
				b.ReportAllocs()
				calls := 0
				for b.Loop() {
					request(b, l.make(func(_ context.Context, keys []int) (map[int]string, error) {
						calls++
						found := make(map[int]string, len(keys))
						for _, k := range keys {
							found[k] = values[k]
						}
						return found, nil
					}), n)
				}
				b.ReportMetric(float64(calls)/float64(b.N), "fetches/op")
			})
		}
	}
}

// BenchmarkPostgres is a request that reads through the Reader, alone and among 16 others.
func BenchmarkPostgres(b *testing.B) {
	db, err := pool.New(b.Context(), server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{"create table if not exists points as select i as id, md5(i::text) as text from generate_series(0, 10000) i", "create unique index if not exists points_id on points (id)", "analyze points"} {
		if _, err := db.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	reader := db.Reader()
	var fetches atomic.Int64
	read := func(ctx context.Context, keys []int) (map[int]string, error) {
		fetches.Add(1)
		rows, err := reader.Query(ctx, "select id, text from points where id = any($1)", keys)
		if err != nil {
			return nil, err
		}
		found := make(map[int]string, len(keys))
		var id int
		var text string
		_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error { found[id] = text; return nil })
		return found, err
	}
	for _, requests := range []int{1, 16} {
		for _, l := range loaders {
			b.Run(fmt.Sprintf("keys=20/requests=%d/impl=%s", requests, l.name), func(b *testing.B) {
				b.ReportAllocs()
				fetches.Store(0)
				defer func() { b.ReportMetric(float64(fetches.Load())/float64(b.N), "fetches/op") }()
				if requests == 1 {
					for b.Loop() {
						request(b, l.make(read), 20)
					}
					return
				}
				b.SetParallelism(requests / runtime.GOMAXPROCS(0))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						request(b, l.make(read), 20)
					}
				})
			})
		}
	}
}
