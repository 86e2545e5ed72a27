package pool

import (
	"context"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// open returns a connection for the Reader to keep, which is as good as a new one.
func (p *Pool) open(ctx context.Context) (*pgxpool.Conn, error) {
	ctx = quiet.Context(withoutHook(ctx))
	p.gate.openings.Add(1)
	conn, err := p.Pool.Acquire(ctx)
	p.gate.openings.Add(-1)
	if err != nil {
		return nil, failed(err)
	}
	if place := placeOf(conn.Conn()); place == nil || !place.fresh {
		if err := p.renew(ctx, conn.Conn()); err != nil {
			_ = conn.Conn().Close(ctx)
			conn.Release()
			return nil, err
		}
	}
	p.gate.hold(conn.Conn())
	return conn, nil
}

// renew makes a connection that others have used what it was when it was opened: they may
// have left something in its session.
func (p *Pool) renew(ctx context.Context, conn *pgx.Conn) error {
	if err := conn.DeallocateAll(ctx); err != nil {
		return err
	}
	guard.Forget(conn)
	if _, err := conn.Exec(ctx, "discard all"); err != nil {
		return err
	}
	// The hooks that may have set something in the session, in their order.
	for _, hook := range []func(context.Context, *pgconn.PgConn) error{p.config.ConnConfig.ValidateConnect, p.config.ConnConfig.Config.AfterConnect} {
		if hook != nil {
			if err := hook(ctx, conn.PgConn()); err != nil {
				return err
			}
		}
	}
	if after := p.config.AfterConnect; after != nil {
		return after(ctx, conn)
	}
	return nil
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
			if !broken { // The hook may write.
				_, _ = conn.Conn().Exec(quiet.Context(ctx), "reset default_transaction_read_only")
			}
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
