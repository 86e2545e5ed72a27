package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is a pgxpool.Pool: it has all of its methods, and a [Reader].
type Pool struct {
	*pgxpool.Pool
	config *Config
	gate   *gate

	share    float64      // of the server's connections; 0: it is not asked
	capacity atomic.Int64 // connections that this is; 0: not known

	stop     context.CancelFunc
	watchers sync.WaitGroup

	mu     sync.Mutex
	reader *Reader
	closed bool
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
// has made.
func NewWithConfig(ctx context.Context, c *Config) (*Pool, error) {
	g := newGate(c)
	own := c.Config.Copy()
	g.watchHealth(own)
	if user := own.ConnConfig.Tracer; user != nil {
		own.ConnConfig.Tracer = multitracer.New(user, g)
	} else {
		own.ConnConfig.Tracer = g
	}
	inner, err := pgxpool.NewWithConfig(ctx, own)
	if err != nil {
		return nil, err
	}
	g.used = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.ConstructingConns())
	}
	g.open = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.IdleConns())
	}
	g.spare = func(capacity int64) int64 {
		s := inner.Stat()
		total := int64(s.AcquiredConns() + s.ConstructingConns() + s.IdleConns())
		// Those for whom a connection is being opened are on their way, and counted.
		return int64(s.IdleConns()+s.ConstructingConns()) + max(0, capacity-total)
	}
	p := &Pool{Pool: inner, config: c, gate: g}
	if c.Adaptive && c.ServerShare == 0 && !c.direct {
		p.share = 1
	} else {
		p.share = c.ServerShare
	}
	p.watch()
	if c.Warm {
		if err := p.warm(ctx); err != nil {
			p.Close()
			return nil, fmt.Errorf("pool: warming up: %w", err)
		}
	}
	return p, nil
}

func newGate(c *Config) *gate {
	g := &gate{timeout: c.AcquireTimeout, maxQueue: c.MaxQueue, counting: c.Adaptive}
	g.queue.target = c.TargetWait
	if len(c.Statements) > 0 {
		g.prepared = &preparation{statements: c.Statements}
	}
	if c.LeakAfter > 0 && c.OnLeak != nil {
		g.holders = &holders{after: c.LeakAfter, report: c.OnLeak, held: map[*pgx.Conn]*holder{}}
	}
	size := int64(c.MaxConns)
	if c.Adaptive {
		size = min(size, minSize)
	}
	g.setLimit(size)
	return g
}

// watch starts what the pool does in the background.
func (p *Pool) watch() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.watchers.Go(func() { p.gate.watch(ctx) })
	if p.gate.holders != nil {
		p.watchers.Go(func() { p.gate.holders.watch(ctx) })
	}
	if p.config.Adaptive && p.config.MaxConns > minSize {
		adapt := &controller{gate: p.gate, max: int64(p.config.MaxConns)}
		p.watchers.Go(func() { adapt.run(ctx) })
	}
	if p.share > 0 {
		p.watchers.Go(func() { p.watchCapacity(ctx) })
	}
}

// warm opens the connections that the pool is to have at least, at the same time.
func (p *Pool) warm(ctx context.Context) error {
	n := max(p.config.MinConns, 1)
	conns, errs := make([]*pgxpool.Conn, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		// Not through the gate: it would open a few at a time.
		wg.Go(func() { conns[i], errs[i] = p.Pool.Acquire(ctx) })
	}
	p.gate.inside.Add(int64(n))
	wg.Wait()
	if p.gate.prepared != nil && conns[0] != nil {
		errs = append(errs, p.gate.prepared.prepareAll(ctx, conns[0].Conn()))
	}
	for _, c := range conns {
		if c != nil {
			c.Release()
		}
	}
	return errors.Join(errs...)
}

// Reader returns the pool's reader, which opens its connections when it is first
// asked for.
func (p *Pool) Reader() *Reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader == nil {
		if p.closed {
			return &Reader{err: ErrClosed}
		}
		p.reader = newReader(p.config)
		p.allot(p.capacity.Load())
	}
	return p.reader
}

// Close closes the pool and its reader.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	reader := p.reader
	p.mu.Unlock()
	if reader != nil {
		reader.Close()
	}
	p.stop()
	p.watchers.Wait()
	p.Pool.Close()
}

// Config returns a copy of pgxpool's part of the configuration.
func (p *Pool) Config() *pgxpool.Config { return p.config.Config.Copy() }
