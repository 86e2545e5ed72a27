package pool

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkRecorder is what an advisor's recorder costs: the same queries with one and
// without, in turns of a tenth of a second, of which an iteration has several: it lasts longer than the
// usual -benchtime, so there is one only. The ratio is that of the medians of turns.
func BenchmarkRecorder(b *testing.B) {
	setUp(b)
	recorder := advisor.NewRecorder(advisor.RecorderOptions{})
	reader := func(recorded bool) querier {
		config, err := pool.ParseConfig(server.DSN())
		if err != nil {
			b.Fatal(err)
		}
		if recorded {
			config.ConnConfig.Tracer = recorder
		}
		p, err := pool.NewWithConfig(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(p.Close)
		return p.Reader()
	}
	plain := func(recorded bool) querier {
		config, err := pgxpool.ParseConfig(server.DSN() + "&pool_max_conns=8")
		if err != nil {
			b.Fatal(err)
		}
		if recorded {
			config.ConnConfig.Tracer = recorder
		}
		p, err := pgxpool.NewWithConfig(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(p.Close)
		return p
	}
	for _, each := range []struct {
		name string
		open func(recorded bool) querier
	}{{"reader", reader}, {"pgxpool", plain}} {
		for _, n := range []int{1, 256} {
			b.Run(fmt.Sprintf("goroutines=%d/impl=%s", n, each.name), func(b *testing.B) {
				ctx := b.Context()
				queriers := []querier{each.open(false), each.open(true)}
				var took [2][]float64 // nanoseconds for a query, of each turn
				turn := func(which int, deadline time.Duration) float64 {
					start := time.Now()
					var done atomic.Int64
					var wg sync.WaitGroup
					for g := range n {
						wg.Go(func() {
							request, end := ctx, func() {}
							if which == 1 {
								request, end = recorder.Request(ctx, "bench")
							}
							defer end()
							for i := 0; time.Since(start) < deadline; i++ {
								if err := point(request, queriers[which], (g*7919+i*31)%rows+1); err != nil {
									b.Error(err)
									return
								}
								done.Add(1)
							}
						})
					}
					wg.Wait()
					return float64(time.Since(start)) / float64(done.Load())
				}
				turn(0, 200*time.Millisecond)
				turn(1, 200*time.Millisecond)
				const pairs = 10 // Each of both is first as often.
				for b.Loop() {
					for pair := range pairs {
						for _, which := range []int{pair % 2, 1 - pair%2} {
							took[which] = append(took[which], turn(which, 100*time.Millisecond))
						}
					}
				}
				without, with := median(took[0]), median(took[1])
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(without, "ns/query")
				b.ReportMetric(with, "ns/recorded")
				b.ReportMetric(with/without, "ratio")
			})
		}
	}
}
