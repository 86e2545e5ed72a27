package guard

import (
	"context"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
)

// Accepted remembers settings that Postgres has accepted. A transaction that begins with
// others begins in two round trips: pgx closes the connection if it cannot begin in one, and
// a caller that sends values that Postgres refuses must not cost a connection each time. It
// is safe for concurrent use; the zero value and nil remember nothing yet.
type Accepted struct {
	mu  sync.RWMutex
	ids map[string]struct{}
}

// maxAccepted bounds what is remembered.
const maxAccepted = 4096

func (a *Accepted) has(s *Settings) bool {
	if a == nil {
		return false
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, ok := a.ids[s.ID]
	return ok
}

func (a *Accepted) set(s *Settings, accepted bool) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !accepted {
		delete(a.ids, s.ID)
		return
	}
	if a.ids == nil || len(a.ids) >= maxAccepted {
		a.ids = map[string]struct{}{}
	}
	a.ids[s.ID] = struct{}{}
}

// BeginTx has begin begin a transaction that has the settings.
func (s *Settings) BeginTx(
	ctx context.Context, a *Accepted, o pgx.TxOptions, begin func(context.Context, pgx.TxOptions) (pgx.Tx, error),
) (pgx.Tx, error) {
	if a.has(s) {
		o.BeginQuery = s.begin(o)
		tx, err := begin(ctx, o)
		if err != nil {
			a.set(s, false) // The role may be gone, for example.
		}
		return tx, err
	}
	tx, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	if sql := s.statement(); sql != "" {
		if _, err := tx.Exec(quiet.Context(ctx), sql); err != nil {
			_ = tx.Rollback(quiet.Context(context.WithoutCancel(ctx)))
			return nil, err
		}
	}
	a.set(s, true)
	return tx, nil
}

// begin returns what begins a transaction with the options and the settings, in one round
// trip of the simple protocol.
func (s *Settings) begin(o pgx.TxOptions) string {
	begin := o.BeginQuery
	if begin == "" {
		begin = "begin"
		if o.IsoLevel != "" {
			begin += " isolation level " + string(o.IsoLevel)
		}
		if o.AccessMode != "" {
			begin += " " + string(o.AccessMode)
		}
		if o.DeferrableMode != "" {
			begin += " " + string(o.DeferrableMode)
		}
	}
	if sql := s.statement(); sql != "" {
		begin += "\n; " + sql // A caller's own BEGIN may end in a comment.
	}
	return begin
}

// Begin begins a transaction under a guard.
func (g Guard) Begin(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	o := pgx.TxOptions{}
	if g.ReadOnly {
		o.AccessMode = pgx.ReadOnly
	}
	tx, err := g.begin(ctx, conn, o)
	if err != nil || g.Replayed == 0 {
		return tx, err
	}
	if _, err := tx.Exec(quiet.Context(ctx), "select "+hasReplayed(Literal(formatLSN(g.Replayed)))); err != nil {
		_ = tx.Rollback(quiet.Context(context.WithoutCancel(ctx)))
		return nil, g.behind(err)
	}
	return tx, nil
}

// abortTimeout bounds the goodbye to a server that may not listen.
const abortTimeout = 5 * time.Second

// Abort closes a connection in the middle of something, where a panic has left it. With a context that
// cannot end, pgx would go on watching the one of what it was at.
func Abort(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), abortTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

func (g Guard) begin(ctx context.Context, conn *pgx.Conn, o pgx.TxOptions) (pgx.Tx, error) {
	if g.Settings == nil {
		return conn.BeginTx(ctx, o)
	}
	return g.Settings.BeginTx(ctx, g.Accepted, o, conn.BeginTx)
}
