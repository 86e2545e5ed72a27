package pool

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// budget keeps the connections of a pool, those that its Reader shares and those of its
// replicas together below MaxConns, and those of one server below the pool's share of it.
type budget struct {
	max       int64
	inner     *pgxpool.Pool
	gate      *gate
	server    atomic.Int64 // connections that the server has for this; 0: not known
	reserved  atomic.Int64 // for shared connections
	elsewhere atomic.Int64 // of replicas
	opened    atomic.Int64 // shared connections that there are, or that are being opened
}

// errNoRoom is the error of a connection that would be one too many. Whoever asked for one
// asks again: another one is free by then.
var errNoRoom = errors.New("pool: no room for another connection")

// watch has each new connection of a pool wait for room.
func (b *budget) watch(p *Pool, c *pgxpool.Config) {
	b.max, b.gate = int64(c.MaxConns), p.gate
	before := c.BeforeConnect
	c.BeforeConnect = func(ctx context.Context, config *pgx.ConnConfig) error {
		if err := b.room(ctx); err != nil {
			return err
		}
		if before != nil {
			return before(ctx, config)
		}
		return nil
	}
}

func (b *budget) begin(inner *pgxpool.Pool) { b.inner = inner }

// reserve takes connections out of the pool's own: for sharing, and for replicas.
func (b *budget) reserve(shared, elsewhere int) {
	b.reserved.Store(int64(shared))
	b.elsewhere.Store(int64(elsewhere))
	b.apply()
}

// setServer says how many connections the server has for this pool.
func (b *budget) setServer(n int64) {
	b.server.Store(n)
	b.apply()
}

// apply tells the gate how many connections are left for the pool itself.
func (b *budget) apply() {
	if b.bounded() {
		b.gate.setCapacity(max(b.all()-int64(b.sharedNow()), 1))
	}
}

// bounded reports whether pgxpool's own bound is not enough.
func (b *budget) bounded() bool { return b.reserved.Load()+b.elsewhere.Load()+b.server.Load() > 0 }

// all returns how many connections to the pool's server there may be.
func (b *budget) all() int64 {
	all := b.max - b.elsewhere.Load()
	if server := b.server.Load(); server > 0 {
		all = min(all, server)
	}
	return max(all, 1)
}

// sharedNow returns how many connections may be shared now.
func (b *budget) sharedNow() int { return int(min(b.reserved.Load(), b.all()/2, b.all()-1)) }

const (
	roomWithin = time.Second          // how long a new connection waits for old ones to be closed
	lookForIt  = 2 * time.Millisecond // and how often it looks
)

// room waits until a connection that pgxpool is about to open is not one too many. A place
// is left when a connection begins to be closed, and Postgres counts it until its backend
// has ended.
func (b *budget) room(ctx context.Context) error {
	for start := time.Now(); ; {
		capacity := b.gate.capacity.Load()
		if capacity == 0 || b.inner == nil {
			return nil
		}
		s := b.inner.Stat()
		if int64(s.TotalConns()) <= capacity {
			return nil
		}
		if s.IdleConns() > 0 || time.Since(start) > roomWithin {
			return errNoRoom
		}
		if err := pause(ctx, lookForIt); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// makeRoom closes idle connections of the pool's, or waits, until there is room for
// those that are shared.
func (b *budget) makeRoom(ctx context.Context) error {
	for {
		over := int64(b.inner.Stat().TotalConns()) + b.opened.Load() - b.all()
		if over <= 0 {
			return nil
		}
		for _, conn := range b.inner.AcquireAllIdle(ctx) {
			if over > 0 {
				over--
				_ = conn.Conn().Close(ctx)
			}
			conn.Release()
		}
		if err := pause(ctx, lookForIt); err != nil {
			return err
		}
	}
}

// defaultConnectTimeout is pgxpool's.
const defaultConnectTimeout = 2 * time.Minute

// open opens a connection for the Reader as pgxpool opens its own, with its hooks.
func (p *Pool) open(ctx context.Context) (_ *pgx.Conn, err error) {
	if p.budget.opened.Add(1) > int64(p.budget.sharedNow()) {
		p.budget.opened.Add(-1)
		return nil, errNoRoom
	}
	defer func() {
		if err != nil {
			p.budget.opened.Add(-1)
		}
	}()
	config := p.config.ConnConfig.Copy()
	if config.ConnectTimeout <= 0 {
		config.ConnectTimeout = defaultConnectTimeout
	}
	if err := p.budget.makeRoom(ctx); err != nil {
		return nil, err
	}
	if before := p.config.BeforeConnect; before != nil {
		if err := before(ctx, config); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	setPatience(conn.PgConn().Conn(), patience)
	if after := p.config.AfterConnect; after != nil {
		if err := after(ctx, conn); err != nil {
			_ = conn.Close(ctx)
			return nil, err
		}
	}
	return conn, nil
}

// sharedClosed takes in that a connection of open's is closed.
func (p *Pool) sharedClosed(failed bool) {
	p.budget.opened.Add(-1)
	if failed { // So may be those that were idle then.
		p.gate.failedAt.Store(time.Now().UnixNano())
	}
}
