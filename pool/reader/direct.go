package reader

import (
	"context"
	"errors"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// directGuard returns what a transaction on one of the pool's connections begins with. Their
// sessions may write, so the transaction is made read-only, unless nothing that the statement
// calls can write.
func (b *backend) directGuard(c *call) guard.Guard {
	r := b.reader
	return guard.Guard{
		Settings: c.settings, Accepted: &r.accepted, ReadOnly: c.settings != nil || c.stale > 0 || !c.harmless(),
		Mode: b.mode, Prepared: b.prepared, Replayed: c.position(b),
		Transaction: c.statement != nil && c.statement.named, Overtaken: c.stale > 0,
	}
}

// harmless reports whether nothing that a call's statement calls can write.
func (c *call) harmless() bool {
	if c.statement == nil {
		return false
	}
	d := c.statement.known()
	return d != nil && d.harmless
}

// direct runs a statement, which counts as running, on a connection of the pool's.
func (b *backend) direct(c *call) (pgx.Rows, error) {
	r := b.reader
	r.counters.direct.Add(1)
	reached := false
	defer func() { // also where a tracer panics
		if !reached {
			b.running.Add(-1)
		}
	}()
	conn, err := b.server.Acquire(c.ctx)
	reached = err == nil
	c.reached, c.lost = reached, false
	if err != nil {
		return nil, err
	}
	c.direct = directRows{backend: b, call: c, conn: conn, start: r.now()}
	d := &c.direct
	done := false
	defer func() {
		if !done && d.conn != nil { // An argument has panicked, or a tracer: maybe while there was none.
			guard.Abort(d.conn.Conn())
			d.release()
		}
	}()
	if c.rewriter != nil {
		err = d.rewrite()
	}
	if err == nil {
		err = d.run()
	}
	if err != nil && !d.retry(err) {
		done = true
		c.lost = d.conn == nil || d.conn.Conn().IsClosed()
		d.release()
		return nil, err
	}
	done = true
	return d, nil
}

// rewrite makes the text with a rewriter that needs a connection.
func (d *directRows) rewrite() error {
	if err := d.call.rewriteOn(d.conn.Conn()); err != nil {
		return err
	}
	return d.backend.reader.identify(d.call)
}

// directRows are rows with a connection, which they give back.
type directRows struct {
	pgx.Rows
	backend *backend
	call    *call
	conn    *pgxpool.Conn
	start   int64
	size    int
	begun   bool // there was a row
	whole   bool // all rows were read
	ended   bool
	// canceled is whether the caller has asked Postgres to end it.
	canceled bool
	// remembered is whether it ran by what was known of it, here or by pgx.
	remembered bool
}

// run runs the statement.
func (d *directRows) run() error {
	c := d.call
	c.runs++
	g := d.backend.directGuard(c)
	ctx := c.ctx
	c.trace.begin(ctx, d.conn.Conn()) // pgx would report several statements.
	ctx = c.trace.quiet(ctx)
	var rows pgx.Rows
	var err error
	known := c.described(d.backend.reader.mode)
	d.remembered = known != nil && !g.Transaction && !g.Overtaken
	if d.remembered && !g.Empty() {
		rows, err = g.QueryKnown(ctx, d.conn.Conn(), known.StatementDescription, c.sql, c.args)
	} else {
		rows, err = g.Query(ctx, d.conn.Conn(), c.sql, c.args)
	}
	if err != nil {
		return err
	}
	d.Rows = rows
	return nil
}

// described returns what is known of a call's statement, if its arguments fit and pgx
// would ask for it.
func (c *call) described(mode pgx.QueryExecMode) *description {
	if c.statement == nil || c.options > 0 || mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol {
		return nil
	}
	if d := c.statement.known(); d != nil && len(d.ParamOIDs) == len(c.args) {
		return d
	}
	return nil
}

func (d *directRows) end() {
	if d.ended {
		return
	}
	d.ended = true
	r := d.backend.reader
	took := time.Duration(r.now() - d.start)
	err := d.Rows.Err()
	if s := d.call.statement; s != nil {
		var e *pgconn.PgError // An error of Scan is no failure of the statement, nor is what its caller has canceled.
		s.ended(errors.As(err, &e) && !d.canceled)
		if err == nil {
			s.observeAlone(took)
			if large := d.size > r.config.MaxHeld; large || d.whole {
				s.large.Store(large)
			}
		}
	}
	if err == nil {
		d.backend.lower(took)
	}
	d.release()
	_ = d.call.trace.end(d.Rows.CommandTag(), err)
}

// Conn returns nil, as the rows of a shared connection do: what works for rows of the one must
// work for those of the other.
func (d *directRows) Conn() *pgx.Conn { return nil }

// CancelRequest asks Postgres to end the statement. An encoder that fails calls it before Close, which
// would read all rows. Where the statement's context has ended, Close reads none, and pgx cancels.
func (d *directRows) CancelRequest(ctx context.Context) error {
	if conn := d.connection(); conn != nil && d.call.ctx.Err() == nil {
		d.canceled = true
		return conn.PgConn().CancelRequest(ctx)
	}
	return nil
}

// Next goes to the next row.
func (d *directRows) Next() bool {
	if d.ended {
		return false
	}
	if d.advance() {
		for _, v := range d.Rows.RawValues() {
			d.size += len(v) + 4 // as held rows count
		}
		return true
	}
	d.whole = true
	d.end()
	return false
}

// advance goes to the next row. Before the first it may run the query again.
func (d *directRows) advance() bool {
	for {
		next := d.Rows.Next()
		if next || d.Rows.Err() == nil {
			d.begun = true
			return next
		}
		if !d.retry(d.Rows.Err()) {
			return false
		}
	}
}

// retry runs the query once more if [directRows.again] says so, and reports whether there
// are new rows.
func (d *directRows) retry(err error) bool {
	c := d.call
	var e *pgconn.PgError
	if errors.As(err, &e) && (Stale(e) || d.remembered && maybeOutdated(e)) && c.statement != nil {
		if Stale(e) && e != guard.ErrChanged || e.Position > 0 { // A place in the text: it was not understood.
			c.runs-- // Postgres has not begun it.
		}
		c.stale++
		if known := c.statement.known(); known != nil {
			known.stale.Store(true)
		}
	}
	if e != nil && unserved(e) && d.backend != d.backend.reader.backends[0] {
		c.runs-- // The replica is down. The primary is asked once.
	}
	switch d.again(err) {
	case sameConn:
		if d.Rows != nil {
			d.Rows.Close()
		}
		if e != nil && e.Code == "26000" {
			guard.Forget(d.conn.Conn()) // Somebody has deallocated what was prepared.
		}
		if d.backend.pooled {
			_ = d.conn.Conn().DeallocateAll(quiet.Context(c.ctx)) // Descriptions pgx does not forget by itself.
		}
	case fromPrimary:
		if d.Rows != nil {
			d.Rows.Close()
		}
		// Its place goes first: all who have one may wait for another.
		d.release()
		primary := d.backend.reader.backends[0]
		conn, err := primary.server.Acquire(c.ctx)
		if err != nil {
			return false
		}
		d.backend, d.conn = primary, conn
		primary.running.Add(1)
		primary.reader.counters.lost.Add(1)
	default:
		return false
	}
	return d.run() == nil
}

// connection returns the rows' own, nil when they have ended.
func (d *directRows) connection() *pgx.Conn {
	if d.conn == nil {
		return nil
	}
	return d.conn.Conn()
}

// release gives the connection back, if there is one.
func (d *directRows) release() {
	if d.conn != nil {
		d.backend.server.Release(d.conn)
		d.conn = nil
		d.backend.running.Add(-1)
	}
}

// Close ends the rows.
func (d *directRows) Close() {
	if d.ended { // The connection may be somebody else's by now.
		return
	}
	defer func() { // also where a tracer or OnNotice panics
		d.ended = true
		d.release()
	}()
	d.Rows.Close()
	d.end()
}

// Scan stores the values of the row.
func (d *directRows) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok { // It may ask for the rows.
			err := s.ScanRow(d)
			if err != nil {
				d.Close()
			}
			return err
		}
	}
	err := d.Rows.Scan(dest...)
	if err != nil {
		d.Close()
	}
	return err
}

// Values returns the values of the row.
func (d *directRows) Values() ([]any, error) {
	if !d.begun && !d.ended {
		d.Close()
		return nil, guard.ErrBeforeNext
	}
	values, err := d.Rows.Values()
	if err != nil {
		d.Close()
	}
	return values, err
}
