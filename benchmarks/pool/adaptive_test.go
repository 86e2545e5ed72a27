package pool

import (
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
		run  func(b *testing.B, q querier) []time.Duration
	}{
		{"cpu", func(b *testing.B, q querier) []time.Duration { return drive(b, q, 64, b.N, pointQuery) }},
		{"io", func(b *testing.B, q querier) []time.Duration { return drive(b, q, 64, b.N, sleepQuery) }},
		{"burst", func(b *testing.B, q querier) (all []time.Duration) {
			for i := range 6 { // 10 callers, 300, 10, ...
				all = append(all, drive(b, q, []int{10, 300}[i%2], b.N/6, pointQuery)...)
			}
			return all
		}},
	}
	for _, load := range loads {
		b.Run("load="+load.name+"/impl=adaptive", func(b *testing.B) {
			c, err := pool.ParseConfig(server.DSN())
			if err != nil {
				b.Fatal(err)
			}
			c.MaxConns, c.Adaptive = 50, true
			p, err := pool.NewWithConfig(b.Context(), c)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			settle(b, p, load.run)
			for m := range p.Metrics() {
				if m.Name == "gqlboost.pool.limit" {
					b.ReportMetric(m.Value, "limit")
				}
			}
		})
		for _, size := range []int32{2, 4, 8, 16, 50} {
			b.Run(fmt.Sprintf("load=%s/impl=fixed-%d", load.name, size), func(b *testing.B) {
				settle(b, fixed(b, server.DSN(), size), load.run)
			})
		}
	}
}

// settle runs a load once before it is measured.
func settle(b *testing.B, q querier, run func(b *testing.B, q querier) []time.Duration) {
	run(b, q)
	b.ResetTimer()
	all := run(b, q)
	b.StopTimer()
	report(b, all)
}

func pointQuery(b *testing.B, q querier, i int64) error {
	return point(b.Context(), q, int(i*7919%rows)+1)
}

func sleepQuery(b *testing.B, q querier, _ int64) error {
	var void any
	return q.QueryRow(b.Context(), "select pg_sleep(0.005)").Scan(&void)
}
