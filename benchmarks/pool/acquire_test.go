package pool

import (
	"context"
	"testing"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkAcquire takes and releases a connection that is free.
func BenchmarkAcquire(b *testing.B) {
	type acquirer interface {
		Acquire(context.Context) (*pgxpool.Conn, error)
		Close()
	}
	run := func(impl string, open func() (acquirer, error)) {
		b.Run("work=uncontended/impl="+impl, func(b *testing.B) {
			p, err := open()
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			b.ReportAllocs()
			for b.Loop() {
				c, err := p.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				c.Release()
			}
		})
	}
	run("gqlboost", func() (acquirer, error) { return pool.New(b.Context(), server.DSN()) })
	run("pgxpool", func() (acquirer, error) { return pgxpool.New(b.Context(), server.DSN()) })
}
