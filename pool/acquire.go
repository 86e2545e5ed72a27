package pool

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// What takes a connection goes through the gate. It is left when the connection is
// released, or was not to be had.

// Acquire is [pgxpool.Pool.Acquire].
func (p *Pool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if err := p.gate.enter(ctx); err != nil {
		return nil, err
	}
	return p.Pool.Acquire(ctx)
}

// AcquireFunc is [pgxpool.Pool.AcquireFunc].
func (p *Pool) AcquireFunc(ctx context.Context, f func(*pgxpool.Conn) error) error {
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
	p.gate.inside.Add(int64(len(conns)))
	return conns
}

// Query is [pgxpool.Pool.Query].
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := p.gate.enter(ctx); err != nil {
		return failedRows{err}, err
	}
	return p.Pool.Query(ctx, sql, args...)
}

// QueryRow is [pgxpool.Pool.QueryRow].
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := p.gate.enter(ctx); err != nil {
		return row{err: err}
	}
	return p.Pool.QueryRow(ctx, sql, args...)
}

// Exec is [pgxpool.Pool.Exec].
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := p.gate.enter(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return p.Pool.Exec(ctx, sql, args...)
}

// SendBatch is [pgxpool.Pool.SendBatch].
func (p *Pool) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := p.gate.enter(ctx); err != nil {
		return failedBatch{err}
	}
	return p.Pool.SendBatch(ctx, b)
}

// Begin is [pgxpool.Pool.Begin].
func (p *Pool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is [pgxpool.Pool.BeginTx]. It waits for a connection before others than
// transactions do.
func (p *Pool) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	if err := p.gate.enterFirst(ctx); err != nil {
		return nil, err
	}
	return p.Pool.BeginTx(ctx, o)
}

// CopyFrom is [pgxpool.Pool.CopyFrom].
func (p *Pool) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if err := p.gate.enter(ctx); err != nil {
		return 0, err
	}
	return p.Pool.CopyFrom(ctx, table, columns, source)
}

// Ping is [pgxpool.Pool.Ping]. It waits for a connection before queries do.
func (p *Pool) Ping(ctx context.Context) error {
	if err := p.gate.enterFirst(ctx); err != nil {
		return err
	}
	return p.Pool.Ping(ctx)
}

// failedBatch is the results of a batch that was not sent.
type failedBatch struct{ err error }

func (f failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }
func (f failedBatch) Query() (pgx.Rows, error)         { return failedRows(f), f.err }
func (f failedBatch) QueryRow() pgx.Row                { return row{err: f.err} }
func (f failedBatch) Close() error                     { return f.err }
func (f failedBatch) Tx() pgx.Tx                       { return nil }
