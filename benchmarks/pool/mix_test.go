package pool

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5/pgxpool"
)

// contenders runs a benchmark for the Reader and for pools of several sizes.
func contenders(b *testing.B, dsn string, sizes []int32, run func(b *testing.B, q querier)) {
	b.Helper()
	b.Run("impl=reader", func(b *testing.B) {
		c, err := pool.ParseConfig(dsn)
		if err != nil {
			b.Fatal(err)
		}
		c.MaxConns = slices.Max(sizes)
		p, err := pool.NewWithConfig(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		run(b, p.Reader())
	})
	for _, size := range sizes {
		b.Run(fmt.Sprintf("impl=pgxpool-%d", size), func(b *testing.B) {
			run(b, fixed(b, dsn, size))
		})
	}
}

// fixed returns a pgxpool of that size, which is closed after the benchmark.
func fixed(b *testing.B, dsn string, size int32) *pgxpool.Pool {
	b.Helper()
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		b.Fatal(err)
	}
	c.MaxConns = size
	p, err := pgxpool.NewWithConfig(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}

// BenchmarkMix has 64 goroutines, of whose queries one in 20 takes 50 ms. What is
// reported is of the others, once connections are open and the Reader knows which query is slow.
func BenchmarkMix(b *testing.B) {
	setUp(b)
	contenders(b, server.DSN(), []int32{8, 16, 50}, func(b *testing.B, q querier) {
		drive(b, q, 64, 4000, mixed)
		b.ResetTimer()
		report(b, drive(b, q, 64, b.N, mixed))
	})
}

func mixed(b *testing.B, q querier, i int64) error {
	if i%20 != 0 {
		return pointQuery(b, q, i)
	}
	var void any
	if err := q.QueryRow(b.Context(), "select pg_sleep(0.05)").Scan(&void); err != nil {
		return err
	}
	return errUnmeasured
}

func report(b *testing.B, all []time.Duration) {
	reportTimes(b, all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
}

func reportTimes(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	if len(all) > 0 {
		b.ReportMetric(float64(all[len(all)*50/100].Microseconds()), "p50-us")
		b.ReportMetric(float64(all[len(all)*95/100].Microseconds()), "p95-us")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
	}
}

// BenchmarkDistant has a network with 1 ms from call to answer, and 256 goroutines.
func BenchmarkDistant(b *testing.B) {
	setUp(b)
	contenders(b, delayed(b, 500*time.Microsecond), []int32{8, 50}, func(b *testing.B, q querier) { measure(b, q, 256) })
}

// delayed returns a connection string that leads to Postgres through a proxy, which
// delays each way.
func delayed(b *testing.B, delay time.Duration) string {
	b.Helper()
	target, err := url.Parse(server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	p, err := proxy.New(target.Host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	p.SetDelay(delay)
	proxied := *target
	proxied.Host = p.Addr()
	return proxied.String()
}
