package pool

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
)

// BenchmarkAdaptive compares the adaptive size with fixed ones, per load.
func BenchmarkAdaptive(b *testing.B) {
	setUp(b)
	loads := []struct {
		name string
		run  func(b *testing.B, q querier, n int) []time.Duration
	}{
		{"cpu", func(b *testing.B, q querier, n int) []time.Duration { return drive(b, q, 64, n, pointQuery) }},
		{"io", func(b *testing.B, q querier, n int) []time.Duration { return drive(b, q, 64, n, sleepQuery) }},
		{"burst", func(b *testing.B, q querier, n int) (all []time.Duration) {
			for i := range 6 { // 10 callers, 300, 10, ...
				all = append(all, drive(b, q, []int{10, 300}[i%2], n/6, pointQuery)...)
			}
			return all
		}},
	}
	for _, load := range loads {
		measured := func(b *testing.B, q querier) {
			b.ResetTimer()
			all := load.run(b, q, b.N)
			b.StopTimer()
			report(b, all)
		}
		var p *pool.Pool // It learns once, not for each number of iterations.
		b.Run("load="+load.name+"/impl=adaptive", func(b *testing.B) {
			if p == nil {
				p = adaptive(b)
				for start := time.Now(); time.Since(start) < learning; {
					load.run(b, p, 1000)
				}
			}
			measured(b, p)
			for m := range p.Metrics() {
				if m.Name == "gqlboost.pool.limit" {
					b.ReportMetric(m.Value, "limit")
				}
			}
		})
		if p != nil {
			p.Close()
		}
		for _, size := range []int32{2, 4, 8, 16, 50} {
			b.Run(fmt.Sprintf("load=%s/impl=fixed-%d", load.name, size), func(b *testing.B) {
				q := fixed(b, server.DSN(), size)
				load.run(b, q, b.N) // Its connections open.
				measured(b, q)
			})
		}
	}
}

// learning is how long a load lasts before the adaptive size is measured: a second or two are enough.
const learning = 3 * time.Second

func adaptive(b *testing.B) *pool.Pool {
	b.Helper()
	c, err := pool.ParseConfig(server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	c.MaxConns, c.Adaptive = 50, true
	p, err := pool.NewWithConfig(context.Background(), c)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func pointQuery(b *testing.B, q querier, i int64) error {
	return point(b.Context(), q, int(i*7919%rows)+1)
}

func sleepQuery(b *testing.B, q querier, _ int64) error {
	var void any
	return q.QueryRow(b.Context(), "select pg_sleep(0.005)").Scan(&void)
}
