package reader

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
)

// Postgres has statements that stay prepared follow a change of the schema, but says nothing
// of what the Reader has learned of them: that a function is not volatile, or which types
// parameters have. So the catalog is looked at while statements run, and after a change all
// that was learned is doubted until it was learned again.

const (
	// catalogEvery is how often the catalog is looked at, at most.
	catalogEvery = time.Second
	// catalogShare bounds the share of the time that looking takes.
	catalogShare = 100
	// catalogTrust is how long nothing is doubted if the catalog cannot be read.
	catalogTrust = time.Minute
)

// catalog is what is known of the schema.
type catalog struct {
	epoch atomic.Int64 // how often what was learned had to be doubted
	looks atomic.Int64 // how often it was looked at

	// The rest is the learner's.
	sum     string        // of what was seen last; "" if nothing was
	seen    time.Time     // when that was
	next    time.Time     // when the next look is due
	cost    time.Duration // of a look
	ran     uint64        // statements that had run at the last look
	changed time.Time     // when the sum last changed
}

// doubt has all statements learned again, and those that are being learned.
func (r *Reader) doubt() {
	r.catalog.epoch.Add(1)
	r.statements.doubt()
	for _, b := range r.backends {
		for _, p := range b.pipes {
			if s := p.session.Load(); s != nil {
				s.answers.forget()
			}
		}
	}
}

// lookIfDue looks at the catalog, unless nothing has run since the last time.
func (r *Reader) lookIfDue(ctx context.Context, now time.Time) {
	if ran := r.counters.direct.Load() + r.counters.shared.Load(); ran != r.catalog.ran && !now.Before(r.catalog.next) {
		r.catalog.ran = ran
		r.look(ctx)
	}
}

// look compares the catalog with what it was, and doubts what was learned if it has changed.
func (r *Reader) look(ctx context.Context) {
	c := &r.catalog
	start := time.Now()
	sum, err := catalogSum(ctx, r.backends[0])
	now := time.Now()
	c.cost = lookCost(c.cost, now.Sub(start))
	c.next = now.Add(max(catalogEvery, catalogShare*c.cost))
	switch {
	case err != nil:
		if c.sum != "" && now.Sub(c.seen) > catalogTrust {
			c.sum = ""
			r.doubt()
		}
		return
	case c.sum != "" && c.sum != sum:
		c.changed = now
		r.doubt()
	case len(r.backends) > 1 && now.Sub(c.changed) < r.config.MaxLag:
		r.doubt() // A replica may have the change only now.
	}
	c.sum, c.seen = sum, now
	c.looks.Add(1)
}

// lookCost returns the cost of a look, from that of those before, 0 if there were none, and the
// time of the last. One look that a busy machine holds up does not put off the next for minutes.
func lookCost(known, took time.Duration) time.Duration {
	if known == 0 {
		known = catalogEvery / catalogShare
	}
	return min(took, 2*known)
}

// catalogSum returns a checksum of everything that statements depend on, except temporary objects: functions,
// views and rules, policies, operators, casts, types, and relations with their columns. A rewrite
// of a table or of a materialized view does not change it.
func catalogSum(ctx context.Context, b *backend) (sum string, err error) {
	ctx, cancel := context.WithTimeout(quiet.Context(ctx), lessonTimeout)
	defer cancel()
	conn, err := b.server.Ask(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	err = conn.QueryRow(ctx, catalogQuery, pgx.QueryExecModeExec).Scan(&sum)
	return sum, err
}

// catalogQuery reads what was not there when the database was made: its own objects have
// numbers from 16384.
const catalogQuery = `with relation as (
		select * from pg_catalog.pg_class where oid >= 16384 and relpersistence <> 't')
select pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', kind, number, state))))
from (
	select 'relation' as kind, oid::text as number,
		pg_catalog.concat_ws(' ', relkind, relrowsecurity, relforcerowsecurity, relnamespace, relname, reloptions) as state from relation
	union all select 'column', pg_catalog.concat_ws(' ', attrelid, attnum), a.xmin::text
		from pg_catalog.pg_attribute a join relation on relation.oid = attrelid
	union all select 'type', oid::text, xmin::text from pg_catalog.pg_type where oid >= 16384 and typrelid = 0 and typelem = 0
	union all select 'constraint', oid::text, xmin::text from pg_catalog.pg_constraint where contypid <> 0
	union all select 'function', oid::text, xmin::text from pg_catalog.pg_proc where oid >= 16384
	union all select 'rule', oid::text, xmin::text from pg_catalog.pg_rewrite where oid >= 16384
	union all select 'policy', oid::text, xmin::text from pg_catalog.pg_policy
	union all select 'operator', oid::text, xmin::text from pg_catalog.pg_operator where oid >= 16384
	union all select 'support', oid::text, xmin::text from pg_catalog.pg_amproc where oid >= 16384
	union all select 'cast', oid::text, xmin::text from pg_catalog.pg_cast where oid >= 16384
	union all select 'schema', oid::text, xmin::text from pg_catalog.pg_namespace where oid >= 16384 and nspname !~ '^pg_'
) part`
