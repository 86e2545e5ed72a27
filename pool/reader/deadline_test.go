package reader_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgconn.Timeout knows the error of a deadline from shared connections as well.
func TestDeadlineIsATimeout(t *testing.T) {
	var seen, known atomic.Int64
	c := config(t, "pool_max_conns=6")
	c.Reader.Observe = func(_ context.Context, _ string, _ []any, _ time.Time, _ pgconn.CommandTag, err error) {
		if errors.Is(err, context.DeadlineExceeded) {
			seen.Add(1)
			if pgconn.Timeout(err) && !pgconn.SafeToRetry(err) && err.Error() == "timeout: context deadline exceeded" {
				known.Add(1)
			}
		}
	}
	r := openConfig(t, c).Reader()
	wait.Until(t, "shared statements run out of time", func() bool {
		crowd(32, func(int) {
			for range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(3*time.Millisecond))
				_, _ = r.Exec(ctx, "select $1::int", 1)
				cancel()
			}
		})
		return seen.Load() > 10
	})
	if seen, known := seen.Load(), known.Load(); known < seen {
		t.Errorf("pgconn knows %d of %d as pgx makes them", known, seen)
	}
}

// A lifetime that is not positive does not end, as in pgxpool, and does not panic.
func TestNoLifetime(t *testing.T) {
	for _, lifetime := range []time.Duration{0, -time.Second} {
		var opened atomic.Int64
		c := config(t, "pool_max_conns=6")
		c.MaxConnLifetime = lifetime
		c.MaxConnLifetimeJitter = -time.Second
		c.ConnConfig.AfterConnect = func(context.Context, *pgconn.PgConn) error { opened.Add(1); return nil }
		p := openConfig(t, c)
		r := p.Reader()
		share := func() bool {
			crowd(32, func(i int) { _, _ = r.Exec(t.Context(), "select $1::int", i) })
			return r.Up() == int32(sharedBy(p))
		}
		wait.Until(t, "connections are shared", share)
		before := r.Counts().Shared
		wait.Until(t, "they are used for a while", func() bool { share(); return r.Counts().Shared > before+2000 })
		if n := opened.Load(); n > int64(2*c.MaxConns) { // The Reader opens its own.
			t.Errorf("lifetime %v: %d connections were opened", lifetime, n)
		}
	}
}

// sharedBy is how many connections a pool's Reader shares at most.
func sharedBy(p *pool.Pool) int {
	return p.Config().Reader.WithDefaults(int(p.Config().MaxConns)).Conns
}
