package pgnotify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var errPooler = errors.New("pgnotify: this is a pooler that passes no notifications on, such as PgBouncer in " +
	"transaction mode: connect to Postgres itself")

// probeTimeout bounds the wait for a notification behind a pooler.
const probeTimeout = 3 * time.Second

// probe returns an error if notifications do not come to a connection. A pooler takes LISTEN, and says
// nothing: only a notification from elsewhere shows what it does. The channel is one of its own, because
// LISTEN stays on a connection that is somebody else's next. It is the same each time: links try again without
// end, and UNLISTEN may reach another connection.
func (b *Bus) probe(ctx context.Context, conn *pgx.Conn) error {
	var id uint32
	if err := conn.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&id); err != nil {
		return fmt.Errorf("pgnotify: %w", err)
	}
	if id == conn.PgConn().PID() {
		return nil // It is Postgres.
	}
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := b.askAround(limited, conn)
	cleanUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, unlistenErr := conn.Exec(cleanUp, "unlisten "+probeChannel); err == nil && unlistenErr != nil {
		err = fmt.Errorf("pgnotify: %w", unlistenErr)
	}
	return err
}

const probeChannel = "gqlboost_probe"

// askAround returns an error if a notification by another connection does not come to this one.
func (b *Bus) askAround(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "listen "+probeChannel); err != nil {
		return fmt.Errorf("pgnotify: %w", err)
	}
	other, err := pgx.ConnectConfig(ctx, b.connect)
	if err != nil {
		return fmt.Errorf("pgnotify: asking whether a pooler passes notifications on: %w", err)
	}
	defer hangUp(ctx, other)
	own := rand.Text() // Others may ask at the same time.
	if _, err := other.Exec(ctx, "notify "+probeChannel+", '"+own+"'"); err != nil {
		return fmt.Errorf("pgnotify: asking whether a pooler passes notifications on: %w", err)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("%w (%w)", errPooler, err)
		case n.Payload == own:
			return nil
		}
	}
}
