// Package quiet hides from a user's tracer the statements that the library runs for
// itself, and those that it reports to the tracer by itself.
package quiet

import (
	"context"
	"slices"
	"strings"

	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

type contextKey struct{}

// Context returns a context whose statements are not reported to the tracer.
func Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextKey{}, true)
}

// Loud returns a context whose statements are reported again: hooks of the user run in one of the
// library's own that is quiet.
func Loud(ctx context.Context) context.Context {
	if !Is(ctx) {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, nil)
}

// Is reports whether it is such a context.
func Is(ctx context.Context) bool { return ctx.Value(contextKey{}) != nil }

// Marked is a rewriter that ends the text of a statement with a mark, a comment. pgx keeps statements
// prepared by their texts, whatever they were prepared for.
type Marked struct {
	Own  pgx.QueryRewriter // the caller's; nil: there is none
	Mark string
}

// RewriteQuery implements [pgx.QueryRewriter]. What can only be the name of a statement stays as it is.
func (m Marked) RewriteQuery(ctx context.Context, conn *pgx.Conn, sql string, args []any) (string, []any, error) {
	if m.Own != nil {
		var err error
		if sql, args, err = m.Own.RewriteQuery(ctx, conn, sql, args); err != nil {
			return sql, args, err
		}
	}
	if !sqltext.OneWord(sql) {
		sql += m.Mark
	}
	return sql, args, nil
}

// MarkBegins is what marks begin with.
const MarkBegins = "\n-- gqlboost "

// unmarked returns a text without its mark.
func unmarked(sql string) string {
	if at := strings.LastIndex(sql, MarkBegins); at >= 0 {
		return sql[:at]
	}
	return sql
}

// callers returns the arguments that the caller has given.
func callers(args []any) []any {
	for i, arg := range args {
		if m, ok := arg.(Marked); ok {
			args = slices.Clone(args)
			if m.Own == nil {
				return slices.Delete(args, i, i+1)
			}
			args[i] = m.Own
			return args
		}
	}
	return args
}

// Tracer passes on to a user's tracer what is not to be hidden, except for what is about acquiring
// connections: of that the pool tells it.
type Tracer struct{ all *multitracer.Tracer }

// NewTracer returns a tracer that passes on to user's.
func NewTracer(user pgx.QueryTracer) *Tracer { return &Tracer{multitracer.New(user)} }

var (
	_ pgx.QueryTracer       = (*Tracer)(nil)
	_ pgx.BatchTracer       = (*Tracer)(nil)
	_ pgx.CopyFromTracer    = (*Tracer)(nil)
	_ pgx.PrepareTracer     = (*Tracer)(nil)
	_ pgx.ConnectTracer     = (*Tracer)(nil)
	_ pgxpool.ReleaseTracer = (*Tracer)(nil)
)

// TraceQueryStart implements [pgx.QueryTracer].
func (t *Tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if Is(ctx) {
		return ctx
	}
	data.Args = callers(data.Args)
	return t.all.TraceQueryStart(ctx, conn, data)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (t *Tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if !Is(ctx) {
		t.all.TraceQueryEnd(ctx, conn, data)
	}
}

// TraceBatchStart implements [pgx.BatchTracer].
func (t *Tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	if Is(ctx) {
		return ctx
	}
	return t.all.TraceBatchStart(ctx, conn, data)
}

// TraceBatchQuery implements [pgx.BatchTracer].
func (t *Tracer) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	if !Is(ctx) {
		data.SQL = unmarked(data.SQL)
		t.all.TraceBatchQuery(ctx, conn, data)
	}
}

// TraceBatchEnd implements [pgx.BatchTracer].
func (t *Tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	if !Is(ctx) {
		t.all.TraceBatchEnd(ctx, conn, data)
	}
}

// TraceCopyFromStart implements [pgx.CopyFromTracer].
func (t *Tracer) TraceCopyFromStart(
	ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData,
) context.Context {
	return t.all.TraceCopyFromStart(ctx, conn, data)
}

// TraceCopyFromEnd implements [pgx.CopyFromTracer].
func (t *Tracer) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.all.TraceCopyFromEnd(ctx, conn, data)
}

// TracePrepareStart implements [pgx.PrepareTracer].
func (t *Tracer) TracePrepareStart(
	ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData,
) context.Context {
	if Is(ctx) {
		return ctx
	}
	data.SQL = unmarked(data.SQL)
	return t.all.TracePrepareStart(ctx, conn, data)
}

// TracePrepareEnd implements [pgx.PrepareTracer].
func (t *Tracer) TracePrepareEnd(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareEndData) {
	if !Is(ctx) {
		t.all.TracePrepareEnd(ctx, conn, data)
	}
}

// TraceConnectStart implements [pgx.ConnectTracer].
func (t *Tracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	return t.all.TraceConnectStart(ctx, data)
}

// TraceConnectEnd implements [pgx.ConnectTracer].
func (t *Tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	t.all.TraceConnectEnd(ctx, data)
}

// acquiredKey marks a connection whose acquisition was hidden: so is its release, which has
// no context.
const acquiredKey = "gqlboost.quiet"

// Acquired takes in that the acquisition of a connection was hidden.
func Acquired(conn *pgx.Conn) { conn.PgConn().CustomData()[acquiredKey] = true }

// TraceRelease implements [pgxpool.ReleaseTracer].
func (t *Tracer) TraceRelease(pool *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if marks := data.Conn.PgConn().CustomData(); marks[acquiredKey] != nil {
		delete(marks, acquiredKey)
		return
	}
	t.all.TraceRelease(pool, data)
}
