package pool

import (
	"context"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// patience is how long a connection may leave unanswered what the kernel sends.
	patience = 15 * time.Second
	// pingTimeout bounds a ping, where the configuration has no bound.
	pingTimeout = 5 * time.Second
	// checkAfter is how long a connection must have been idle to be looked at before
	// it is given out.
	checkAfter = time.Second
)

// suspects reports whether an idle connection must be pinged before it is given
// out. pgxpool pings each that was idle for a second, which costs its caller a round
// trip. That Postgres has closed a connection the kernel knows, and that the network
// is gone it learns by itself, see setPatience. After a connection has failed, all
// that were idle then are looked at.
func (a *admission) suspects(_ context.Context, p pgxpool.ShouldPingParams) bool {
	if p.IdleDuration < checkAfter {
		failed := a.failedAt.Load()
		if failed == 0 || time.Now().Add(-p.IdleDuration).UnixNano() > failed {
			return false
		}
	}
	still, known := silent(p.Conn.PgConn().Conn())
	return !still && (known || p.IdleDuration >= checkAfter)
}

// watchHealth makes a configuration check connections in these ways.
func (a *admission) watchHealth(c *pgxpool.Config) {
	if c.ShouldPing == nil {
		c.ShouldPing = a.suspects
	}
	if c.PingTimeout == 0 {
		c.PingTimeout = pingTimeout
	}
	if c.MaxConnLifetimeJitter == 0 {
		// Connections that were opened together must not end together.
		c.MaxConnLifetimeJitter = c.MaxConnLifetime / 10
	}
	afterConnect, beforeClose, afterRelease := c.AfterConnect, c.BeforeClose, c.AfterRelease
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		setPatience(conn.PgConn().Conn(), patience)
		conn.PgConn().CustomData()[placeKey] = &place{fresh: true}
		if afterConnect != nil {
			if err := afterConnect(quiet.Loud(ctx), conn); err != nil {
				return err
			}
		}
		if a.prepared != nil {
			return a.prepared.prepare(ctx, conn)
		}
		return nil
	}
	c.BeforeClose = func(conn *pgx.Conn) {
		a.connections(-1)
		if place := placeOf(conn); beforeClose != nil && (place == nil || !place.closing) {
			beforeClose(conn)
		}
	}
	if a.prepared != nil {
		c.AfterRelease = func(conn *pgx.Conn) bool {
			return a.prepared.good(conn) && (afterRelease == nil || afterRelease(conn))
		}
	}
}
