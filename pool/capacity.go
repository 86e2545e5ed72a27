package pool

import (
	"context"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
)

// A server may have been restarted with other settings.
const readCapacityEvery = time.Minute

// connectionsForUsers is an expression. reserved_connections is there since PostgreSQL 16.
const connectionsForUsers = `current_setting('max_connections')::bigint
	- coalesce(current_setting('superuser_reserved_connections', true), '0')::bigint
	- coalesce(current_setting('reserved_connections', true), '0')::bigint`

// readCapacity asks Postgres how many connections it has for users, and gives the
// pool its share.
func (p *Pool) readCapacity(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(quiet.Context(withoutHook(ctx)), pingTimeout)
	defer cancel()
	var n int64
	err := p.QueryRow(ctx, "select "+connectionsForUsers, pgx.QueryExecModeSimpleProtocol).Scan(&n)
	if err != nil {
		return err
	}
	p.admission.setCapacity(int64(max(1, float64(n)*p.share())))
	return nil
}

// share returns the share of the server's connections that the pool has; 0: the server is
// not asked.
func (p *Pool) share() float64 {
	if p.config.Adaptive && p.config.ServerShare == 0 {
		return 1
	}
	return p.config.ServerShare
}

// watchCapacity reads the server's settings from time to time, until the context ends.
func (p *Pool) watchCapacity(ctx context.Context) {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = readCapacityEvery
		if p.readCapacity(ctx) != nil {
			wait = time.Second
		}
	}
}
