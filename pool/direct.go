package pool

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// directRows give their connection back.
type directRows struct {
	pgx.Rows
	target    *target
	ctx       context.Context // of the query
	conn      *pgxpool.Conn
	statement *statement
	args      []any
	start     int64
	size      int
	begun     bool // there was a row, or the statement has been run again
	ended     bool
}

func (d *directRows) end() {
	if d.ended {
		return
	}
	d.ended = true
	r := d.target.reader
	took := time.Duration(r.now() - d.start)
	d.statement.ended(d.Rows.Err() != nil)
	if d.Rows.Err() == nil {
		d.statement.observeAlone(took)
		d.target.lower(took)
		d.statement.large.Store(d.size > r.config.MaxHeld)
	}
	d.release()
}

// Next goes to the next row.
func (d *directRows) Next() bool {
	if d.advance() {
		for _, v := range d.Rows.RawValues() {
			d.size += len(v)
		}
		return true
	}
	d.end()
	return false
}

// advance goes to the next row. Before the first it may run the query again.
func (d *directRows) advance() bool {
	next := d.Rows.Next()
	if next || d.begun || d.Rows.Err() == nil {
		d.begun = true
		return next
	}
	if rows := d.again(d.Rows.Err()); rows != nil {
		d.Rows = rows
		return rows.Next()
	}
	return false
}

// again runs the query once more, if it has failed for one of these reasons: the
// connection had prepared it before the schema changed, which pgx has forgotten now,
// or the connection or its server is lost.
func (d *directRows) again(err error) pgx.Rows {
	if d.begun || d.ctx.Err() != nil {
		return nil
	}
	d.begun = true
	t := d.target
	var e *pgconn.PgError
	if errors.As(err, &e) && stale(e.Code, e.Message) {
		if t.reader.config.TransactionPooling {
			_ = d.conn.Conn().DeallocateAll(d.ctx) // Descriptions pgx does not forget by itself.
		}
		if rows, err := t.query(d.ctx, d.conn, d.statement.sql, d.args); err == nil {
			return rows
		}
		return nil
	}
	if !t.lost(d.conn, err) {
		return nil
	}
	// Its place goes first: all who have one may wait for another.
	d.release()
	primary := t.reader.targets[0]
	conn, err := primary.direct.Acquire(d.ctx)
	if err != nil {
		return nil
	}
	d.target, d.conn = primary, conn
	primary.running.Add(1)
	t.reader.counters.lost.Add(1)
	rows, err := primary.query(d.ctx, conn, d.statement.sql, d.args)
	if err != nil {
		return nil
	}
	return rows
}

// release gives the connection back, if there is one.
func (d *directRows) release() {
	if d.conn != nil {
		d.conn.Release()
		d.conn = nil
		d.target.running.Add(-1)
	}
}

// Close ends the rows.
func (d *directRows) Close() {
	if !d.ended { // The connection may be somebody else's by now.
		d.Rows.Close()
		d.end()
	}
}

// Scan stores the values of the row.
func (d *directRows) Scan(dest ...any) error {
	err := d.Rows.Scan(dest...)
	if err != nil {
		d.Close()
	}
	return err
}

// Values returns the values of the row.
func (d *directRows) Values() ([]any, error) {
	values, err := d.Rows.Values()
	if err != nil {
		d.Close()
	}
	return values, err
}
