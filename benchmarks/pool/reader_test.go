// Package pool measures gqlboost's pool against pgxpool.
package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

const rows = 100_000

func setUp(b *testing.B) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for _, sql := range []string{
		"drop table if exists points",
		fmt.Sprintf("create table points as select i as id, md5(i::text) as text from generate_series(1, %d) i", rows),
		"alter table points add primary key (id)", "vacuum analyze points",
	} {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
}

// querier is what is measured.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func point(ctx context.Context, q querier, id int) error {
	var got int
	var text string
	err := q.QueryRow(ctx, "select id, text from points where id = $1", id).Scan(&got, &text)
	if err == nil && (got != id || len(text) != 32) {
		err = fmt.Errorf("got row %d, want %d", got, id)
	}
	return err
}

// text returns one of many texts of the same statement.
func text(n int) string {
	return fmt.Sprintf("select id, text from points where id = $1 and %d = %d", n, n)
}

// oneOf returns a function that runs statements of as many texts.
func oneOf(texts int) func(ctx context.Context, q querier, id int) error {
	list := make([]string, texts)
	for i := range list {
		list[i] = text(i)
	}
	return func(ctx context.Context, q querier, id int) error {
		var got int
		var text string
		err := q.QueryRow(ctx, list[id%texts], id).Scan(&got, &text)
		if err == nil && (got != id || len(text) != 32) {
			err = fmt.Errorf("got row %d, want %d", got, id)
		}
		return err
	}
}

// measure runs point queries from n goroutines and reports quantiles.
func measure(b *testing.B, q querier, n int) {
	b.Helper()
	measureQueries(b, n, func(ctx context.Context, id int) error { return point(ctx, q, id) })
}

// measureQueries runs queries from n goroutines and reports quantiles.
func measureQueries(b *testing.B, n int, query func(ctx context.Context, id int) error) {
	b.Helper()
	ctx := b.Context()
	var warm sync.WaitGroup
	for g := range n { // Statements become known, connections open.
		warm.Go(func() {
			for i := range 100 {
				if err := query(ctx, (g*100+i)%rows+1); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	warm.Wait()
	before := cpu.Time()
	b.ResetTimer()
	all := drive(b, nil, n, b.N, func(_ *testing.B, _ querier, i int64) error { return query(ctx, int(i*7919%rows)+1) })
	b.StopTimer()
	used := cpu.Time() - before
	report(b, all)
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// errUnmeasured is returned by a query that is there for what it does to others.
var errUnmeasured = errors.New("not measured")

// drive runs n queries from so many callers, and returns how long they took.
func drive(b *testing.B, q querier, callers, n int, query func(*testing.B, querier, int64) error) (all []time.Duration) {
	var next atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			list := make([]time.Duration, 0, 1024)
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				start := time.Now()
				err := query(b, q, i)
				if errors.Is(err, errUnmeasured) {
					continue
				}
				if err != nil {
					b.Error(err)
				}
				list = append(list, time.Since(start))
			}
			mu.Lock()
			all = append(all, list...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return all
}

func BenchmarkPoint(b *testing.B) {
	setUp(b)
	for _, n := range []int{1, 8, 32, 256} {
		for _, way := range [][2]string{{"reader", ""}, {"reader-transaction", "&pool_reader_transaction_pooling=true"}} {
			b.Run(fmt.Sprintf("goroutines=%d/impl=%s", n, way[0]), func(b *testing.B) {
				p, err := pool.New(b.Context(), server.DSN()+"&pool_max_conns=8"+way[1])
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				measure(b, p.Reader(), n)
			})
		}
		for _, size := range []int32{2, 4, 8, 16, 50} {
			b.Run(fmt.Sprintf("goroutines=%d/impl=pgxpool-%d", n, size), func(b *testing.B) {
				measure(b, fixed(b, server.DSN(), size), n)
			})
		}
	}
}

// BenchmarkTexts runs statements of ten texts: each run of one text is a transaction.
func BenchmarkTexts(b *testing.B) {
	setUp(b)
	query := oneOf(10)
	for _, n := range []int{32, 256} {
		run := func(name string, open func(*testing.B) querier) {
			b.Run(fmt.Sprintf("goroutines=%d/impl=%s", n, name), func(b *testing.B) {
				q := open(b)
				measureQueries(b, n, func(ctx context.Context, id int) error { return query(ctx, q, id) })
			})
		}
		run("reader", func(b *testing.B) querier { return open(b, server.DSN()+"&pool_max_conns=8").Reader() })
		for _, size := range []int32{2, 4, 8, 16, 50} {
			run(fmt.Sprintf("pgxpool-%d", size), func(b *testing.B) querier { return fixed(b, server.DSN(), size) })
		}
	}
}

// open opens a pool for a benchmark.
func open(b *testing.B, dsn string) *pool.Pool {
	b.Helper()
	p, err := pool.New(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}
