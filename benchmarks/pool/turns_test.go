package pool

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkTurns has the Reader and pgxpool of several sizes take turns of some thousand
// queries, so that what else the machine does meets all of them. One iteration has all rounds that
// [load.Order] takes, on new connections: it lasts longer than the usual -benchtime, so there is one
// only. Its metrics are medians over the rounds: how many times as many queries the Reader does as the
// best of the pools, and how long its 95th percentile is compared with that pool's.
func BenchmarkTurns(b *testing.B) {
	setUp(b)
	setUpTenants(b)
	for _, c := range []struct {
		name    string
		callers int
		query   turnQuery
	}{
		{"one-text", 1, point},
		{"one-text", 32, point},
		{"one-text", 256, point},
		{"ten-texts", 32, oneOf(10)},
		{"ten-texts", 256, oneOf(10)},
		{"settings", 64, ofTenant},
	} {
		b.Run(fmt.Sprintf("work=%s/goroutines=%d/impl=reader", c.name, c.callers), func(b *testing.B) {
			contenders := []*contender{{}}
			sizes := []int32{2, 4, 8, 16, 50}
			if c.callers == 1 { // Then they do the same, and the best of five would be the luckiest.
				sizes = sizes[:1]
			}
			for _, size := range sizes {
				contenders = append(contenders, &contender{size: size})
			}
			const warmUp = 2
			for b.Loop() {
				for _, one := range contenders {
					one.open(b)
				}
				for range warmUp {
					for _, one := range contenders {
						one.turn(b, c.callers, c.query, false)
					}
				}
				for round := range contenders {
					for _, i := range load.Order(len(contenders), round) {
						contenders[i].turn(b, c.callers, c.query, true)
					}
				}
			}
			for _, one := range contenders {
				one.close()
			}
			compare(b, contenders)
		})
	}
}

// turnQuery reads the row of an id.
type turnQuery func(ctx context.Context, q querier, id int) error

// contender is one of those who take turns.
type contender struct {
	size  int32 // of a pgxpool
	q     querier
	close func()
	rates []float64 // queries a second of each round
	p95   []float64 // seconds
}

// open opens its connections, again if it has some: how well a backend and its client lie on the
// processors is luck that lasts as long as the connection, and differs by a tenth.
func (c *contender) open(b *testing.B) {
	b.Helper()
	if c.close != nil {
		c.close()
	}
	if c.size == 0 {
		p, err := pool.New(b.Context(), server.DSN()+"&pool_max_conns=8")
		if err != nil {
			b.Fatal(err)
		}
		c.q, c.close = p.Reader(), p.Close
		return
	}
	p, err := pgxpool.New(b.Context(), fmt.Sprintf("%s&pool_max_conns=%d", server.DSN(), c.size))
	if err != nil {
		b.Fatal(err)
	}
	c.q, c.close = p, p.Close
}

// turn runs queries from so many goroutines.
func (c *contender) turn(b *testing.B, callers int, query turnQuery, counts bool) {
	const each = 8000
	begin := time.Now()
	all := drive(b, c.q, callers, each, func(b *testing.B, q querier, i int64) error {
		return query(b.Context(), q, int(i*7919%rows)+1)
	})
	if took := time.Since(begin); counts {
		slices.Sort(all)
		c.rates = append(c.rates, each/took.Seconds())
		c.p95 = append(c.p95, all[len(all)*95/100].Seconds())
	}
}

// compare reports how the first contender does against the best of the others.
func compare(b *testing.B, contenders []*contender) {
	ours, best := contenders[0], contenders[1]
	for _, c := range contenders[1:] {
		if median(c.rates) > median(best.rates) {
			best = c
		}
	}
	ratios := func(a, b []float64) (list []float64) {
		for i := range a {
			list = append(list, a[i]/b[i])
		}
		return list
	}
	b.ReportMetric(median(ours.rates), "queries/s")
	b.ReportMetric(float64(best.size), "best-pgxpool")
	b.ReportMetric(median(ratios(ours.rates, best.rates)), "x-queries/s")
	b.ReportMetric(median(ratios(ours.p95, best.p95)), "x-p95")
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ofTenant reads a row under row level security: with reader.WithSettings, or as it is done
// with pgxpool.
func ofTenant(ctx context.Context, q querier, id int) error {
	const sql = "select text from notes where id = $1"
	const settings = "select set_config('app.tenant', $1, true), set_config('role', 'benchmark_tenant', true)"
	tenant, text := strconv.Itoa(id%64), ""
	if p, ok := q.(*pgxpool.Pool); ok {
		return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, settings, tenant); err != nil {
				return err
			}
			return tx.QueryRow(ctx, sql, id).Scan(&text)
		})
	}
	s := reader.Settings{Role: "benchmark_tenant", GUC: map[string]string{"app.tenant": tenant}}
	ctx = reader.WithSettings(ctx, s)
	return q.QueryRow(ctx, sql, id).Scan(&text)
}
