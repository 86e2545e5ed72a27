package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is a pgxpool.Pool: it has all of its methods, and a [Reader]. The pool within it may
// be used as well, by libraries that ask for one: its connections are counted, but callers
// that take them do not wait in the queue, and settings of a context do not reach it. If they
// wait for longer than a second, the queue lets as many others in, which then wait behind them.
// Close the Pool, not the pool within, which waits for the Reader. It is safe for concurrent use.
type Pool struct {
	*pgxpool.Pool
	config    *Config
	admission *admission
	lease     *lease     // nil if Config.Lease has no Fleet
	direct    *admission // of what the Reader runs on connections of its own; nil if Config.Reader.DirectConns is 0

	leaving  sync.Once // the fleet
	stop     context.CancelFunc
	watchers sync.WaitGroup

	accepted guard.Accepted

	mu     sync.Mutex
	reads  *reads // nil until the Reader is asked for
	closed atomic.Bool
}

// New is [pgxpool.New] with the parameters of [ParseConfig].
func New(ctx context.Context, dsn string) (*Pool, error) {
	c, err := ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	return NewWithConfig(ctx, c)
}

// NewWithConfig is [pgxpool.NewWithConfig] for a configuration that [ParseConfig]
// has made. The configuration is copied.
func NewWithConfig(ctx context.Context, c *Config) (*Pool, error) {
	if ctx == nil { // A goroutine of pgxpool's would panic.
		return nil, guard.ErrNoContext
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	p := &Pool{config: c.Copy()}
	protectHooks(p.config.Config)
	p.admission = newAdmission(p.config, p.size())
	if n := c.Reader.DirectConns; n > 0 {
		p.direct = newPlaces(c)
		p.direct.limit.Store(int64(n))
	}
	if c.Lease.Fleet != "" {
		p.lease = newLease(p, p.config.Lease)
		p.admission.gate = p.lease.gate
	}
	inner, err := pgxpool.NewWithConfig(ctx, p.innerConfig())
	if err != nil {
		return nil, err
	}
	p.Pool = inner
	p.admission.begin(inner)
	p.admission.closedWithin = sync.OnceFunc(func() { go p.closedWithin() })
	p.watch()
	if p.lease != nil {
		if err := p.lease.begin(ctx); err != nil {
			p.lease = nil
			p.Close()
			return nil, err
		}
	}
	if c.Warm {
		if err := p.warm(ctx); err != nil {
			p.Close()
			return nil, fmt.Errorf("pool: warming up: %w", err)
		}
	}
	return p, nil
}

func newAdmission(c *Config, size int) *admission {
	g := newPlaces(c)
	g.max, g.adaptive = int64(size), c.Adaptive
	if len(c.Statements) > 0 {
		kept := c.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
		g.prepared = &preparation{statements: c.Statements, kept: kept}
	}
	if c.LeakAfter > 0 && c.OnLeak != nil {
		g.holders = &holders{after: c.LeakAfter, report: c.OnLeak, held: map[*pgx.Conn]*holder{}}
	}
	g.acquires, _ = c.ConnConfig.Tracer.(pgxpool.AcquireTracer)
	limit := g.max
	if c.Adaptive {
		limit = min(limit, minSize)
	}
	g.setLimit(limit)
	return g
}

// innerConfig returns the configuration of the pool within.
func (p *Pool) innerConfig() *pgxpool.Config {
	c := p.config.Config.Copy()
	c.MaxConns = int32(p.size())
	c.MinConns, c.MinIdleConns = min(c.MinConns, c.MaxConns), min(c.MinIdleConns, c.MaxConns)
	if p.lease != nil {
		c.ConnConfig.DialFunc = p.lease.gate.dial(c.ConnConfig.DialFunc)
		c.MinConns, c.MinIdleConns = 0, 0 // They would be waited for where there is no share for them.
	}
	p.admission.watchHealth(c)
	if user := c.ConnConfig.Tracer; user != nil {
		c.ConnConfig.Tracer = multitracer.New(quiet.NewTracer(user), p.admission, &wholes{})
	} else {
		c.ConnConfig.Tracer = multitracer.New(p.admission, &wholes{})
	}
	return c
}

// watch starts what the pool does in the background.
func (p *Pool) watch() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.watchers.Go(func() { p.admission.watch(ctx) })
	if p.admission.holders != nil {
		p.watchers.Go(func() { p.admission.holders.watch(ctx) })
	}
	if p.config.Adaptive && p.config.MaxConns > minSize {
		adapt := &controller{admission: p.admission, max: p.admission.max}
		p.watchers.Go(func() { adapt.run(ctx) })
	}
	if p.share() > 0 && p.lease == nil {
		p.watchers.Go(func() { p.watchCapacity(ctx) })
	}
}

// warm opens the connections that the pool is to have at least, at the same time. More than it
// may have would be waited for forever.
func (p *Pool) warm(ctx context.Context) error {
	ctx = withoutHook(ctx) // It is for callers, who bring what the hook needs.
	n := min(max(int(p.config.MinConns), 1), p.size())
	if p.lease != nil {
		n = min(n, max(1, p.lease.last.Load().granted))
	}
	conns, errs := make([]*pgxpool.Conn, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		// Not through admission: it would open a few at a time.
		wg.Go(func() { conns[i], errs[i] = p.Pool.Acquire(ctx) })
	}
	wg.Wait()
	if p.admission.prepared != nil && conns[0] != nil {
		errs = append(errs, p.admission.prepared.prepareAll(ctx, conns[0].Conn()))
	}
	for _, c := range conns {
		if c != nil {
			c.Release()
		}
	}
	return errors.Join(errs...)
}

// Close is [pgxpool.Pool.Close], for the Reader as well: statements under way end first, on shared
// connections too, and callers that wait for a connection get [ErrClosed].
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed.Store(true)
	reads := p.reads
	p.mu.Unlock()
	if reads != nil {
		reads.close()
	}
	p.stop()
	p.watchers.Wait()
	p.refuseAll()
	p.Pool.Close()
	if p.lease != nil {
		p.leaving.Do(p.lease.leave)
	}
}

// refuseAll refuses callers that wait for a connection.
func (p *Pool) refuseAll() {
	p.admission.refuseAll(ErrClosed)
	if p.direct != nil {
		p.direct.refuseAll(ErrClosed)
	}
}

// Reset is [pgxpool.Pool.Reset], for the Reader's connections as well.
func (p *Pool) Reset() {
	p.Pool.Reset()
	p.mu.Lock()
	reads := p.reads
	p.mu.Unlock()
	if reads != nil {
		reads.reset()
	}
}

// Config returns a copy of the configuration.
func (p *Pool) Config() *Config { return p.config.Copy() }

// Stat is [pgxpool.Pool.Stat]: what pgxpool has seen, with the connections that the Reader keeps.
// Callers wait before they come to it, so callers that waited, left or were refused meanwhile are
// not in EmptyAcquireCount, EmptyAcquireWaitTime, AcquireDuration and CanceledAcquireCount. They
// are in [Pool.Metrics] (db.client.connection.wait_time and timeouts, gqlboost.pool.waits,
// refusals and shed), and a [pgxpool.AcquireTracer] sees each of them. A connection that the
// Reader has opened in place of one that callers had used before is not in NewConnsCount.
func (p *Pool) Stat() *pgxpool.Stat { return p.Pool.Stat() }
