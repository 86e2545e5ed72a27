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

// DB provides connections: a *pgxpool.Pool or *pool.Pool.
type DB interface {
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
}

// Options configures what is refreshed, and how often. Zero fields but View have
// defaults.
type Options struct {
	// View is the name of the view, with or without its schema: public.post_counts. Names
	// are case-sensitive and without quotes.
	View string
	// Every is the interval between the starts of two refreshes, over all instances, a minute
	// by default. If a refresh takes longer, the next one follows at once. More than ten years
	// count as ten.
	Every time.Duration
	// Timeout bounds a refresh, 10 times Every by default.
	Timeout time.Duration
	// Patience is how long an instance that starts waits for a refresh by another instance
	// before it refreshes the view itself, because it does not know the age of the view. The
	// default is five quarters of Every, but at most a minute. With a shorter Patience each instance that
	// starts may cause one extra refresh. With a longer one the view stays stale for longer
	// after all instances were down. A view without data is filled at once in any case. On a
	// server with track_commit_timestamp the age is known, and Patience is not used.
	Patience time.Duration
	// OnError is called with every error: of a refresh, of the connection. Each instance
	// retries a failed refresh after Every. Without OnError, errors appear in the metrics
	// only. Calls do not overlap and do not run in Run's goroutine: refreshes go on while a
	// call blocks, and the call after it gets the latest error of that time. Panics of OnError
	// are discarded. When Run ends, it waits up to a second for the current call.
	OnError func(error)
}

// Refresher refreshes one view. Make it with [New]. It is safe for concurrent use.
type Refresher struct {
	db     DB
	config Options
	name   pgx.Identifier
	pause  time.Duration // the longest time between two looks at the view

	running   atomic.Bool
	history   history
	took      atomic.Int64
	refreshes atomic.Uint64
	failures  atomic.Uint64
}

// longest is the longest interval: ten of them are a duration.
const longest = 10 * 365 * 24 * time.Hour

// New returns a refresher. It does not connect to the database.
func New(db DB, c Options) (*Refresher, error) {
	name := pgx.Identifier(strings.Split(c.View, "."))
	for _, part := range name {
		if part == "" || len(name) > 2 {
			return nil, fmt.Errorf("matview: %q is not the name of a view", c.View)
		}
	}
	switch {
	case db == nil:
		return nil, errors.New("matview: the database is nil")
	case c.Every < 0 || c.Timeout < 0 || c.Patience < 0:
		return nil, fmt.Errorf("matview: a duration is negative: Every %v, Timeout %v, Patience %v",
			c.Every, c.Timeout, c.Patience)
	}
	if c.Every == 0 {
		c.Every = time.Minute
	}
	c.Every = min(c.Every, longest)
	if c.Timeout == 0 {
		c.Timeout = 10 * c.Every
	}
	pause := max(min(c.Every/4, time.Minute), time.Millisecond)
	if c.Patience == 0 {
		c.Patience = min(c.Every+pause, time.Minute)
	}
	return &Refresher{db: db, config: c, name: name, pause: pause,
		history: history{every: c.Every, grace: pause, patience: c.Patience}}, nil
}

// Run refreshes the view until the context ends, and returns the context's error. It cancels
// a refresh in progress and returns when the server has ended it and released its lock, or
// after two seconds without an answer. It returns an error if Run is already running.
func (r *Refresher) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return fmt.Errorf("matview: %s: Run is already running", r.config.View)
	}
	defer r.running.Store(false)
	defer r.history.stop()
	errs := &reporter{call: r.config.OnError}
	defer errs.close()
	for {
		// Jitter spreads the looks of many instances.
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

// maxLook bounds a look at the view, so that a pool without connections is soon an error.
const maxLook = 30 * time.Second

// turn looks at the view and refreshes it if it is due. It holds a connection meanwhile.
func (r *Refresher) turn(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, min(max(r.config.Every, time.Second), maxLook))
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

// endTimeout bounds how long release waits for the server.
const endTimeout = 2 * time.Second

// release ends an open transaction and releases the connection. pgx closes a connection
// whose statement was cancelled, after it has sent a cancel request. In that case release
// waits until the server closes its end: by then the server has ended the transaction.
func release(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	pg := conn.Conn().PgConn()
	if !pg.IsClosed() && pg.TxStatus() != 'I' {
		_ = pg.Exec(ctx, "rollback").Close() // If it fails, Release closes the connection.
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
