package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool"
)

// BenchmarkRestart restarts the server under 64 goroutines, once an iteration, and
// reports how long after its return there are again 95 % of the answers that there were,
// in a window of 100 ms, and how many calls have failed.
func BenchmarkRestart(b *testing.B) {
	own, err := postgres.Start(b.Context(), postgres.Options{Settings: postgres.Volatile()})
	if err != nil {
		b.Fatal(err)
	}
	defer own.Stop()
	run := func(b *testing.B, q querier) {
		ctx, stop := context.WithCancel(b.Context())
		defer stop()
		var answers, failures atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := q.QueryRow(ctx, "select 1").Scan(new(int)); err != nil {
						failures.Add(1)
						time.Sleep(time.Millisecond)
						continue
					}
					answers.Add(1)
				}
			})
		}
		const window = 100 * time.Millisecond
		rate := func(over time.Duration) float64 {
			before, start := answers.Load(), time.Now()
			time.Sleep(over)
			return float64(answers.Load()-before) / time.Since(start).Seconds()
		}
		var recovery time.Duration
		for b.Loop() {
			usual := rate(time.Second)
			if err := own.Restart(b.Context()); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			for rate(window) < 0.95*usual && time.Since(start) < 20*time.Second {
			}
			recovery += time.Since(start) - window
		}
		b.ReportMetric(float64(recovery.Milliseconds())/float64(b.N), "recovery-ms/op")
		b.ReportMetric(float64(failures.Load())/float64(b.N), "failures/op")
		stop()
		wg.Wait()
	}
	b.Run("impl=reader", func(b *testing.B) {
		p, err := pool.New(b.Context(), own.DSN())
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		run(b, p.Reader())
	})
	b.Run("impl=pool", func(b *testing.B) {
		p, err := pool.New(b.Context(), own.DSN()+"&pool_max_conns=8")
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		run(b, p)
	})
	b.Run("impl=pgxpool-8", func(b *testing.B) { run(b, fixed(b, own.DSN(), 8)) })
}
