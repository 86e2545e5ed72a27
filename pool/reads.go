package pool

import (
	"context"

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

// newReads divides the budget of connections between the primary and its replicas, and
// of each between shared connections and others. It is called with the lock.
func (p *Pool) newReads() *reads {
	rs := &reads{}
	each := int(p.config.MaxConns) / (1 + len(p.config.Reader.Replicas))
	servers := []reader.Server{&readServer{p}}
	for _, dsn := range p.config.Reader.Replicas {
		c, err := replica(p.config, dsn)
		if err != nil { // It was checked.
			continue
		}
		c.MaxConns = int32(each)
		r, err := NewWithConfig(context.Background(), c)
		if err != nil {
			continue
		}
		r.budget.reserve(c.Reader.WithDefaults(each).Conns, 0)
		rs.replicas = append(rs.replicas, r)
		servers = append(servers, &readServer{r})
	}
	elsewhere := each * len(rs.replicas)
	own := int(p.config.MaxConns) - elsewhere
	config := p.config.Reader.WithDefaults(own)
	p.budget.reserve(config.Conns, elsewhere)
	rs.reader = reader.New(config, servers...)
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

func (rs *reads) reset() {
	rs.reader.Reset()
	for _, r := range rs.replicas {
		r.Reset()
	}
}

// replica returns the configuration of another server: the pool's, but for what the
// connection string says of where it is and of its sessions.
func replica(base *Config, dsn string) (*Config, error) {
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	c := base.Copy()
	to, from := &c.ConnConfig.Config, &parsed.ConnConfig.Config
	to.Host, to.Port, to.Database, to.User, to.Password = from.Host, from.Port, from.Database, from.User, from.Password
	to.TLSConfig, to.Fallbacks, to.SSLNegotiation = from.TLSConfig, from.Fallbacks, from.SSLNegotiation
	if to.RuntimeParams == nil {
		to.RuntimeParams = map[string]string{}
	}
	for name, value := range from.RuntimeParams {
		to.RuntimeParams[name] = value
	}
	// What the primary is chosen by, a replica is not.
	to.ValidateConnect = from.ValidateConnect
	c.MinConns, c.MinIdleConns, c.Warm, c.ServerShare = 0, 0, false, 0
	c.Reader.Replicas = nil
	return c, nil
}

// readServer is what the Reader sees of a pool.
type readServer struct{ pool *Pool }

var _ reader.Server = (*readServer)(nil)

// Config implements [reader.Server].
func (s *readServer) Config() *pgxpool.Config { return s.pool.config.Config }

// Acquire implements [reader.Server].
func (s *readServer) Acquire(ctx context.Context) (*pgxpool.Conn, error) { return s.pool.acquire(ctx) }

// Open implements [reader.Server].
func (s *readServer) Open(ctx context.Context) (*pgx.Conn, error) { return s.pool.open(ctx) }

// Closed implements [reader.Server].
func (s *readServer) Closed(failed bool) { s.pool.sharedClosed(failed) }

// Shared implements [reader.Server].
func (s *readServer) Shared() int { return s.pool.budget.sharedNow() }
