package pool

import (
	"context"
	"math"
	"time"
)

// A server may have been restarted with other settings.
const readCapacityEvery = time.Minute

// readCapacity asks Postgres how many connections it has for users, and gives the
// pool its share.
func (p *Pool) readCapacity(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var n int64
	// reserved_connections is there since PostgreSQL 16.
	err := p.QueryRow(ctx, `select current_setting('max_connections')::bigint
		- coalesce(current_setting('superuser_reserved_connections', true), '0')::bigint
		- coalesce(current_setting('reserved_connections', true), '0')::bigint`).Scan(&n)
	if err != nil {
		return err
	}
	all := int64(math.Max(1, float64(n)*p.share))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allot(all)
	p.capacity.Store(all) // Who sees it may rely on it.
	return nil
}

// allot divides the pool's share of the server between its own connections, the
// Reader's shared ones and the Reader's direct ones, if it is known. It is called with
// the lock.
func (p *Pool) allot(all int64) {
	if all == 0 {
		return
	}
	if p.reader == nil || p.reader.err != nil {
		p.gate.setCapacity(all)
		return
	}
	// Replicas have connections of their own.
	direct := p.reader.targets[0].direct
	rest := all - int64(len(p.reader.targets[0].pipes))
	own, theirs := divide(rest, int64(p.config.MaxConns), int64(direct.config.MaxConns))
	p.gate.setCapacity(own)
	direct.gate.setCapacity(theirs)
}

// divide divides all among two that want a and b, fairly, and at least one to each.
func divide(all, a, b int64) (int64, int64) {
	if a+b <= all {
		return a, b
	}
	b = max(1, min(b, max(all/2, all-a)))
	return max(1, all-b), b
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
