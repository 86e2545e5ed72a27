package matview

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNoUniqueIndex is passed to OnError for a view that cannot be refreshed without blocking
// its readers.
var ErrNoUniqueIndex = errors.New("matview: the view has no unique index of all its rows, which REFRESH ... " +
	"CONCURRENTLY needs")

// state is the state of the view.
type state struct {
	oid    uint32
	change string   // the transaction that last refreshed or altered it
	age    *float64 // seconds since that transaction; nil if the server does not know
	filled bool
	unique bool // there is an index that REFRESH ... CONCURRENTLY can use
}

// look returns the state of the view. It does not use prepared statements
// (QueryExecModeExec), whatever the pool's mode: behind PgBouncer the next statement may run
// in another session.
func (r *Refresher) look(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (s state, err error) {
	err = conn.QueryRow(ctx, `select c.oid, c.xmin::text, c.relispopulated,
			exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null),
			case when current_setting('track_commit_timestamp')::bool then extract(epoch from clock_timestamp() - pg_xact_commit_timestamp(c.xmin))::float8 end
		from pg_class c where c.oid = to_regclass($1::text) and c.relkind = 'm'`,
		pgx.QueryExecModeExec, r.name.Sanitize()).Scan(&s.oid, &s.change, &s.filled, &s.unique, &s.age)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, errors.New("there is no such materialized view")
	}
	return s, err
}

// refresh refreshes the view, unless another instance is refreshing it or has refreshed it
// since seen. It may leave the transaction open; release ends it.
func (r *Refresher) refresh(ctx context.Context, conn *pgxpool.Conn, seen state) error {
	start := time.Now()
	r.history.attempt(start)
	// The second look must see what was committed before the lock was taken, so it needs a
	// snapshot of its own, whatever the session's default isolation level is.
	tx, err := conn.Conn().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return err
	}
	locked := false
	if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock(hashtextextended('gqlboost matview ' || $1::text, 0))",
		pgx.QueryExecModeExec, fmt.Sprint(seen.oid)).Scan(&locked); err != nil || !locked {
		return err // Without an error, another instance is refreshing the view.
	}
	now, err := r.look(ctx, tx)
	if err != nil {
		return err
	}
	how := "concurrently "
	switch {
	case now.change != seen.change && now.filled:
		r.history.isDue(now) // Another instance was faster.
		return nil
	case !now.filled:
		how = "" // It has no readers to block.
	case !now.unique:
		return ErrNoUniqueIndex
	}
	defer r.history.hold()()
	if _, err := tx.Exec(ctx, "refresh materialized view "+how+r.name.Sanitize()); err != nil {
		return err
	}
	if now, err = r.look(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	r.history.refreshed(now.change, start)
	r.took.Store(int64(time.Since(start)))
	r.refreshes.Add(1)
	return nil
}
