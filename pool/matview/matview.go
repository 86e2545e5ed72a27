package matview

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is what connections are taken from: a *pgxpool.Pool or *pool.Pool.
type DB interface {
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
}

// Config says what is refreshed, and how often. Zero fields but View have defaults.
type Config struct {
	// View is the view's name, after its schema if it has one: public.post_counts. Names
	// are taken as they are written, without quotes.
	View string
	// Every is from the start of a refresh to that of the next, over all instances, a minute
	// by default. A refresh that takes longer is followed by the next one at once.
	Every time.Duration
	// Timeout bounds a refresh, 10 times Every by default.
	Timeout time.Duration
	// Patience is for how long an instance that starts waits for a refresh by another one
	// before it refreshes the view itself, as it cannot know how old the view is. By default
	// it is Every, but a minute at most. A short one costs up to one refresh more for each
	// instance that starts, a long one leaves the view as it is for longer after all
	// instances were down. It does not matter on a server with track_commit_timestamp, which
	// does know how old the view is, nor for a view without data, which is filled at once.
	Patience time.Duration
	// OnError is called with each error of a refresh, or of the way to the database; the
	// refresh is tried again after Every, by each instance. Without it errors show in the metrics only. It is
	// called by one goroutine at a time, which is not that of Run: if it blocks, refreshes go
	// on, and of the errors meanwhile only the last is kept. Its panics are dropped. When Run
	// ends it waits for a call for a second at most.
	OnError func(error)
}

// Refresher refreshes one view. It is safe for concurrent use.
type Refresher struct {
	db     DB
	config Config
	name   pgx.Identifier
	pause  time.Duration // between two looks at the view, at most

	running   atomic.Bool
	history   history
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
	pause := max(min(c.Every/4, time.Minute), time.Millisecond)
	if c.Patience <= 0 {
		c.Patience = min(c.Every+pause, time.Minute)
	}
	c.Patience = min(c.Patience, c.Every+pause)
	return &Refresher{db: db, config: c, name: name, pause: pause, history: history{every: c.Every, grace: pause, patience: c.Patience}}, nil
}

// Run refreshes the view until the context ends, whose error it returns. A refresh that is
// under way is cancelled: when Run returns the server has ended it and its lock, unless the
// server does not answer within two seconds. Only one Run of a Refresher may run at a time.
func (r *Refresher) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return fmt.Errorf("matview: %s: Run is running already", r.config.View)
	}
	defer r.running.Store(false)
	defer r.history.stop()
	errs := &reporter{call: r.config.OnError}
	defer errs.close()
	for {
		// With jitter, so that many instances do not ask at the same time.
		wait := r.pause/2 + rand.N(r.pause/2+1)
		if err := r.turn(ctx); err == nil {
			wait = min(wait, r.history.untilDue())
		} else if ctx.Err() == nil {
			r.failures.Add(1)
			errs.report(fmt.Errorf("matview: %s: %w", r.config.View, err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// turn looks at the view, and refreshes it if it is due. It holds a connection meanwhile.
func (r *Refresher) turn(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, max(r.config.Every, time.Second))
	defer cancel()
	conn, err := r.db.Acquire(looking)
	if err != nil {
		return fmt.Errorf("cannot get a connection: %w", err)
	}
	defer release(ctx, conn)
	state, err := r.look(looking, conn)
	if err != nil {
		return err
	}
	if !r.history.isDue(state) {
		return nil
	}
	refreshing, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	err = r.refresh(refreshing, conn, state)
	if err != nil && ctx.Err() == nil && errors.Is(refreshing.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("the refresh took longer than Timeout (%v) and was cancelled: %w", r.config.Timeout, err)
	}
	return err
}

// endTimeout bounds the end of what was cancelled.
const endTimeout = 2 * time.Second

// release gives a connection back, without a transaction. Where one was cut off, it returns
// when the server has ended it, which is when the server closes the connection.
func release(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	pg := conn.Conn().PgConn()
	if !pg.IsClosed() && pg.TxStatus() != 'I' {
		_ = pg.Exec(ctx, "rollback").Close() // If this fails it is closed.
	}
	closed := pg.IsClosed()
	conn.Release()
	if closed {
		select {
		case <-pg.CleanupDone():
		case <-ctx.Done():
		}
	}
}
