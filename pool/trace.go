package pool

import (
	"context"
	"errors"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A gate is a tracer of the pool: so it hears when a connection is opened, when one
// comes back, and when there was none.

var (
	_ pgx.ConnectTracer     = (*gate)(nil)
	_ pgxpool.AcquireTracer = (*gate)(nil)
	_ pgxpool.ReleaseTracer = (*gate)(nil)
)

// TraceQueryStart does nothing.
func (g *gate) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd looks for connections that have failed, and for statements that were
// prepared before the schema changed.
func (g *gate) TraceQueryEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if data.Err == nil {
		return
	}
	if conn.IsClosed() {
		g.failedAt.Store(time.Now().UnixNano())
	}
	if g.prepared != nil {
		g.prepared.failed(conn, data.Err)
	}
}

// connectStart is the key of the time at which a connection was begun.
type connectStart struct{}

// TraceConnectStart waits for what is being closed, and remembers the time.
func (g *gate) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	g.awaitClosed(ctx)
	return context.WithValue(ctx, connectStart{}, time.Now())
}

// TraceConnectEnd counts the connection.
func (g *gate) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if data.Err != nil {
		return
	}
	if start, ok := ctx.Value(connectStart{}).(time.Time); ok {
		g.opening.observe(time.Since(start))
	}
	g.connections(1)
}

// TraceAcquireStart counts those who come past the pool's own methods.
func (g *gate) TraceAcquireStart(
	ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	g.came()
	return g.entered(ctx, pool)
}

// TraceAcquireEnd gives the place back if there was no connection.
func (g *gate) TraceAcquireEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if b, ok := ctx.(*bounded); ok {
		b.stop()
	}
	defer g.traceEnd(callers(ctx), pool, data)
	if g.capacity.Load() > 0 {
		g.went()
	}
	if data.Err != nil {
		g.leave()
		if errors.Is(data.Err, ErrExhausted) {
			g.timeouts.Add(1)
		}
		if isClosed(data.Err) && g.closedWithin != nil {
			g.closedWithin()
		}
		return
	}
	g.took(data.Conn)
}

// took takes in that a connection has a place.
func (g *gate) took(conn *pgx.Conn) {
	g.hands.taken.Add(1)
	if place := placeOf(conn); place != nil {
		place.taken = true
	}
	if g.holders != nil {
		g.holders.took(conn)
	}
}

// TraceRelease gives the place back. Connections that pgxpool gives out all at once have
// none.
func (g *gate) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if place := placeOf(data.Conn); place != nil {
		place.whole, place.within = false, ""
		if !place.taken {
			return
		}
		place.taken, place.fresh = false, false
	}
	if g.holders != nil {
		g.holders.released(data.Conn)
	}
	if g.counting {
		g.uses.Add(1)
	}
	g.hands.returned.Add(1)
	g.leave()
}

// place is what the gate keeps with a connection. Whoever has the connection has it.
type place struct {
	taken   bool
	fresh   bool   // nobody has had it yet
	closing bool   // BeforeClose was called
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
