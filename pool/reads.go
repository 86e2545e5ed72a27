package pool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Reader runs read-only statements on a few connections that many callers share.
type Reader = reader.Reader

// reads is a pool's Reader, and the pools of its replicas.
type reads struct {
	reader   *Reader
	replicas []*Pool
}

// Reader returns the pool's reader, which opens its connections when there is use for
// them.
func (p *Pool) Reader() *Reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reads == nil {
		p.reads = p.newReads()
	}
	return p.reads.reader
}

// Token is [Reader.Token]: a token for all that was committed until now, which reads in a context of
// [reader.WithToken] see, whichever server they go to. Take it after the commit.
func (p *Pool) Token(ctx context.Context) reader.Token { return p.Reader().Token(ctx) }

// newReads divides the budget of connections between the primary and its replicas. It is
// called with the lock.
func (p *Pool) newReads() *reads {
	rs := &reads{}
	primary := &readServer{pool: p}
	servers := []reader.Server{primary}
	for _, dsn := range p.config.Reader.Replicas {
		c, err := replica(p.config, dsn)
		if err != nil { // It was checked.
			continue
		}
		r, err := NewWithConfig(context.Background(), c)
		if err != nil {
			continue
		}
		rs.replicas = append(rs.replicas, r)
		servers = append(servers, &readServer{pool: r})
	}
	rs.reader = reader.New(p.config.Reader.WithDefaults(p.size()), servers...)
	primary.begun.Store(true)
	if p.closed.Load() {
		rs.close()
	}
	return rs
}

func (rs *reads) close() {
	rs.reader.Close()
	for _, r := range rs.replicas {
		r.Close()
	}
}

// closedWithin closes the Reader after the embedded pool was closed by its own Close, which
// waits for the connections that the Reader keeps.
func (p *Pool) closedWithin() {
	p.mu.Lock()
	p.closed.Store(true)
	reads := p.reads
	p.mu.Unlock()
	p.stop()
	p.refuseAll()
	if reads != nil {
		reads.close()
	}
	if p.lease != nil {
		p.Pool.Close() // It waits for the connections.
		p.leaving.Do(p.lease.leave)
	}
}

func (rs *reads) reset() {
	rs.reader.Reset()
	for _, r := range rs.replicas {
		r.Reset()
	}
}

// readServer is what the Reader sees of a pool.
type readServer struct {
	pool  *Pool
	begun atomic.Bool // the Reader was made: until then Shared ignores the lease's share, which will grow
}

var _ reader.Server = (*readServer)(nil)

// Config implements [reader.Server].
func (s *readServer) Config() *pgxpool.Config { return s.pool.config.Config }

// Acquire implements [reader.Server].
func (s *readServer) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if s.pool.direct == nil {
		return s.pool.take(ctx, s.pool.admission.enter)
	}
	if err := s.pool.direct.take(ctx); err != nil {
		return nil, err
	}
	taken := false
	defer func() { // also where a tracer panics
		if !taken {
			s.pool.direct.leave()
		}
	}()
	conn, err := s.pool.take(ctx, s.pool.admission.enter)
	taken = err == nil
	return conn, err
}

// Release implements [reader.Server].
func (s *readServer) Release(conn *pgxpool.Conn) {
	conn.Release()
	if s.pool.direct != nil {
		s.pool.direct.leave()
	}
}

// Ask implements [reader.Server].
func (s *readServer) Ask(ctx context.Context) (*pgxpool.Conn, error) {
	return s.pool.take(withoutHook(ctx), s.pool.admission.enterFirst)
}

// Open implements [reader.Server].
func (s *readServer) Open(ctx context.Context) (*pgx.Conn, error) { return s.pool.open(ctx) }

// Drop implements [reader.Server].
func (s *readServer) Drop(conn *pgx.Conn, failed bool) { s.pool.drop(conn, failed) }

// Shared implements [reader.Server].
func (s *readServer) Shared() int {
	if s.pool.lease != nil && !s.begun.Load() {
		return s.pool.config.Reader.WithDefaults(s.pool.size()).Conns
	}
	return s.pool.sharedNow()
}

// Full implements [reader.Server].
func (s *readServer) Full() bool {
	return s.pool.admission.full() || s.pool.direct != nil && s.pool.direct.full()
}

// Starving implements [reader.Server].
func (s *readServer) Starving() time.Duration { return s.pool.admission.stall.lasts() }
