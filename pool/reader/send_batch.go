package reader

import (
	"context"
	"errors"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/result"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sendBatch runs a batch on a connection of the pool's, in a transaction that only reads.
func (r *Reader) sendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	c := &call{ctx: ctx}
	if len(r.backends) > 1 {
		r.follow(c)
	}
	for {
		to := r.pick(c)
		conn, err := to.server.Acquire(ctx)
		c.reached, c.lost = err == nil, false
		if err == nil {
			b := &batchResults{reader: r, ctx: ctx, batch: batch}
			if err = b.send(to, conn, c.position(to)); err == nil {
				return b
			}
			c.lost = conn.Conn().IsClosed()
			to.server.Release(conn)
		}
		if !r.elsewhere(c, to, err) {
			return pgx.FailedBatchResults(batch, err)
		}
	}
}

// batchResults are the results of a batch that give their connection back. Until anybody has
// seen one of them, the batch may run again.
type batchResults struct {
	pgx.BatchResults // of the last run
	reader           *Reader
	ctx              context.Context
	batch            *pgx.Batch
	backend          *backend
	conn             *pgxpool.Conn // nil: it was given back, or there was none for another run
	runs             int
	begun            bool // somebody has seen a result
	closed           bool
	err              error // of Close
}

// send runs the batch on a connection of a server that must have replayed a position, or fails with
// [guard.ErrBehind]. What pgx calls for the first result does not see that a
// run has failed after which there is another one.
func (b *batchResults) send(to *backend, conn *pgxpool.Conn, replayed uint64) (err error) {
	b.backend, b.conn = to, conn
	b.runs++
	b.reader.counters.direct.Add(uint64(b.batch.Len()))
	own := &pgx.Batch{} // pgx changes what it sends.
	for i, q := range b.batch.QueuedQueries {
		query := own.Queue(q.SQL, q.Arguments...)
		switch {
		case q.Fn != nil:
			query.Fn = func(pgx.BatchResults) error { return q.Fn(b) }
		case i == 0:
			query.Fn = func(pgx.BatchResults) error {
				_, _ = b.Exec() // pgx keeps the error, or not.
				return nil
			}
		}
	}
	g := guard.Guard{Settings: guard.From(b.ctx), Accepted: &b.reader.accepted, ReadOnly: true, Mode: to.mode,
		Replayed: replayed}
	done := false
	defer func() {
		if !done { // An argument has panicked, or a tracer.
			guard.Abort(conn.Conn())
			b.release()
		}
	}()
	b.BatchResults, err = g.SendBatch(b.ctx, conn.Conn(), own, b.reader.checkQueued)
	done = true
	return err
}

// release gives the connection back, if there is one.
func (b *batchResults) release() {
	if b.conn != nil {
		b.backend.server.Release(b.conn)
		b.conn = nil
	}
}

// retry runs the batch once more if [batchResults.again] says so, and reports whether it does.
func (b *batchResults) retry(err error) bool {
	if !b.again(err) {
		return false
	}
	_ = b.BatchResults.Close()
	b.release() // All who have a connection may wait for another.
	primary := b.reader.backends[0]
	conn, err := primary.server.Acquire(b.ctx)
	if err != nil {
		return false
	}
	b.reader.counters.lost.Add(uint64(b.batch.Len()))
	return b.send(primary, conn, 0) == nil
}

// Exec reads the next result.
func (b *batchResults) Exec() (pgconn.CommandTag, error) {
	tag, err := b.BatchResults.Exec()
	for err != nil && b.retry(err) {
		tag, err = b.BatchResults.Exec()
	}
	b.begun = true
	return tag, err
}

// Query returns the next result. The first row of the first one is read before anybody sees it.
func (b *batchResults) Query() (pgx.Rows, error) {
	rows, err, failed := b.query()
	for failed != nil && b.retry(failed) {
		rows, err, failed = b.query()
	}
	b.begun = true
	return rows, err
}

// query returns rows and error as pgx does, and the error that the rows begin with.
func (b *batchResults) query() (rows pgx.Rows, err, failed error) {
	rows, err = b.BatchResults.Query()
	if err != nil || b.begun {
		return rows, err, err
	}
	peeked := &peekedRows{Rows: rows, peeked: true, next: rows.Next()}
	if !peeked.next {
		failed = rows.Err()
	}
	return peeked, nil, failed
}

// QueryRow returns the next result's first row.
func (b *batchResults) QueryRow() pgx.Row {
	begun := b.begun
	rows, err := b.Query()
	row := result.Row{Rows: rows, Err: err}
	if begun {
		return row
	}
	return first{Row: row, batch: b}
}

// Close ends the batch.
func (b *batchResults) Close() error {
	if b.closed {
		return b.err
	}
	done := false
	defer func() {
		if done {
			return
		}
		b.closed, b.err = true, errCallback
		if b.conn != nil { // It is in the middle of something.
			guard.Abort(b.conn.Conn())
			b.release()
		}
	}()
	for run := 0; run < b.runs; { // pgx calls callbacks, during which the batch may run again.
		run = b.runs
		if b.err = b.BatchResults.Close(); b.err != nil && run == b.runs {
			b.retry(b.err) // It may have failed before the first callback.
		}
	}
	done, b.closed = true, true
	b.release()
	return b.err
}

// errCallback is the error of a batch whose Close did not return.
var errCallback = errors.New("pool: a callback of the batch has panicked")

// peekedRows are rows whose first one was read in advance.
type peekedRows struct {
	pgx.Rows
	peeked, next bool
}

// Next goes to the next row.
func (r *peekedRows) Next() bool {
	if r.peeked {
		r.peeked = false
		return r.next
	}
	return r.Rows.Next()
}
