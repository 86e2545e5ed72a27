// Package pgnotify carries deletions between caches over the notifications of Postgres, for
// teams that run no Redis. It needs no pool. A [Bus] is a transport of package plancache/bus,
// whose links notice what has been missed; for a single cache it is also an invalidator by itself.
package pgnotify

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
	"github.com/jackc/pgx/v5"
)

// DefaultChannel is the channel of notifications unless a configuration names another.
const DefaultChannel = "gqlboost_plans"

// Options configures a [Bus]. Zero fields have defaults.
type Options struct {
	// Channel is the channel of notifications, [DefaultChannel] by default. Caches of the
	// same channel should be of the same kind of plan.
	Channel string
	// CheckEvery is the silence after which a connection is asked whether it still works, 15 s
	// by default. A deletion can be that late after a connection was lost.
	CheckEvery time.Duration
}

// Bus is a [plancache.Invalidator] and a [bus.Transport]. Make it with [New]. It is safe for
// concurrent use. For each cache that watches, and for each subscription, it holds a connection
// to Postgres itself: PgBouncer in transaction mode does not carry notifications, and Watch and
// Subscribe fail there.
//
// A migration can tell all caches in its own transaction:
//
//	SELECT pg_notify('gqlboost_plans', '*')
//
// [bus.Transport]: https://pkg.go.dev/github.com/gqlboost/gqlboost/plancache/bus#Transport
type Bus struct {
	config  Options
	connect *pgx.ConnConfig

	turn chan struct{} // holds something while somebody uses what follows
	conn *pgx.Conn     // that notifies; nil until it is needed, and after an error

	closed atomic.Bool
}

var _ plancache.BatchInvalidator = (*Bus)(nil)

// New returns a bus. It does not connect before it is used.
func New(dsn string, c Options) (*Bus, error) {
	connect, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("pgnotify: %w", err)
	}
	if c.Channel == "" {
		c.Channel = DefaultChannel
	}
	if len(c.Channel) > maxChannel { // LISTEN would cut it off, and pg_notify refuse it.
		return nil, fmt.Errorf("pgnotify: the channel %q has %d bytes, Postgres allows %d", c.Channel, len(c.Channel),
			maxChannel)
	}
	if c.CheckEvery < 0 {
		return nil, fmt.Errorf("pgnotify: CheckEvery is %v: it must not be negative", c.CheckEvery)
	}
	if c.CheckEvery == 0 {
		c.CheckEvery = 15 * time.Second
	}
	return &Bus{config: c, connect: connect, turn: make(chan struct{}, 1)}, nil
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("pgnotify: closed")

const maxChannel = 63 // bytes of an identifier

// closeTimeout bounds the wait of Close for a call of Delete.
const closeTimeout = 5 * time.Second

// Close waits for a call of Delete, for up to 5 s, and closes the connection that notifies; a call that takes
// longer closes it when it ends. Watchers end with their contexts. Closing again does nothing.
func (b *Bus) Close() error {
	b.closed.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("pgnotify: closing: a call has not ended within %v: %w", closeTimeout, ctx.Err())
	}
	defer func() { <-b.turn }()
	b.disconnect(ctx)
	return nil
}

// disconnect closes the connection that notifies. It is called with the turn.
func (b *Bus) disconnect(ctx context.Context) {
	if b.conn != nil {
		hangUp(ctx, b.conn)
		b.conn = nil
	}
}

// Delete notifies all watchers of a key.
func (b *Bus) Delete(ctx context.Context, key string) error { return b.notify(ctx, key) }

// DeleteEach implements [plancache.BatchInvalidator]. All watchers are notified of all keys, or none is.
func (b *Bus) DeleteEach(ctx context.Context, keys []string) error { return b.notify(ctx, keys...) }

// notify sends texts to the channel.
func (b *Bus) notify(ctx context.Context, texts ...string) (err error) {
	if b.closed.Load() { // A call that hangs may still have the turn.
		return ErrClosed
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		if b.closed.Load() { // Close may have given up waiting for this call.
			b.disconnect(ctx)
		}
		<-b.turn
	}()
	// A connection may have been lost since it was used last, a new one has not.
	for range 2 {
		if b.closed.Load() {
			return ErrClosed
		}
		if b.conn == nil {
			if b.conn, err = pgx.ConnectConfig(ctx, b.connect); err != nil {
				b.conn = nil
				return fmt.Errorf("pgnotify: %w", err)
			}
		}
		_, err = b.conn.Exec(ctx, "select pg_notify($1, text) from unnest($2::text[]) text", pgx.QueryExecModeExec,
			b.config.Channel, texts)
		if err == nil {
			return nil
		}
		b.disconnect(ctx)
	}
	return fmt.Errorf("pgnotify: %w", err)
}

// Watch returns the keys that are deleted. The channel is closed when the context ends or
// the connection is lost.
func (b *Bus) Watch(ctx context.Context) (<-chan string, error) {
	conn, err := b.listening(ctx)
	if err != nil {
		return nil, err
	}
	keys := make(chan string)
	go func() {
		defer close(keys)
		defer hangUp(ctx, conn)
		_ = b.listen(ctx, conn, func(key string) { // Why it is lost does not matter.
			select {
			case keys <- key:
			case <-ctx.Done():
			}
		})
	}()
	return keys, nil
}

// listening returns a connection to which Postgres sends what is notified.
func (b *Bus) listening(ctx context.Context) (*pgx.Conn, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	conn, err := pgx.ConnectConfig(ctx, b.connect)
	if err != nil {
		return nil, fmt.Errorf("pgnotify: %w", err)
	}
	if err := b.probe(ctx, conn); err != nil {
		hangUp(ctx, conn)
		return nil, err
	}
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{b.config.Channel}.Sanitize()); err != nil {
		hangUp(ctx, conn)
		return nil, fmt.Errorf("pgnotify: %w", err)
	}
	return conn, nil
}

// hangUp closes a connection, also when the context has ended.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// listen passes on what a connection says, until it is lost or the context ends.
func (b *Bus) listen(ctx context.Context, conn *pgx.Conn, take func(string)) error {
	for {
		limited, cancel := context.WithTimeout(ctx, b.config.CheckEvery)
		n, err := conn.WaitForNotification(limited)
		if err != nil && ctx.Err() == nil && limited.Err() != nil && !conn.IsClosed() {
			err = b.check(ctx, conn)
		}
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("pgnotify: the connection was lost: %w", err)
		case n != nil:
			take(n.Payload)
		}
	}
}

// check asks a connection that says nothing whether it still is one.
func (b *Bus) check(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, b.config.CheckEvery)
	defer cancel()
	return conn.Ping(ctx)
}
