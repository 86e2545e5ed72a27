package pool

import (
	"context"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ownTx is a transaction with settings on which it depends what statements mean. What pgx has prepared
// for others is not used in it, nor is what it prepares by others.
type ownTx struct {
	pgx.Tx
	settings *guard.Settings
}

// Begin begins a part of the transaction.
func (t *ownTx) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &ownTx{tx, t.settings}, nil
}

// Exec runs a statement.
func (t *ownTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(ctx, sql, t.settings.Apart(args)...)
}

// Query runs a statement.
func (t *ownTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(ctx, sql, t.settings.Apart(args)...)
}

// QueryRow runs a statement.
func (t *ownTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.Tx.QueryRow(ctx, sql, t.settings.Apart(args)...)
}

// SendBatch runs a batch.
func (t *ownTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if b != nil {
		t.settings.ApartBatch(b)
	}
	return t.Tx.SendBatch(ctx, b)
}
