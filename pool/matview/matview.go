// Package matview keeps a materialized view fresh:
//
//	r, err := matview.New(db, matview.Config{View: "post_counts", Every: time.Minute})
//	go r.Run(ctx)
//
// Many instances of a program may run it: one of them refreshes, the others wait for its
// place. Readers are not blocked (REFRESH ... CONCURRENTLY).
package matview

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is what connections are taken from: a *pgxpool.Pool or *pool.Pool.
type DB interface {
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
}

// Config says what is refreshed, and how often.
type Config struct {
	// View is the view's name, after its schema if it has one: public.post_counts. Names
	// are taken as they are written, without quotes.
	View string
	// Every is from the start of a refresh to that of the next, a minute by default.
	Every time.Duration
	// Timeout bounds a refresh, 10 times Every by default.
	Timeout time.Duration
	// OnError is called with what a refresh has failed of, or the way to the database. It
	// is tried again at the next time.
	OnError func(error)
}

// Refresher refreshes one view. It is safe for concurrent use.
type Refresher struct {
	db     DB
	config Config
	name   pgx.Identifier

	leads     atomic.Bool
	last      atomic.Int64 // Unix nanoseconds of the start of the last refresh that went well; 0 if there was none
	took      atomic.Int64
	refreshes atomic.Uint64
	failures  atomic.Uint64
}

// New returns a refresher. It asks the database nothing.
func New(db DB, c Config) (*Refresher, error) {
	name := pgx.Identifier(strings.Split(c.View, "."))
	for _, part := range name {
		if part == "" || len(name) > 2 {
			return nil, fmt.Errorf("matview: %q is not the name of a view", c.View)
		}
	}
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * c.Every
	}
	return &Refresher{db: db, config: c, name: name}, nil
}

// Run refreshes the view until the context ends, whose error it returns. As long as this
// instance is the one that refreshes, it holds a connection; the others take one for a
// moment each time.
func (r *Refresher) Run(ctx context.Context) error {
	for {
		start := time.Now()
		wait := r.config.Every
		if err := r.lead(ctx); err != nil && ctx.Err() == nil {
			r.fail(err)
		}
		// With jitter, so that many instances do not ask at the same time.
		wait = max(wait-time.Since(start), 0)/2 + rand.N(r.config.Every/2+1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (r *Refresher) fail(err error) {
	r.failures.Add(1)
	if r.config.OnError != nil {
		r.config.OnError(fmt.Errorf("matview: %s: %w", r.config.View, err))
	}
}

// lead refreshes as long as this instance has the lock, and returns at once if another
// one has it. The lock is the session's, so it goes with its connection.
func (r *Refresher) lead(ctx context.Context) (err error) {
	conn, err := r.db.Acquire(ctx)
	if err != nil {
		return err
	}
	locked := false
	defer func() {
		r.leads.Store(false)
		if !locked {
			conn.Release()
			return
		}
		// It must not go back with the lock, and may not answer any more.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Hijack().Close(ending)
	}()
	// The lock's number is that of the view's name, whatever its oid.
	if err := conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended('gqlboost matview ' || $1, 0))", r.name.Sanitize()).Scan(&locked); err != nil || !locked {
		return err
	}
	r.leads.Store(true)
	for {
		start := time.Now()
		err := r.refresh(ctx, conn.Conn())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && conn.Conn().IsClosed():
			return err
		case err != nil:
			r.fail(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.config.Every - time.Since(start)):
		}
	}
}

// ErrNoUniqueIndex is returned for a view that cannot be refreshed without blocking its
// readers.
var ErrNoUniqueIndex = errors.New("the view has no unique index of all its rows, which REFRESH ... CONCURRENTLY needs")

// refresh refreshes the view. One that was never filled has no readers to block.
func (r *Refresher) refresh(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	start := time.Now()
	var filled, unique bool
	err := conn.QueryRow(ctx, `select c.relispopulated, exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null)
		from pg_class c where c.oid = to_regclass($1) and c.relkind = 'm'`, r.name.Sanitize()).Scan(&filled, &unique)
	if errors.Is(err, pgx.ErrNoRows) {
		return errors.New("there is no such materialized view")
	}
	if err != nil {
		return err
	}
	how := "concurrently "
	switch {
	case !filled:
		how = ""
	case !unique:
		return ErrNoUniqueIndex
	}
	if _, err := conn.Exec(ctx, "refresh materialized view "+how+r.name.Sanitize()); err != nil {
		return err
	}
	r.last.Store(start.UnixNano())
	r.took.Store(int64(time.Since(start)))
	r.refreshes.Add(1)
	return nil
}

// Leads tells whether this instance is the one that refreshes.
func (r *Refresher) Leads() bool { return r.leads.Load() }

// Staleness is the age of what readers see, if this instance refreshes and has done so.
func (r *Refresher) Staleness() (_ time.Duration, known bool) {
	last := r.last.Load()
	if last == 0 || !r.leads.Load() {
		return 0, false
	}
	return time.Since(time.Unix(0, last)), true
}

// Metrics implements [gqlboost.Source]. The staleness is that of the instance that
// refreshes; others have none.
func (r *Refresher) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		attrs := []gqlboost.Attr{{Key: "db.collection.name", Value: r.config.View}}
		leads := 0.0
		if r.Leads() {
			leads = 1
		}
		list := []gqlboost.Metric{
			{Kind: gqlboost.Gauge, Name: "gqlboost.matview.leader", Unit: "1", Help: "Whether this instance refreshes the view.", Value: leads, Attrs: attrs},
			{Kind: gqlboost.Counter, Name: "gqlboost.matview.refreshes", Unit: "{refresh}", Help: "Refreshes that went well.", Value: float64(r.refreshes.Load()), Attrs: attrs},
			{Kind: gqlboost.Counter, Name: "gqlboost.matview.failures", Unit: "{refresh}", Help: "Refreshes that failed.", Value: float64(r.failures.Load()), Attrs: attrs},
			{Kind: gqlboost.Gauge, Name: "gqlboost.matview.duration", Unit: "s", Help: "Time that the last refresh took.", Value: float64(r.took.Load()) / 1e9, Attrs: attrs},
		}
		if age, known := r.Staleness(); known {
			list = append(list, gqlboost.Metric{Kind: gqlboost.Gauge, Name: "gqlboost.matview.staleness", Unit: "s", Help: "Age of what readers see.", Value: age.Seconds(), Attrs: attrs})
		}
		return list
	})
}
