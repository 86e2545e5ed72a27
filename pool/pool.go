package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is a pgxpool.Pool: it has all of its methods, and a [Reader].
type Pool struct {
	*pgxpool.Pool
	config *Config
	gate   *gate

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
	g := &gate{timeout: c.AcquireTimeout, maxQueue: c.MaxQueue}
	g.limit.Store(int64(c.MaxConns))
	if c.LeakAfter > 0 && c.OnLeak != nil {
		g.holders = &holders{after: c.LeakAfter, report: c.OnLeak, held: map[*pgx.Conn]*holder{}}
	}
	traced := c.Config.Copy()
	if user := traced.ConnConfig.Tracer; user != nil {
		traced.ConnConfig.Tracer = multitracer.New(user, g)
	} else {
		traced.ConnConfig.Tracer = g
	}
	inner, err := pgxpool.NewWithConfig(ctx, traced)
	if err != nil {
		return nil, err
	}
	g.used = func() int64 {
		s := inner.Stat()
		return int64(s.AcquiredConns() + s.ConstructingConns())
	}
	p := &Pool{Pool: inner, config: c, gate: g}
	watching, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.watchers.Go(func() { g.watch(watching) })
	if g.holders != nil {
		p.watchers.Go(func() { g.holders.watch(watching) })
	}
	if c.Adaptive && c.MaxConns > minSize {
		g.limit.Store(minSize)
		adapt := &controller{gate: g, max: int64(c.MaxConns)}
		p.watchers.Go(func() { adapt.run(watching) })
	}
	if c.Warm {
		if err := p.warm(ctx); err != nil {
			p.Close()
			return nil, fmt.Errorf("pool: warming up: %w", err)
		}
	}
	return p, nil
}

// warm opens the connections that the pool is to have at least, at the same time.
func (p *Pool) warm(ctx context.Context) error {
	n := max(p.config.MinConns, 1)
	conns, errs := make([]*pgxpool.Conn, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { conns[i], errs[i] = p.Acquire(ctx) })
	}
	wg.Wait()
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
		reader, err := newReader(p.config.Config, p.config.Reader)
		if err != nil || p.closed {
			// The same configuration has made a pool, so it is closed.
			if reader != nil {
				reader.Close()
			}
			return &Reader{closed: true}
		}
		p.reader = reader
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
