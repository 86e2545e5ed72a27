package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
)

// BenchmarkOverload has twice as much demand as 8 connections can do: queries of 4 ms,
// 4000 of them a second, of which each is given a second. One iteration is one query.
func BenchmarkOverload(b *testing.B) {
	setUp(b)
	const connections, service, patience = 8, 4 * time.Millisecond, time.Second
	run := func(b *testing.B, q querier) {
		var mu sync.Mutex
		var served []time.Duration
		var refused, late int
		var wg sync.WaitGroup
		interval := service / connections / 2
		begin := time.Now()
		for i := 0; b.Loop(); i++ {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * interval)))
			wg.Go(func() {
				ctx, stop := context.WithTimeout(context.Background(), patience)
				defer stop()
				start := time.Now()
				err := q.QueryRow(ctx, "select pg_sleep($1) is null", service.Seconds()).Scan(new(bool))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, pool.ErrExhausted):
					refused++
				case err != nil:
					late++
				default:
					served = append(served, time.Since(start))
				}
			})
		}
		wg.Wait()
		if len(served) == 0 {
			return
		}
		b.ReportMetric(float64(refused)/float64(b.N), "refused/op")
		b.ReportMetric(float64(late)/float64(b.N), "late/op")
		report(b, served)
		b.ReportMetric(float64(len(served))/time.Since(begin).Seconds(), "served/s")
	}
	b.Run("pgxpool", func(b *testing.B) { run(b, fixed(b, server.DSN(), connections)) })
	for _, way := range [][2]string{{"queue", "&pool_queue_timeout=100ms"}, {"shedding", "&pool_target_wait=50ms"}} {
		b.Run("pool/"+way[0], func(b *testing.B) {
			p, err := pool.New(b.Context(), server.DSN()+"&pool_max_conns=8"+way[1])
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			run(b, p)
		})
	}
}
