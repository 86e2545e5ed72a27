package pool

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/pgbouncer"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
)

// instance is a pool that can crash: all of its connections are gone, and it opens no other.
type instance struct {
	*Pool
	mu    sync.Mutex
	conns []net.Conn
	dead  bool
	ended atomic.Bool // on purpose
}

func (i *instance) crash() {
	i.ended.Store(true)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dead = true
	for _, c := range i.conns {
		c.Close()
	}
}

func (i *instance) leave() {
	i.ended.Store(true)
	i.Close()
}

// join starts an instance of a fleet.
func join(t *testing.T, dsn string) *instance {
	t.Helper()
	i := &instance{}
	i.Pool = openOwn(t, dsn, func(c *Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			i.mu.Lock()
			defer i.mu.Unlock()
			if err == nil && i.dead {
				conn.Close()
				return nil, errors.New("crashed")
			}
			i.conns = append(i.conns, conn)
			return conn, err
		}
	})
	t.Cleanup(func() { i.ended.Store(true) }) // Before it is closed.
	return i
}

// Instances that join, crash and leave under load, a deploy of twice as many included, never have
// more connections than the server has for them, and none waits forever.
func TestLease(t *testing.T) {
	const limit, reserve = 40, 8
	own := startOwn(t, map[string]string{"max_connections": "44", "superuser_reserved_connections": "4"})
	dsn := own.DSN() + "&pool_max_conns=50&pool_lease=blog&pool_lease_every=1s&pool_lease_reserve=8&pool_reader_conns=2"
	watch, err := pgx.Connect(t.Context(), own.DSN()) // It has one of the superuser's connections at the limit.
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer stop()
	var served atomic.Int64
	start := func() *instance {
		i := join(t, dsn)
		for n := range 8 {
			load.Go(func() {
				query := i.Query
				if n%2 == 0 {
					query = i.Reader().Query
				}
				for ctx.Err() == nil && !i.ended.Load() {
					rows, err := query(ctx, "select pg_sleep(0.003)")
					if err == nil {
						_, err = pgx.CollectRows(rows, pgx.RowTo[any])
					}
					if err != nil && ctx.Err() == nil && !i.ended.Load() {
						t.Error(err)
						return
					}
					served.Add(1)
				}
			})
		}
		return i
	}
	var fleet []*instance
	most := 0
	divided := func() bool {
		var n int
		if err := watch.QueryRow(t.Context(), "select count(*) - 1 from pg_stat_activity where backend_type = 'client backend'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if most = max(most, n); n > limit {
			t.Fatalf("%d connections of %d", n, limit)
		}
		sum := 0
		for _, i := range fleet {
			share := i.lease.last.Load()
			if share.granted < 1 {
				return false
			}
			sum += share.granted
		}
		return sum == limit-reserve-len(fleet)
	}
	began := time.Now()
	expect := func(what string) { t.Helper(); wait.Until(t, what, divided); t.Log(what, time.Since(began)) }
	for range 6 {
		fleet = append(fleet, start())
	}
	expect("six instances have divided the server")
	// A store may lose what it has, and then a new instance may be the first to come.
	if _, err := watch.Exec(t.Context(), "update gqlboost_leases set value = ''"); err != nil {
		t.Fatal(err)
	}
	for range 6 { // a deploy
		fleet = append(fleet, start())
	}
	expect("twelve have")
	for _, i := range fleet[:4] {
		i.leave()
	}
	fleet = fleet[4:]
	expect("those that stay have what the old ones had")
	for _, i := range fleet[:2] {
		i.crash()
	}
	fleet = fleet[2:]
	expect("the others have what crashed ones had")
	for _, i := range fleet {
		before := i.Stat().AcquireCount()
		wait.Until(t, "each serves", func() bool { return divided() && i.Stat().AcquireCount() > before })
	}
	t.Logf("%d connections at most, %d queries", most, served.Load())
}

// Without the store an instance keeps its last share.
func TestLeaseWithoutItsStore(t *testing.T) {
	own := startOwn(t, map[string]string{"max_connections": "20"})
	var failed atomic.Int64
	p := openOwn(t, own.DSN()+"&pool_lease=blog&pool_lease_every=100ms&pool_lease_reserve=3&pool_max_conns=50", func(c *Config) {
		c.Lease.OnError = func(error) { failed.Add(1); panic("in OnError") }
	})
	// A busy machine is not taken for one that was suspended, after which the share is not used.
	p.lease.gate.mu.Lock()
	p.lease.gate.every, p.lease.gate.stopped = time.Hour, false
	p.lease.gate.mu.Unlock()
	wait.Until(t, "it has all of the server", func() bool { return p.lease.last.Load().granted == 13 })
	if _, err := p.Exec(t.Context(), "alter table gqlboost_leases rename column value to other"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "more heartbeats fail than an instance lives for", func() bool { return failed.Load() > 2*missed })
	var conns []interface{ Release() }
	for range 13 {
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Acquire(ctx); err == nil {
		t.Error("there is one more than the share")
	}
	for _, c := range conns {
		c.Release()
	}
}

func TestLeaseIsRefused(t *testing.T) {
	for dsn, want := range map[string]string{
		"pool_lease=":         "name the fleet",
		"pool_lease_every=1s": "no Fleet",
		"pool_lease=a&pool_reader_transaction_pooling=true": "pooler",
		"pool_lease=a&pool_lease_every=1ms":                 "at least",
		"pool_lease=a&pool_lease_every=600000h":             "at most",
		"pool_lease=a&pool_lease_reserve=0":                 "below 1",
	} {
		p, err := New(t.Context(), server.DSN()+"&"+dsn)
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// Behind a pooler the lease is an error of New's.
func TestLeaseBehindAPooler(t *testing.T) {
	bouncer := pgbouncer.Start(t, server.DSN(), nil)
	p, err := New(t.Context(), bouncer+"&pool_lease=a")
	if err == nil {
		p.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "pooler") {
		t.Error(err)
	}
}
