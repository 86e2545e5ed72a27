package pool

import (
	"context"
	"errors"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// An admission is a tracer of the pool: so it is told when a connection is opened, when one
// comes back, and when there was none.

var (
	_ pgx.BatchTracer       = (*admission)(nil)
	_ pgx.CopyFromTracer    = (*admission)(nil)
	_ pgx.ConnectTracer     = (*admission)(nil)
	_ pgxpool.AcquireTracer = (*admission)(nil)
	_ pgxpool.ReleaseTracer = (*admission)(nil)
)

// TraceQueryStart does nothing.
func (a *admission) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd looks for connections that have failed, and for statements that were
// prepared before the schema changed.
func (a *admission) TraceQueryEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	a.failed(conn, data.Err)
}

// TraceBatchStart does nothing.
func (a *admission) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery does what TraceQueryEnd does.
func (a *admission) TraceBatchQuery(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	a.failed(conn, data.Err)
}

// TraceBatchEnd does what TraceQueryEnd does.
func (a *admission) TraceBatchEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	a.failed(conn, data.Err)
}

// TraceCopyFromStart does nothing.
func (a *admission) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return ctx
}

// TraceCopyFromEnd does what TraceQueryEnd does.
func (a *admission) TraceCopyFromEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	a.failed(conn, data.Err)
}

// failed takes in the error of a statement, if there is one.
func (a *admission) failed(conn *pgx.Conn, err error) {
	if err == nil {
		return
	}
	if conn.IsClosed() {
		a.failedAt.Store(time.Now().UnixNano())
	}
	if a.prepared != nil {
		a.prepared.failed(conn, err)
	}
}

// connectStart is the key of the time at which a connection was begun.
type connectStart struct{}

// TraceConnectStart waits for what is being closed, or for a place of the lease, and remembers the time.
func (a *admission) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	if a.gate != nil {
		ctx = a.gate.enter(ctx)
	} else {
		a.awaitClosed(ctx)
	}
	return context.WithValue(ctx, connectStart{}, time.Now())
}

// TraceConnectEnd counts the connection.
func (a *admission) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if a.gate != nil {
		var backend uint32
		if data.Err == nil {
			backend = data.Conn.PgConn().PID()
		}
		a.gate.opened(ctx, backend)
	}
	if data.Err != nil {
		return
	}
	if start, ok := ctx.Value(connectStart{}).(time.Time); ok {
		a.opening.observe(time.Since(start))
	}
	a.connections(1)
}

// TraceAcquireStart counts those who come past the pool's own methods.
func (a *admission) TraceAcquireStart(
	ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	a.came()
	return a.entered(ctx, pool)
}

// TraceAcquireEnd gives the place back if there was no connection.
func (a *admission) TraceAcquireEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if b, ok := ctx.(*bounded); ok {
		b.stop()
	}
	defer a.traceEnd(callers(ctx), pool, data)
	if a.capacity.Load() > 0 {
		a.went()
	}
	if data.Err != nil {
		a.leave()
		if errors.Is(data.Err, ErrExhausted) {
			a.timeouts.Add(1)
		}
		if isClosed(data.Err) && a.closedWithin != nil {
			a.closedWithin()
		}
		return
	}
	if data.Conn == nil { // A hook has called Goexit. To pgxpool, the connection stays in use.
		a.hands.taken.Add(1)
		return
	}
	a.took(data.Conn)
}

// took takes in that a connection has a place.
func (a *admission) took(conn *pgx.Conn) {
	a.hands.taken.Add(1)
	if place := placeOf(conn); place != nil {
		place.taken = true
	}
	if a.holders != nil {
		a.holders.took(conn)
	}
}

// TraceRelease gives the place back. Connections that pgxpool gives out all at once have
// none.
func (a *admission) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if place := placeOf(data.Conn); place != nil {
		place.whole, place.within = false, ""
		if !place.taken {
			return
		}
		place.taken, place.fresh = false, false
	}
	if a.holders != nil {
		a.holders.released(data.Conn)
	}
	if a.adaptive {
		a.uses.Add(1)
	}
	a.hands.returned.Add(1)
	a.leave()
}

// place holds what the admission keeps with a connection. It belongs to the connection's
// owner.
type place struct {
	taken   bool
	fresh   bool   // nobody has had it yet
	closing bool   // BeforeClose was called
	stale   bool   // a statement was prepared before the schema changed
	whole   bool   // a caller has it as a whole, or a transaction on it
	within  string // the settings of that transaction, by their ID; "": it has none
}

const placeKey = "gqlboost.place"

func placeOf(conn *pgx.Conn) *place {
	p, _ := conn.PgConn().CustomData()[placeKey].(*place)
	return p
}

// markWhole takes in that a caller has a connection as a whole, until it is released.
func markWhole(conn *pgx.Conn) { markTx(conn, nil) }

// markTx takes in that a caller has a transaction on it, which has these settings.
func markTx(conn *pgx.Conn, s *guard.Settings) {
	if place := placeOf(conn); place != nil {
		place.whole, place.within = true, ""
		if s != nil {
			place.within = s.ID
		}
	}
}
