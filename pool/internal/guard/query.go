package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is a connection, or a transaction that has begun.
type Conn interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// Query runs a statement under a guard. One that only reads costs no round trip more. With
// settings it is a transaction of three: pgx asks about a statement before it sends a batch,
// and what names mean, and who may know it, depends on the settings. See [Guard.QueryKnown].
func (g Guard) Query(ctx context.Context, conn Conn, sql string, args []any) (pgx.Rows, error) {
	if g.Empty() {
		return conn.Query(ctx, sql, args...)
	}
	if g.Settings != nil || HasOptions(args) {
		return g.queryTx(ctx, conn, sql, args)
	}
	b := &pgx.Batch{}
	g.queue(b)
	b.Queue(sql, args...)
	results := conn.SendBatch(ctx, b)
	if _, err := results.Exec(); err != nil {
		_ = results.Close()
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		_ = results.Close()
		return nil, err
	}
	return &closingRows{Rows: rows, close: results.Close}, nil
}

// QueryKnown runs a statement that was described under the same settings, in one round
// trip.
func (g Guard) QueryKnown(ctx context.Context, conn *pgx.Conn, d *pgconn.StatementDescription, sql string, args []any) (pgx.Rows, error) {
	var built pgx.ExtendedQueryBuilder
	if err := built.Build(conn.TypeMap(), d, args); err != nil {
		return nil, err
	}
	var values [][]byte
	for _, arg := range g.Args() {
		values = append(values, []byte(arg))
	}
	p := conn.PgConn().StartPipeline(ctx)
	p.SendQueryParams(g.Shape().Statement(), values, nil, nil, nil)
	p.SendQueryParams(sql, built.ParamValues, d.ParamOIDs, built.ParamFormats, built.ResultFormats)
	err := p.Sync()
	var results *pgconn.ResultReader
	for step := 0; step < 2 && err == nil; step++ {
		var next any
		if next, err = p.GetResults(); err != nil {
			break
		}
		var ok bool
		if results, ok = next.(*pgconn.ResultReader); !ok {
			err = errors.New("pool: unexpected answer to settings")
		} else if step == 0 {
			_, err = results.Close()
		}
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return &closingRows{Rows: pgx.RowsFromResultReader(conn.TypeMap(), results), close: p.Close}, nil
}

func (g Guard) queue(b *pgx.Batch) {
	texts := g.Args()
	args := make([]any, len(texts))
	for i, text := range texts {
		args[i] = text
	}
	b.Queue(g.Shape().Statement(), args...)
}

// HasOptions reports whether the arguments begin with an option of pgx that is not a
// rewriter.
func HasOptions(args []any) bool {
	for _, arg := range args {
		switch arg.(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			return true
		case pgx.QueryRewriter: // Another option may be behind it.
		default:
			return false
		}
	}
	return false
}

// Begin begins a transaction under a guard.
func (g Guard) Begin(ctx context.Context, conn Conn) (pgx.Tx, error) {
	o := pgx.TxOptions{}
	if g.ReadOnly {
		o.AccessMode = pgx.ReadOnly
	}
	if g.Settings != nil {
		o.BeginQuery = g.Settings.Begin(o)
	}
	return conn.BeginTx(ctx, o)
}

func (g Guard) queryTx(ctx context.Context, conn Conn, sql string, args []any) (pgx.Rows, error) {
	tx, err := g.Begin(ctx, conn)
	if err != nil {
		return nil, err
	}
	if g.Settings != nil && g.Settings.Scope != "" {
		// What pgx keeps of the text would be another tenant's next time. An option of the
		// caller's that follows this one counts.
		args = append([]any{pgx.QueryExecModeDescribeExec}, args...)
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return nil, err
	}
	return &txRows{Rows: rows, ctx: ctx, tx: tx}, nil
}

// SendBatch runs a batch under a guard: with settings in a transaction, for the same
// reason as [Guard.Query].
func (g Guard) SendBatch(ctx context.Context, conn Conn, b *pgx.Batch) pgx.BatchResults {
	if g.Empty() {
		return conn.SendBatch(ctx, b)
	}
	if g.Settings != nil {
		tx, err := g.Begin(ctx, conn)
		if err != nil {
			return pgx.FailedBatchResults(b, err)
		}
		return &txBatch{BatchResults: tx.SendBatch(ctx, b), ctx: ctx, tx: tx}
	}
	guarded := &pgx.Batch{}
	g.queue(guarded)
	guarded.QueuedQueries = append(guarded.QueuedQueries, b.QueuedQueries...)
	results := conn.SendBatch(ctx, guarded)
	if _, err := results.Exec(); err != nil {
		_ = results.Close()
		return pgx.FailedBatchResults(b, err)
	}
	return results
}

// closingRows are the last rows of something that must be closed.
type closingRows struct {
	pgx.Rows
	close func() error // the error is that of the rows
}

// Next goes to the next row.
func (r *closingRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close ends the rows, and what they are of.
func (r *closingRows) Close() {
	r.Rows.Close()
	_ = r.close()
}

// txRows are the rows of the only statement of a transaction.
type txRows struct {
	pgx.Rows
	ctx    context.Context
	tx     pgx.Tx
	err    error // of the commit
	closed bool
}

// Next goes to the next row.
func (t *txRows) Next() bool {
	if t.Rows.Next() {
		return true
	}
	t.Close()
	return false
}

// Close ends the rows and the transaction.
func (t *txRows) Close() {
	t.Rows.Close()
	if t.closed {
		return
	}
	t.closed = true
	if t.Rows.Err() != nil {
		_ = t.tx.Rollback(context.WithoutCancel(t.ctx))
		return
	}
	if err := t.tx.Commit(t.ctx); err != nil {
		t.err = fmt.Errorf("pool: ending the transaction of the settings: %w", err)
	}
}

// Err returns the error of the statement, or else of its transaction.
func (t *txRows) Err() error {
	if err := t.Rows.Err(); err != nil {
		return err
	}
	return t.err
}

// txBatch is the results of a batch that has a transaction for itself.
type txBatch struct {
	pgx.BatchResults
	ctx    context.Context
	tx     pgx.Tx
	closed bool
}

// Close ends the batch and its transaction.
func (t *txBatch) Close() error {
	err := t.BatchResults.Close()
	if t.closed {
		return err
	}
	t.closed = true
	if err != nil {
		_ = t.tx.Rollback(context.WithoutCancel(t.ctx))
		return err
	}
	return t.tx.Commit(t.ctx)
}

// CheckBatch returns why a batch cannot have the settings.
func (s *Settings) CheckBatch(b *pgx.Batch) error {
	if s.Err != nil {
		return s.Err
	}
	if len(b.QueuedQueries) > 0 && sqltext.FirstWord(b.QueuedQueries[0].SQL) == "begin" {
		return errors.New("pool: a batch that begins its own transaction cannot have settings: use Pool.Begin")
	}
	return nil
}
