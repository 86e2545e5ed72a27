package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/result"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/puddle/v2"
)

// What takes a connection goes through admission. It is left when the connection is
// released, or none was available. With settings in the context (reader.WithSettings)
// what runs does so in a transaction of its own that has them, or is refused.

// enter waits for a place, first or after others. With the context that it returns pgxpool must
// be asked for a connection.
func (p *Pool) enter(ctx context.Context, urgent bool) (context.Context, error) {
	enter := p.admission.enter
	switch {
	case ctx == nil:
		return nil, guard.ErrNoContext
	case p.closed.Load():
		enter = refuseClosed
	case urgent:
		enter = p.admission.enterFirst
	}
	return p.admission.follow(ctx, p.Pool, enter)
}

func refuseClosed(context.Context) error { return ErrClosed }

// failed returns the error of pgxpool as the pool's.
func failed(err error) error {
	if isClosed(err) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// acquire returns a connection, whatever the settings of the context.
func (p *Pool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	entered, err := p.enter(ctx, false)
	if err != nil {
		return nil, err
	}
	conn, err := p.Pool.Acquire(entered)
	return conn, failed(err)
}

// take returns a connection, also while the pool is being closed: the Reader's statements end
// before.
func (p *Pool) take(ctx context.Context, enter func(context.Context) error) (*pgxpool.Conn, error) {
	entered, err := p.admission.follow(ctx, p.Pool, enter)
	if err != nil {
		return nil, err
	}
	conn, err := p.Pool.Acquire(entered)
	return conn, failed(err)
}

// isClosed reports whether pgxpool was closed.
func isClosed(err error) bool { return errors.Is(err, puddle.ErrClosedPool) }

// Acquire is [pgxpool.Pool.Acquire]. A context with settings is refused, here and by the
// connection: use [Pool.Begin].
func (p *Pool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if err := refuseSettings(ctx, "Acquire"); err != nil {
		return nil, err
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	markWhole(conn.Conn())
	return conn, nil
}

// AcquireFunc is [pgxpool.Pool.AcquireFunc]. A context with settings is refused, here and by
// the connection: use [Pool.Begin].
func (p *Pool) AcquireFunc(ctx context.Context, f func(*pgxpool.Conn) error) error {
	if err := refuseSettings(ctx, "AcquireFunc"); err != nil {
		return err
	}
	conn, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return f(conn)
}

// AcquireAllIdle is [pgxpool.Pool.AcquireAllIdle].
func (p *Pool) AcquireAllIdle(ctx context.Context) []*pgxpool.Conn {
	conns := p.Pool.AcquireAllIdle(ctx)
	p.admission.inside.Add(int64(len(conns)))
	for _, c := range conns {
		p.admission.took(c.Conn())
		markWhole(c.Conn())
	}
	return conns
}

// Query is [pgxpool.Pool.Query].
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := p.query(ctx, guard.From(ctx), sql, args)
	if err != nil {
		return result.Failed{Error: err}, err
	}
	return rows, nil
}

// QueryRow is [pgxpool.Pool.QueryRow].
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := p.Query(ctx, sql, args...)
	return result.Row{Rows: rows, Err: err}
}

// Exec is [pgxpool.Pool.Exec]. With settings in the context it takes one statement at a time.
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if s := guard.From(ctx); s != nil {
		rows, err := p.query(ctx, s, sql, args)
		if err != nil {
			return pgconn.CommandTag{}, err
		}
		rows.Close()
		return rows.CommandTag(), rows.Err()
	}
	entered, err := p.enter(ctx, false)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := p.Pool.Exec(entered, sql, args...)
	return tag, failed(err)
}

// SendBatch is [pgxpool.Pool.SendBatch].
func (p *Pool) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if b == nil { // pgx would panic with a connection that nobody gives back.
		return pgx.FailedBatchResults(&pgx.Batch{}, errors.New("pool: the batch is nil"))
	}
	s := guard.From(ctx)
	if s != nil {
		if err := s.CheckBatch(b, p.config.ConnConfig.DefaultQueryExecMode); err != nil {
			return pgx.FailedBatchResults(b, err)
		}
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	done := false
	defer dropUnless(&done, conn)
	mode := p.config.ConnConfig.DefaultQueryExecMode
	check := func(sql string) error { return guard.CheckText(sql, mode) }
	results, _ := p.guard(s).SendBatch(ctx, conn.Conn(), b, check) // The error is of positions, and there is none.
	done = true
	if tx := results.Tx(); tx != nil {
		markWhole(conn.Conn())
		return &txBatchResults{results, &batchTx{tx, conn}}
	}
	return &batchResults{results, conn}
}

// Begin is [pgxpool.Pool.Begin].
func (p *Pool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is [pgxpool.Pool.BeginTx]. It waits for a connection before others than
// transactions do. The settings of its context hold to the end of the transaction, which
// refuses statements of a context with others, and may be of another type than *pgxpool.Tx.
func (p *Pool) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	s := guard.From(ctx)
	if s != nil && s.Err != nil {
		return nil, s.Err
	}
	entered, err := p.enter(ctx, true)
	if err != nil {
		return nil, err
	}
	var tx pgx.Tx
	if s != nil {
		tx, err = s.BeginTx(entered, &p.accepted, o, p.Pool.BeginTx)
	} else {
		tx, err = p.Pool.BeginTx(entered, o)
	}
	if err != nil {
		return nil, failed(err)
	}
	markTx(tx.Conn(), s)
	if s != nil && s.Scope != "" {
		return &ownTx{tx, s}, nil
	}
	return tx, nil
}

// CopyFrom is [pgxpool.Pool.CopyFrom]. A source that panics is an error; a method of a value that panics
// ends the process, as with pgx, which encodes values on a goroutine of its own.
func (p *Pool) CopyFrom(
	ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource,
) (int64, error) {
	if source == nil { // A goroutine of pgx's would panic.
		return 0, errors.New("pool: the source of CopyFrom is nil")
	}
	own := &copySource{CopyFromSource: source}
	n, err := p.copyFrom(ctx, table, columns, own)
	if own.panicked != nil {
		return n, own.panicked
	}
	return n, err
}

func (p *Pool) copyFrom(
	ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource,
) (int64, error) {
	if guard.From(ctx) != nil {
		var n int64
		err := pgx.BeginFunc(ctx, p, func(tx pgx.Tx) (err error) {
			n, err = tx.CopyFrom(ctx, table, columns, source)
			return err
		})
		return n, err
	}
	entered, err := p.enter(ctx, false)
	if err != nil {
		return 0, err
	}
	n, err := p.Pool.CopyFrom(entered, table, columns, source)
	return n, failed(err)
}

// Ping is [pgxpool.Pool.Ping]. It waits for a connection before queries do.
func (p *Pool) Ping(ctx context.Context) error {
	entered, err := p.enter(ctx, true)
	if err != nil {
		return err
	}
	return failed(p.Pool.Ping(entered))
}

func (p *Pool) guard(s *guard.Settings) guard.Guard {
	return guard.Guard{Settings: s, Accepted: &p.accepted, Mode: p.config.ConnConfig.DefaultQueryExecMode}
}

// query runs a statement, with settings if there are any.
func (p *Pool) query(ctx context.Context, s *guard.Settings, sql string, args []any) (pgx.Rows, error) {
	if s != nil {
		if s.Err != nil {
			return nil, s.Err
		}
		var err error
		if args, err = guard.CheckQuery(sql, args, p.config.ConnConfig.DefaultQueryExecMode); err != nil {
			return nil, err
		}
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	done := false
	defer dropUnless(&done, conn)
	rows, err := p.guard(s).Query(ctx, conn.Conn(), sql, args)
	done = true
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &rowsOf{Rows: rows, conn: conn}, nil
}

// dropUnless is deferred. It closes a connection and gives it back unless what was done with it has
// returned: a method of an argument or a callback has panicked, maybe within a transaction.
func dropUnless(done *bool, conn *pgxpool.Conn) {
	if !*done {
		guard.Abort(conn.Conn())
		conn.Release()
	}
}

// rowsOf are the rows of a connection, which they give back.
type rowsOf struct {
	pgx.Rows
	conn *pgxpool.Conn // nil once the rows are closed
}

// Next goes to the next row.
func (r *rowsOf) Next() bool {
	next := r.Rows.Next()
	if !next {
		r.Close()
	}
	return next
}

// Scan stores the values of the row.
func (r *rowsOf) Scan(dest ...any) error {
	err := r.Rows.Scan(dest...)
	if err != nil {
		r.Close()
	}
	return err
}

// Values returns the values of the row.
func (r *rowsOf) Values() ([]any, error) {
	values, err := r.Rows.Values()
	if err != nil {
		r.Close()
	}
	return values, err
}

// Close ends the rows.
func (r *rowsOf) Close() {
	conn := r.conn
	if conn == nil {
		return
	}
	r.conn = nil
	defer conn.Release() // also where a tracer or OnNotice panics
	r.Rows.Close()
}

// batchResults give their connection back.
type batchResults struct {
	pgx.BatchResults
	conn *pgxpool.Conn // nil once it was closed
}

// Close ends the batch. Where a callback of it panics, the connection is in the middle of something.
func (b *batchResults) Close() error {
	conn := b.conn
	if conn == nil {
		return b.BatchResults.Close()
	}
	b.conn = nil
	done := false
	defer dropUnless(&done, conn)
	err := b.BatchResults.Close()
	done = true
	conn.Release()
	return err
}

// txBatchResults are those of a batch that has begun a transaction, which has the
// connection.
type txBatchResults struct {
	pgx.BatchResults
	tx *batchTx
}

// Tx returns the transaction.
func (b *txBatchResults) Tx() pgx.Tx { return b.tx }

// batchTx gives its connection back when it ends.
type batchTx struct {
	pgx.Tx
	conn *pgxpool.Conn
}

// Commit ends the transaction.
func (t *batchTx) Commit(ctx context.Context) error {
	defer t.conn.Release()
	return t.Tx.Commit(ctx)
}

// Rollback ends the transaction.
func (t *batchTx) Rollback(ctx context.Context) error {
	defer t.conn.Release()
	return t.Tx.Rollback(ctx)
}
