package matview

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNoUniqueIndex is returned for a view that cannot be refreshed without blocking its
// readers.
var ErrNoUniqueIndex = errors.New("the view has no unique index of all its rows, which REFRESH ... CONCURRENTLY needs")

// state is what a look at the view finds.
type state struct {
	oid    uint32
	change string   // the transaction that refreshed it last, or changed it otherwise
	age    *float64 // seconds since then, if the server knows
	filled bool
	unique bool // there is an index that REFRESH ... CONCURRENTLY can use
}

// look asks for the view's state. Each of its statements is parsed anew
// (QueryExecModeExec): behind a PgBouncer the next one may have another session.
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

// refresh refreshes a view whose state was seen, unless another instance does or has done
// so. It may leave a transaction open, which release ends.
func (r *Refresher) refresh(ctx context.Context, conn *pgxpool.Conn, seen state) error {
	start := time.Now()
	r.history.attempt(start)
	// Each statement has to see what was committed before it, whatever the defaults of the
	// session are: the second look comes after the lock.
	tx, err := conn.Conn().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return err
	}
	locked := false
	if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock(hashtextextended('gqlboost matview ' || $1::text, 0))",
		pgx.QueryExecModeExec, fmt.Sprint(seen.oid)).Scan(&locked); err != nil || !locked {
		return err // Another instance is at it.
	}
	now, err := r.look(ctx, tx)
	if err != nil {
		return err
	}
	how := "concurrently "
	switch {
	case now.change != seen.change && now.filled:
		r.history.isDue(now) // It is not: another instance was faster.
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
