package reader

import (
	"context"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// trace reports a statement to the user's tracer, once, whichever connections it runs on.
type trace struct {
	tracer pgx.QueryTracer // nil if there is none
	sql    string
	args   []any
	ctx    context.Context // the tracer's, once it has begun
	conn   *pgx.Conn
	ended  bool
}

// begin reports the start of the statement on a connection, unless it has begun.
func (t *trace) begin(ctx context.Context, conn *pgx.Conn) {
	if t.tracer != nil && t.ctx == nil {
		t.conn = conn
		t.ctx = t.tracer.TraceQueryStart(ctx, conn, pgx.TraceQueryStartData{SQL: t.sql, Args: t.args})
	}
}

// context returns the context in which the statement runs.
func (t *trace) context(ctx context.Context) context.Context {
	if t.ctx == nil {
		return ctx
	}
	return t.ctx
}

// quiet returns the context for running it on pgx, which would report it again.
func (t *trace) quiet(ctx context.Context) context.Context {
	if t.ctx == nil {
		return ctx
	}
	return quiet.Context(t.ctx)
}

// end reports the end of the statement, and returns its error.
func (t *trace) end(tag pgconn.CommandTag, err error) error {
	if t.ctx != nil && !t.ended {
		t.ended = true
		t.tracer.TraceQueryEnd(t.ctx, t.conn, pgx.TraceQueryEndData{CommandTag: tag, Err: err})
	}
	return err
}
