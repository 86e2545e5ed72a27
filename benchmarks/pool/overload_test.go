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
// 4000 of them a second, each of which is given a second. One iteration is five seconds of demand.
// Only queries of its second half count: by then those that have waited for too long have ended.
func BenchmarkOverload(b *testing.B) {
	setUp(b)
	const connections, service, patience = 8, 4 * time.Millisecond, time.Second
	const length, counted = 5 * patience, 5 * patience / 2
	run := func(b *testing.B, q querier) {
		var mu sync.Mutex
		var served []time.Duration
		var sent, refused, late int
		var sending time.Duration // of what counts: more than counted if the machine is too slow for the demand
		interval := service / connections / 2
		for b.Loop() {
			var wg sync.WaitGroup
			begin, from := time.Now(), time.Time{}
			for due := time.Duration(0); due < length; due += interval {
				time.Sleep(time.Until(begin.Add(due)))
				if from.IsZero() && due >= length-counted {
					from = time.Now()
				}
				wg.Go(func() {
					ctx, stop := context.WithTimeout(context.Background(), patience)
					defer stop()
					start := time.Now()
					err := q.QueryRow(ctx, "select pg_sleep($1) is null", service.Seconds()).Scan(new(bool))
					if due < length-counted {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					sent++
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
			sending += time.Since(from)
			wg.Wait()
		}
		b.ReportMetric(float64(sent)/sending.Seconds(), "sent/s")
		b.ReportMetric(float64(refused)/float64(sent), "refused/query")
		b.ReportMetric(float64(late)/float64(sent), "late/query")
		reportTimes(b, served)
		b.ReportMetric(float64(len(served))/sending.Seconds(), "served/s")
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
