package pool

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/reader"
)

// Reads beyond Config.Reader.DirectConns wait as others wait for the pool: for AcquireTimeout
// at most, no more than MaxQueue of them, and counted. The pool has connections for others.
func TestDirectConns(t *testing.T) {
	ctx := reader.Alone(context.Background())
	read := func(p *Pool) error {
		var n int
		return p.Reader().QueryRow(ctx, "select 1").Scan(&n)
	}
	hold := func(p *Pool) (release func()) {
		rows, err := p.Reader().Query(ctx, "select generate_series(1, 2)")
		if err != nil {
			t.Fatal(err)
		}
		return rows.Close
	}
	t.Run("queue", func(t *testing.T) {
		p := open(t, "pool_max_conns=8&pool_reader_direct_conns=1&pool_max_queue=1")
		release := hold(p)
		waited := make(chan error, 1)
		go func() { waited <- read(p) }()
		wait.Until(t, "one waits", func() bool { return value(p, "db.client.connection.pending_requests") == 1 })
		var full *ExhaustedError
		if err := read(p); !errors.As(err, &full) || !full.Full || full.Limit != 1 || value(p, "gqlboost.pool.refusals") != 1 {
			t.Errorf("the queue is full: %v", err)
		}
		if err := p.Ping(ctx); err != nil {
			t.Errorf("the pool has no connection for others: %v", err)
		}
		release()
		if err := <-waited; err != nil {
			t.Errorf("after the connection was released: %v", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		p := open(t, "pool_max_conns=8&pool_reader_direct_conns=1&pool_warm=true&pool_queue_timeout=50ms")
		defer hold(p)()
		var late *ExhaustedError
		if err := read(p); !errors.As(err, &late) || late.Full || late.Waited < 50*time.Millisecond || value(p, "db.client.connection.timeouts") != 1 {
			t.Errorf("after the timeout: %v", err)
		}
	})
	t.Run("close", func(t *testing.T) {
		p := open(t, "pool_max_conns=8&pool_reader_direct_conns=1")
		release := hold(p)
		waited := make(chan error, 1)
		go func() { waited <- read(p) }()
		wait.Until(t, "one waits", func() bool { return value(p, "db.client.connection.pending_requests") == 1 })
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		if err := <-waited; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		release()
		<-closed
	})
}

// value returns the value of a metric that has one.
func value(p *Pool, name string) float64 {
	for m := range p.Metrics() {
		if m.Name == name {
			return m.Value
		}
	}
	return -1
}
