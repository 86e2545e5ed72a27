// Package pool measures gqlboost's pool against pgxpool.
package pool

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// measure runs point queries from n goroutines and reports quantiles.
func measure(b *testing.B, q querier, n int) {
	b.Helper()
	ctx := b.Context()
	for i := range n { // Statements become known, connections open.
		if err := point(ctx, q, i%rows+1); err != nil {
			b.Fatal(err)
		}
	}
	var next atomic.Int64
	latencies := make([][]time.Duration, n)
	before := cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() {
			list := make([]time.Duration, 0, 1024)
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				start := time.Now()
				if err := point(ctx, q, int(i*7919%rows)+1); err != nil {
					b.Error(err)
					return
				}
				list = append(list, time.Since(start))
			}
			latencies[g] = list
		})
	}
	wg.Wait()
	b.StopTimer()
	used := cpu() - before
	report(b, slices.Concat(latencies...))
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func BenchmarkPoint(b *testing.B) {
	setUp(b)
	for _, n := range []int{1, 8, 32, 256} {
		for name, parameters := range map[string]string{"reader": "", "reader-transaction": "&pool_reader_transaction_pooling=true"} {
			b.Run(fmt.Sprintf("goroutines=%d/impl=%s", n, name), func(b *testing.B) {
				p, err := pool.New(b.Context(), server.DSN()+parameters)
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
