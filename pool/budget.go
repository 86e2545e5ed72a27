package pool

import (
	"context"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The connections that a Reader shares are the pool's own: it acquires and keeps them. So
// MaxConns bounds all connections together, by pgxpool's own means, for every caller.

// sharedNow returns how many connections the Reader may keep now.
func (p *Pool) sharedNow() int {
	n := int64(p.config.Reader.WithDefaults(p.size()).Conns)
	if capacity := p.admission.capacity.Load(); capacity > 0 {
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

const keptKey = "gqlboost.kept"

// open returns a new connection for the Reader to keep, which has a place among pgxpool's.
func (p *Pool) open(ctx context.Context) (*pgx.Conn, error) {
	ctx = quiet.Context(withoutHook(ctx))
	p.admission.openings.Add(1)
	kept, err := p.Pool.Acquire(ctx)
	p.admission.openings.Add(-1)
	if err != nil {
		return nil, failed(err)
	}
	conn := kept.Conn()
	if place := placeOf(conn); place == nil || !place.fresh {
		if conn, err = p.instead(ctx, conn); err != nil {
			kept.Release()
			return nil, err
		}
	}
	p.admission.hold(kept.Conn())
	conn.PgConn().CustomData()[keptKey] = kept
	return conn, nil
}

// instead closes a connection that others have used, who may have left something in its session,
// and opens one for its place as pgxpool does.
func (p *Pool) instead(ctx context.Context, used *pgx.Conn) (*pgx.Conn, error) {
	p.end(used, false)
	c := p.Pool.Config()
	if c.ConnConfig.ConnectTimeout <= 0 {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	if before := c.BeforeConnect; before != nil {
		if err := before(ctx, c.ConnConfig); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return nil, err
	}
	p.admission.connections(-1) // It has been counted, and so is the one before it.
	if err := c.AfterConnect(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// drop closes a connection that the Reader has kept.
func (p *Pool) drop(conn *pgx.Conn, broken bool) {
	if broken { // So may be those that are idle.
		p.admission.failedAt.Store(time.Now().UnixNano())
	}
	p.end(conn, !broken)
	p.admission.unhold()
	if kept, ok := conn.PgConn().CustomData()[keptKey].(*pgxpool.Conn); ok {
		kept.Release() // pgxpool drops what is closed.
	}
}

// end closes a connection as pgxpool would, which must not ask the hook again. One that was
// made read-only is made writable for the hook.
func (p *Pool) end(conn *pgx.Conn, readOnly bool) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if place := placeOf(conn); place != nil && !place.closing {
		place.closing = true
		if before := p.config.BeforeClose; before != nil {
			if readOnly {
				_, _ = conn.Exec(quiet.Context(ctx), "reset default_transaction_read_only")
			}
			before(conn)
		}
	}
	_ = conn.Close(ctx)
}

const (
	closeTimeout   = 5 * time.Second
	connectTimeout = 2 * time.Minute // pgxpool's, where the configuration has none
)

type withoutHookKey struct{}

// withoutHook returns a context for which connections are not made ready by PrepareConn.
func withoutHook(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutHookKey{}, true)
}

func isWithoutHook(ctx context.Context) bool { return ctx.Value(withoutHookKey{}) != nil }
