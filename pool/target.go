package pool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// target is a server that the Reader reads from: shared connections, and a pool for
// what shares none.
type target struct {
	reader  *Reader
	conn    *pgx.ConnConfig // of the shared connections
	direct  *Pool
	pipes   []*pipe
	running atomic.Int64
	turn    atomic.Uint32
	floor   atomic.Int64 // the cost of the fastest statement lately: the network's
	out     atomic.Bool  // a replica that does not answer or is too far behind
}

// newTarget makes a target. Its connections are opened later.
func newTarget(r *Reader, base *Config) (*target, error) {
	config := *base
	config.Config = base.Config.Copy()
	config.MaxConns = r.config.DirectConns
	config.MinConns, config.MinIdleConns, config.Warm = 0, 0, false
	config.ServerShare, config.direct = 0, true
	conn := config.ConnConfig
	if conn.RuntimeParams == nil {
		conn.RuntimeParams = map[string]string{}
	}
	if r.config.TransactionPooling {
		if conn.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			conn.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
	} else {
		conn.RuntimeParams["default_transaction_read_only"] = "on"
	}
	t := &target{reader: r, conn: conn.Copy()}
	if timeout := r.config.StatementTimeout; timeout > 0 && !r.config.TransactionPooling {
		t.conn.RuntimeParams["statement_timeout"] = fmt.Sprint(timeout.Milliseconds())
	}
	direct, err := NewWithConfig(context.Background(), &config)
	if err != nil {
		return nil, err
	}
	t.direct = direct
	for range r.config.Conns {
		t.pipes = append(t.pipes, &pipe{target: t, reader: r, wake: make(chan struct{}, 1)})
	}
	return t, nil
}

// replica returns the configuration of another server: the pool's, but for what the
// connection string says of where it is.
func replica(base *Config, dsn string) (*Config, error) {
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config := *base
	config.Config = base.Config.Copy()
	to, from := &config.ConnConfig.Config, &parsed.ConnConfig.Config
	to.Host, to.Port, to.Database, to.User, to.Password = from.Host, from.Port, from.Database, from.User, from.Password
	to.TLSConfig, to.Fallbacks, to.RuntimeParams = from.TLSConfig, from.Fallbacks, from.RuntimeParams
	return &config, nil
}

// slow is the cost from which a statement is slow here.
func (t *target) slow() time.Duration {
	return t.reader.config.SlowAfter + 2*time.Duration(t.floor.Load())
}

// lower takes in what a statement has cost. The floor follows at once when costs fall,
// and slowly when they rise.
func (t *target) lower(took time.Duration) {
	switch floor := t.floor.Load(); {
	case floor == 0 || int64(took) < floor:
		t.floor.Store(int64(took))
	default:
		t.floor.Store(floor + (int64(took)-floor)/1024)
	}
}

// connect opens a connection for a pipe.
func (t *target) connect(ctx context.Context) (*pgconn.HijackedConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, &t.conn.Config)
	if err != nil {
		return nil, err
	}
	setPatience(conn.Conn(), patience)
	return conn.Hijack()
}

// perPipe is how many callers a pipe is opened to more for.
const perPipe = 4

// choose returns the pipe with the least load, or nil. One whose results do not move
// has somebody slow at its head, and one with a trial may have: they get nothing new. A
// trial itself gets one without a load. Few callers use few pipes, so that flights are
// worth their system calls.
func (t *target) choose(running int64, trial bool) *pipe {
	n := uint32(min(int64(len(t.pipes)), 1+running/perPipe))
	first := t.turn.Add(1)
	var best *pipe
	now := int64(0)
	for i := range n {
		p := t.pipes[(first+i)%n]
		if p.trial.Load() {
			continue
		}
		load := p.load.Load()
		if load > 0 {
			if trial {
				continue // Nobody is to be behind it, and nobody before it to wait for.
			}
			if now == 0 {
				now = t.reader.now()
			}
			if now-p.moved.Load() > 4*int64(t.slow()) {
				continue
			}
		}
		if best == nil || load < best.load.Load() {
			best = p
		}
	}
	return best
}

// readOnly makes the transaction that it is run in read-only, where the session is
// not: behind PgBouncer sessions are whoever's.
const readOnly = "select set_config('transaction_read_only', 'on', true)"

// query runs a statement on a connection of its own.
func (t *target) query(ctx context.Context, conn *pgxpool.Conn, sql string, args []any) (pgx.Rows, error) {
	if !t.reader.config.TransactionPooling {
		return conn.Query(ctx, sql, args...)
	}
	b := &pgx.Batch{}
	b.Queue(readOnly)
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
	return &batchRows{rows, results}, nil
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
	_ = b.results.Close() // Its error is that of the rows.
	return false
}

// Close ends the rows and the batch.
func (b *batchRows) Close() {
	b.Rows.Close()
	_ = b.results.Close()
}

// sendBatch runs a batch on a connection of its own.
func (t *target) sendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if !t.reader.config.TransactionPooling {
		return t.direct.SendBatch(ctx, b)
	}
	guarded := &pgx.Batch{}
	guarded.Queue(readOnly)
	guarded.QueuedQueries = append(guarded.QueuedQueries, b.QueuedQueries...)
	results := t.direct.SendBatch(ctx, guarded)
	if _, err := results.Exec(); err != nil {
		_ = results.Close()
		return failedBatch{err}
	}
	return results
}

// lost tells whether a statement has failed because of its server or the way there,
// so that it may be run again.
func (t *target) lost(conn *pgxpool.Conn, err error) bool {
	if conn.Conn().IsClosed() {
		return true
	}
	var e *pgconn.PgError
	// A replica cancels what holds back its replay.
	return errors.As(err, &e) && e.Code == "40001"
}
