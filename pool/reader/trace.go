package reader

import (
	"context"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// trace tells the user's tracer of a statement, once, whichever connections it runs on.
type trace struct {
	tracer pgx.QueryTracer // nil if there is none
	sql    string
	args   []any
	ctx    context.Context // the tracer's, once it has begun
	conn   *pgx.Conn
	ended  bool
}

// begin tells of the start on a connection, unless it was told before.
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

// quiet returns the context for running it on pgx, which would tell the tracer again.
func (t *trace) quiet(ctx context.Context) context.Context {
	if t.ctx == nil {
		return ctx
	}
	return quiet.Context(t.ctx)
}

// end tells of the end, and returns the error. Rows that are held have their own.
func (t *trace) end(err error, rows *heldRows) error {
	if t.ctx == nil || t.ended {
		return err
	}
	t.ended = true
	data := pgx.TraceQueryEndData{Err: err}
	if rows != nil {
		data.CommandTag = rows.tag
		if err == nil {
			data.Err = rows.late
		}
	}
	t.tracer.TraceQueryEnd(t.ctx, t.conn, data)
	return err
}

// endDirect tells of the end of rows that had a connection.
func (t *trace) endDirect(tag pgconn.CommandTag, err error) {
	if t.ctx != nil && !t.ended {
		t.ended = true
		t.tracer.TraceQueryEnd(t.ctx, t.conn, pgx.TraceQueryEndData{CommandTag: tag, Err: err})
	}
}
