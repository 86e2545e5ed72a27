// Package natsbus carries invalidations between caches over NATS: it is a transport of package
// plancache/bus.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/nats-io/nats.go"
)

// DefaultSubject is the subject of messages unless a bus has another one.
const DefaultSubject = "gqlboost.bus"

// Bus is a [bus.Transport] over a subject of NATS. It is safe for concurrent use.
//
// NATS keeps nothing for those who are not connected, and its client subscribes again without
// a word. So a subscription ends here when the connection is lost, and when the client has
// dropped messages for a subscriber that was too slow.
type Bus struct {
	conn    *nats.Conn
	subject string
	wrong   error // what each use returns, because New has no error
}

var _ bus.Transport = (*Bus)(nil)

// New returns a bus that uses a connection, which it does not close. The connection should
// reconnect without end (nats.MaxReconnects(-1)). One that is closed stays so, and a link on it
// stays blind. It must echo: with nats.NoEcho, Subscribe fails. The subject is [DefaultSubject] if it
// is empty, and must have no wildcards. With one that has, or without a connection, Publish and Subscribe
// fail.
func New(conn *nats.Conn, subject string) *Bus {
	if subject == "" {
		subject = DefaultSubject
	}
	b := &Bus{conn: conn, subject: subject}
	if conn == nil {
		b.wrong = errors.New("natsbus: the connection is nil")
	}
	for token := range strings.SplitSeq(subject, ".") {
		if token == "*" || token == ">" {
			b.wrong = errors.Join(b.wrong, fmt.Errorf("natsbus: the subject %q has wildcards: it must be that of one bus",
				subject))
			break
		}
	}
	return b
}

// flushTimeout bounds the wait for the server where a context has no deadline.
const flushTimeout = 10 * time.Second

// Publish sends a message, and waits until the server has it.
func (b *Bus) Publish(ctx context.Context, message []byte) error {
	if b.wrong != nil {
		return b.wrong
	}
	if !b.conn.IsConnected() { // The client would keep it.
		return fmt.Errorf("natsbus: publishing: %w", nats.ErrDisconnected)
	}
	if err := b.conn.Publish(b.subject, message); err != nil {
		return fmt.Errorf("natsbus: publishing: %w", err)
	}
	if err := b.flush(ctx); err != nil {
		return fmt.Errorf("natsbus: publishing: %w", err)
	}
	return nil
}

// flush waits until the server has what was sent.
func (b *Bus) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return b.conn.FlushWithContext(ctx)
}

var (
	errLost = errors.New("natsbus: the connection was lost")
	errEcho = errors.New("natsbus: the connection has the option NoEcho: a link needs its own messages, to know " +
		"that they come")
)

// Subscribe receives messages until the context ends or some may have been missed.
func (b *Bus) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	if b.wrong != nil {
		return b.wrong
	}
	if b.conn.Opts.NoEcho {
		return errEcho
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	changes := b.conn.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	defer b.conn.RemoveStatusListener(changes)
	go func() {
		select {
		case <-changes:
			cancel(errLost)
		case <-ctx.Done():
		}
	}()
	sub, err := b.conn.SubscribeSync(b.subject)
	if err != nil {
		return fmt.Errorf("natsbus: subscribing: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // It fails where the connection is closed.
	if err := b.flush(ctx); err != nil {
		return fmt.Errorf("natsbus: subscribing: %w", err)
	}
	ready()
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil: // nats.ErrSlowConsumer if messages were dropped
			return fmt.Errorf("natsbus: receiving: %w", err)
		}
		// The client forgets that error at the next message that it has room for, such as a short one after long ones.
		if n, err := sub.Dropped(); err == nil && n > 0 {
			return fmt.Errorf("natsbus: receiving: %w", nats.ErrSlowConsumer)
		}
		receive(m.Data)
	}
}
