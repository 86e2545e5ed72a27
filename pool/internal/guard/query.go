package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/jackc/pgx/v5"
)

// Conn is a connection, or a transaction that has begun.
type Conn interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// Query runs a statement under a guard, in one round trip, unless the arguments begin
// with options of pgx, which a batch does not take: then in a transaction of three.
func (g Guard) Query(ctx context.Context, conn Conn, sql string, args []any) (pgx.Rows, error) {
	if g.Empty() {
		return conn.Query(ctx, sql, args...)
	}
	if HasOptions(args) {
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
	return &batchRows{Rows: rows, results: results}, nil
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
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return nil, err
	}
	return &txRows{Rows: rows, ctx: ctx, tx: tx}, nil
}

// SendBatch runs a batch under a guard.
func (g Guard) SendBatch(ctx context.Context, conn Conn, b *pgx.Batch) pgx.BatchResults {
	if g.Empty() {
		return conn.SendBatch(ctx, b)
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

// batchRows are the last rows of a batch.
type batchRows struct {
	pgx.Rows
	results pgx.BatchResults
}

// Next goes to the next row.
func (b *batchRows) Next() bool {
	if b.Rows.Next() {
		return true
	}
	b.Close()
	return false
}

// Close ends the rows and the batch.
func (b *batchRows) Close() {
	b.Rows.Close()
	_ = b.results.Close() // Its error is that of the rows.
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
