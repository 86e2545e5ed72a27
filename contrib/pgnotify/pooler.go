package pgnotify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

var errPooler = errors.New("pgnotify: this is a pooler that passes no notifications on, such as PgBouncer in " +
	"transaction mode: connect to Postgres itself")

// probeTimeout bounds the wait for a notification behind a pooler.
const probeTimeout = 3 * time.Second

// probe returns an error if notifications do not come to a connection. A pooler takes LISTEN, and says
// nothing: only a notification from elsewhere shows what it does. The channel is one of its own, because
// LISTEN stays on a connection that is somebody else's next.
func (b *Bus) probe(ctx context.Context, conn *pgx.Conn) error {
	var id uint32
	if err := conn.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&id); err != nil {
		return fmt.Errorf("pgnotify: %w", err)
	}
	if id == conn.PgConn().PID() {
		return nil // It is Postgres.
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	channel := "gqlboost_probe_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return fmt.Errorf("pgnotify: %w", err)
	}
	other, err := pgx.ConnectConfig(ctx, b.connect)
	if err != nil {
		return fmt.Errorf("pgnotify: asking whether a pooler passes notifications on: %w", err)
	}
	defer hangUp(ctx, other)
	if _, err := other.Exec(ctx, "notify "+channel); err != nil {
		return fmt.Errorf("pgnotify: asking whether a pooler passes notifications on: %w", err)
	}
	if _, err := conn.WaitForNotification(ctx); err != nil {
		return fmt.Errorf("%w (%w)", errPooler, err)
	}
	_, err = conn.Exec(ctx, "unlisten "+channel)
	return err
}
