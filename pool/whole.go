package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
)

// Connections that a caller has as a whole, by Acquire or through database/sql, run nothing with
// settings (reader.WithSettings): only the one who has a connection knows where its transactions
// end. Transactions of the pool run nothing with other settings than they were begun with. What
// database/sql does with a connection, or a caller with a transaction, passes no code of the pool,
// so a tracer refuses it: each statement brings its own context there.

// errSettings is returned for what cannot have the settings of its context.
func errSettings(method string) error {
	return fmt.Errorf("pool: %s gives out a whole connection, which reader.WithSettings cannot bound: use Begin", method)
}

// refuseSettings returns an error for a context with settings, or none at all, of a method that
// gives out a whole connection.
func refuseSettings(ctx context.Context, method string) error {
	switch {
	case ctx == nil:
		return guard.ErrNoContext
	case guard.From(ctx) != nil:
		return errSettings(method)
	}
	return nil
}

// errWhole is the error of a statement with settings on a connection that was given out before.
var errWhole = errors.New("pool: reader.WithSettings does not reach a whole connection " +
	"(Acquire, database/sql), nor a transaction that was begun without these settings: use Pool.Begin with them")

// wholes refuses statements with settings on connections that are given out as a whole, and with
// others in transactions.
type wholes struct{ told sync.Once }

var (
	_ pgx.QueryTracer    = (*wholes)(nil)
	_ pgx.BatchTracer    = (*wholes)(nil)
	_ pgx.CopyFromTracer = (*wholes)(nil)
	_ pgx.PrepareTracer  = (*wholes)(nil)
)

// check returns the context for a statement: one that has ended if the statement is refused.
func (w *wholes) check(ctx context.Context, conn *pgx.Conn, sql string) context.Context {
	s := guard.From(ctx)
	if s == nil {
		return ctx
	}
	if place := placeOf(conn); place == nil || !place.whole || place.within == s.ID || endsTx(sql) {
		return ctx
	}
	w.told.Do(func() { // database/sql may say no more than "driver: bad connection".
		slog.Warn("gqlboost: a statement was refused", "reason", errWhole)
	})
	return refusedContext{ctx}
}

// TraceQueryStart implements [pgx.QueryTracer].
func (w *wholes) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return w.check(ctx, conn, data.SQL)
}

// endsTx reports whether a statement only ends a transaction or a part of one: settings do not
// matter to it, and a transaction that cannot be ended would be left open.
func endsTx(sql string) bool {
	switch sqltext.FirstWord(sql) {
	case "commit", "rollback", "release":
		return sqltext.Single(sql)
	}
	return false
}

// TraceQueryEnd does nothing.
func (w *wholes) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements [pgx.BatchTracer].
func (w *wholes) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return w.check(ctx, conn, "")
}

// TraceBatchQuery does nothing.
func (w *wholes) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd does nothing.
func (w *wholes) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TraceCopyFromStart implements [pgx.CopyFromTracer].
func (w *wholes) TraceCopyFromStart(
	ctx context.Context, conn *pgx.Conn, _ pgx.TraceCopyFromStartData,
) context.Context {
	return w.check(ctx, conn, "")
}

// TraceCopyFromEnd does nothing.
func (w *wholes) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// TracePrepareStart implements [pgx.PrepareTracer].
func (w *wholes) TracePrepareStart(ctx context.Context, conn *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return w.check(ctx, conn, "")
}

// TracePrepareEnd does nothing.
func (w *wholes) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

// refusedContext is a context that has ended, because what it is for is refused. pgx sends
// nothing then.
type refusedContext struct{ context.Context }

var ended = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done returns a closed channel.
func (refusedContext) Done() <-chan struct{} { return ended }

// Err returns why it was refused.
func (refusedContext) Err() error { return errWhole }
