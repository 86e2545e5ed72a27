package pool

import (
	"context"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The connections that a Reader shares are the pool's own: it acquires and keeps them. So
// MaxConns bounds all connections together, by pgxpool's own means, whoever takes them.

// sharedNow returns how many connections the Reader may keep now.
func (p *Pool) sharedNow() int {
	n := int64(p.config.Reader.WithDefaults(p.size()).Conns)
	if capacity := p.gate.capacity.Load(); capacity > 0 {
		n = min(n, capacity/2)
	}
	return int(n)
}

// size returns how many connections the pool has: the budget without what replicas have
// of it.
func (p *Pool) size() int {
	replicas := len(p.config.Reader.Replicas)
	return int(p.config.MaxConns) - replicas*(int(p.config.MaxConns)/(1+replicas))
}

// open returns a connection for the Reader to keep: a new one, since others may have left
// something in the session of one that was used.
func (p *Pool) open(ctx context.Context) (*pgxpool.Conn, error) {
	select { // One at a time, so that they do not take idle connections from each other.
	case p.opening <- struct{}{}:
		defer func() { <-p.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx = quiet.Context(withoutHook(ctx))
	var used []*pgxpool.Conn
	defer func() {
		for _, conn := range used {
			conn.Release()
		}
	}()
	for {
		conn, err := p.Pool.Acquire(ctx)
		if err != nil {
			return nil, failed(err)
		}
		if place := placeOf(conn.Conn()); place != nil && place.fresh {
			p.gate.hold(conn.Conn())
			return conn, nil
		}
		if int(p.Stat().TotalConns()) < p.size() {
			used = append(used, conn)
			continue
		}
		_ = conn.Conn().Close(ctx) // It makes room.
		conn.Release()
	}
}

// drop closes a connection that the Reader has kept.
func (p *Pool) drop(conn *pgxpool.Conn, broken bool) {
	if broken { // So may be those that are idle.
		p.gate.failedAt.Store(time.Now().UnixNano())
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if place := placeOf(conn.Conn()); place != nil && !place.closing {
		place.closing = true // pgxpool asks the hook again.
		if before := p.config.BeforeClose; before != nil {
			before(conn.Conn())
		}
	}
	_ = conn.Conn().Close(ctx)
	p.gate.unhold()
	conn.Release() // pgxpool drops what is closed.
}

const closeTimeout = 5 * time.Second

type withoutHookKey struct{}

// withoutHook returns a context for which connections are not made ready by PrepareConn.
func withoutHook(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutHookKey{}, true)
}

func isWithoutHook(ctx context.Context) bool { return ctx.Value(withoutHookKey{}) != nil }

// probeClosed is how often the pool looks whether the pool within was closed by somebody
// else, who waits then for the connections that the Reader keeps.
const probeClosed = time.Second

// watchClosed closes the Reader when the pool within is closed.
func (p *Pool) watchClosed(ctx context.Context, rs *reads) {
	tick := time.NewTicker(probeClosed)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		probe, cancel := context.WithTimeout(quiet.Context(withoutHook(ctx)), probeClosed/10)
		conn, err := p.Pool.Acquire(probe)
		cancel()
		if err == nil {
			conn.Release()
		} else if isClosed(err) {
			p.closed.Store(true)
			rs.close()
			return
		}
	}
}
