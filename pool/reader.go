package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNotRead is returned, wrapped, for a statement that could change the session of
// a connection that others share.
var ErrNotRead = errors.New("pool: the Reader takes SELECT, WITH, VALUES, TABLE, SHOW and EXPLAIN only")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("pool: closed")

// ReaderConfig says how a [Reader] works. Zero fields have defaults.
type ReaderConfig struct {
	// Conns is the number of shared connections, 4 by default.
	Conns int
	// DirectConns bounds the connections for statements that share none, by default
	// as many as the pool may have. They are opened when they are needed.
	DirectConns int32
	// SlowAfter is from which cost, beyond the network's, a statement shares no
	// connection, 5 ms by default: everybody behind it would wait.
	SlowAfter time.Duration
	// MaxHeld bounds the bytes of a result that is held in memory, 1 MiB by
	// default. A statement with larger ones is run on a connection of its own.
	MaxHeld int
	// DirectBelow is up to how many queries at a time do not share a connection, 2
	// by default: sharing costs more than it saves where nobody waits.
	DirectBelow int
}

func (c ReaderConfig) withDefaults(maxConns int32) ReaderConfig {
	if c.Conns <= 0 {
		c.Conns = 4
	}
	if c.DirectConns <= 0 {
		c.DirectConns = maxConns
	}
	if c.SlowAfter <= 0 {
		c.SlowAfter = 5 * time.Millisecond
	}
	if c.MaxHeld <= 0 {
		c.MaxHeld = 1 << 20
	}
	if c.DirectBelow <= 0 {
		c.DirectBelow = 2
	}
	return c
}

// Reader runs read-only statements. What comes from many goroutines at the same time
// shares a few connections: all that waits goes to Postgres in one flight, with one
// Sync, and so is one transaction there, in which now() stands still. Statements
// that are slow, that have large results, or that nobody has seen before, have a
// connection to themselves.
//
// Its sessions have default_transaction_read_only, so Postgres refuses writes. They
// are shared: what a statement does to the session (set_config, advisory locks) hits
// others. A statement may be run twice, if the connection fails or a neighbour has
// an error. It is safe for concurrent use.
type Reader struct {
	config     ReaderConfig
	conn       *pgx.ConnConfig
	direct     *pgxpool.Pool
	pipes      []*pipe
	statements statements
	types      sync.Pool // of *pgtype.Map
	requests   sync.Pool // of *request that have ended
	running    atomic.Int64
	turn       atomic.Uint32
	typeMap    atomic.Pointer[pgtype.Map] // what AfterConnect has registered
	floor      atomic.Int64               // the cost of the fastest statement lately: the network's
	start      time.Time
	cancel     context.CancelFunc
	done       sync.WaitGroup
	counters   readerCounters
	closed     bool // from the beginning: it is that of a closed pool
}

type readerCounters struct {
	direct, shared, batches, batched, reruns, moved atomic.Uint64
}

// newReader opens a reader. Its connections are made in the background.
func newReader(base *pgxpool.Config, c ReaderConfig) (*Reader, error) {
	config := base.Copy()
	if config.ConnConfig.RuntimeParams == nil {
		config.ConnConfig.RuntimeParams = map[string]string{}
	}
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	r := &Reader{config: c.withDefaults(base.MaxConns), conn: config.ConnConfig.Copy(), start: time.Now()}
	config.MaxConns = r.config.DirectConns
	config.MinConns, config.MinIdleConns = 0, 0
	ctx, cancel := context.WithCancel(context.Background())
	direct, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		cancel()
		return nil, err
	}
	r.direct, r.cancel = direct, cancel
	r.types.New = func() any { return r.typeMap.Load().Copy() }
	r.requests.New = func() any { return &request{done: make(chan struct{}, 1)} }
	for range r.config.Conns {
		p := &pipe{reader: r, wake: make(chan struct{}, 1)}
		r.pipes = append(r.pipes, p)
		r.done.Go(func() { p.run(ctx) })
	}
	return r, nil
}

// Close ends the reader: it waits for statements with connections of their own, and
// closes all connections.
func (r *Reader) Close() {
	if r.closed {
		return
	}
	r.cancel()
	r.done.Wait()
	r.direct.Close()
}

// perPipe is how many callers a pipe is opened to more for.
const perPipe = 4

func (r *Reader) now() int64 { return int64(time.Since(r.start)) }

// slow is the cost from which a statement is slow here.
func (r *Reader) slow() time.Duration {
	return r.config.SlowAfter + 2*time.Duration(r.floor.Load())
}

// observe takes in what a statement has cost.
func (r *Reader) observe(s *statement, took time.Duration) {
	s.observe(took)
	// The floor follows at once when costs fall, and slowly when they rise.
	switch floor := r.floor.Load(); {
	case floor == 0 || int64(took) < floor:
		r.floor.Store(int64(took))
	default:
		r.floor.Store(floor + (int64(took)-floor)/1024)
	}
}

// connect opens a connection for a pipe.
func (r *Reader) connect(ctx context.Context) (*pgconn.HijackedConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, &r.conn.Config)
	if err != nil {
		return nil, err
	}
	return conn.Hijack()
}

// Query runs a statement as [pgxpool.Pool.Query] does.
func (r *Reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := r.query(ctx, sql, args)
	if err != nil {
		return failedRows{err}, err
	}
	return rows, nil
}

// QueryRow runs a statement as [pgxpool.Pool.QueryRow] does.
func (r *Reader) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := r.query(ctx, sql, args)
	return row{rows, err}
}

// Exec runs a statement and drops its rows.
func (r *Reader) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := r.query(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// SendBatch runs a batch of reads on a connection of its own: it is one flight
// already.
func (r *Reader) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if r.closed {
		return failedBatch{ErrClosed}
	}
	for _, q := range b.QueuedQueries {
		if err := readable(q.SQL); err != nil {
			return failedBatch{err}
		}
	}
	return r.direct.SendBatch(ctx, b)
}

// readable refuses what could change a session.
func readable(sql string) error {
	if kindOf(sql) == other {
		return fmt.Errorf("%w: %.60q", ErrNotRead, sql)
	}
	return nil
}

func (r *Reader) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	if r.closed {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := readable(sql); err != nil {
		return nil, err
	}
	running := r.running.Add(1)
	s := r.statements.get(sql)
	if running > int64(r.config.DirectBelow) && s.fast(r.slow()) && plainArgs(args) {
		rows, err, ok := r.share(ctx, s, args, running)
		if ok {
			r.running.Add(-1)
			return rows, err
		}
	}
	rows, err := r.alone(ctx, s, args)
	if err != nil {
		r.running.Add(-1)
	}
	return rows, err
}

// plainArgs tells whether there is nothing among the arguments that tells pgx how to
// run the statement.
func plainArgs(args []any) bool {
	if len(args) == 0 {
		return true
	}
	switch args[0].(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryRewriter:
		return false
	}
	return true
}

// share runs a statement on a shared connection. It returns false if it must be run
// alone.
func (r *Reader) share(ctx context.Context, s *statement, args []any, running int64) (pgx.Rows, error, bool) {
	p := r.choose(running)
	described := s.known()
	if p == nil || described == nil {
		return nil, nil, false
	}
	q := r.requests.Get().(*request)
	q.statement, q.described = s, described
	q.rows = &heldRows{reader: r}
	types := q.rows.typeMap()
	if err := q.params.Build(types, described.StatementDescription, args); err != nil {
		q.rows.Close()
		return nil, fmt.Errorf("failed to build query parameters: %w", err), true
	}
	q.rows.fields = described.formatted(q.params.ResultFormats)
	if !p.enqueue(q) {
		q.rows.Close()
		return nil, nil, false
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return nil, ctx.Err(), true // Whoever fills it in drops it.
	}
	rows, outcome := q.rows, q.outcome
	q.rows, q.statement, q.described = nil, nil, nil
	r.requests.Put(q)
	if outcome == unshared {
		r.counters.moved.Add(1)
		rows.Close()
		return nil, nil, false
	}
	r.counters.shared.Add(1)
	if rows.err != nil {
		rows.Close()
	}
	return rows, nil, true
}

// choose returns the pipe with the least load, or nil. One whose results do not move
// has somebody slow at its head: it gets nothing new. Few callers use few pipes, so
// that flights are worth their system calls.
func (r *Reader) choose(running int64) *pipe {
	n := uint32(min(int64(len(r.pipes)), 1+running/perPipe))
	first := r.turn.Add(1)
	var best *pipe
	now := int64(0)
	for i := range n {
		p := r.pipes[(first+i)%n]
		load := p.load.Load()
		if load > 0 {
			if now == 0 {
				now = r.now()
			}
			if now-p.moved.Load() > int64(r.slow()) {
				continue
			}
		}
		if best == nil || load < best.load.Load() {
			best = p
		}
	}
	return best
}

// alone runs a statement on a connection of its own.
func (r *Reader) alone(ctx context.Context, s *statement, args []any) (pgx.Rows, error) {
	r.counters.direct.Add(1)
	conn, err := r.direct.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	if r.typeMap.Load() == nil {
		r.typeMap.CompareAndSwap(nil, conn.Conn().TypeMap().Copy())
	}
	if s.known() == nil && kindOf(s.sql) == reads {
		// What a shared connection must know of it.
		said, err := conn.Conn().Prepare(ctx, "", s.sql)
		if err == nil {
			s.described.Store(&description{StatementDescription: said})
		} else if conn.Conn().IsClosed() {
			conn.Release()
			return nil, err // Of the context or the network. Errors of the statement come again.
		}
	}
	start := r.now()
	rows, err := conn.Query(ctx, s.sql, args...)
	if err != nil {
		conn.Release()
		return nil, err
	}
	again := func() (pgx.Rows, error) { return conn.Query(ctx, s.sql, args...) }
	return &directRows{Rows: rows, reader: r, conn: conn, statement: s, start: start, again: again}, nil
}

// directRows give their connection back.
type directRows struct {
	pgx.Rows
	reader    *Reader
	conn      *pgxpool.Conn
	statement *statement
	start     int64
	size      int
	ended     bool
	again     func() (pgx.Rows, error) // nil after the first row
}

func (d *directRows) end() {
	if d.ended {
		return
	}
	d.ended = true
	took := time.Duration(d.reader.now() - d.start)
	d.statement.ended(d.Rows.Err() != nil)
	if d.Rows.Err() == nil {
		d.reader.observe(d.statement, took)
		d.statement.large.Store(d.size > d.reader.config.MaxHeld)
	}
	d.conn.Release()
	d.reader.running.Add(-1)
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

// advance runs the query again if the connection had prepared it before the schema
// changed: pgx has forgotten that now.
func (d *directRows) advance() bool {
	next := d.Rows.Next()
	again := d.again
	d.again = nil
	if next || again == nil {
		return next
	}
	var pgErr *pgconn.PgError
	if !errors.As(d.Rows.Err(), &pgErr) || !stale(pgErr.Code, pgErr.Message) {
		return false
	}
	rows, err := again()
	if err != nil {
		return false
	}
	d.Rows = rows
	return rows.Next()
}

// Close ends the rows.
func (d *directRows) Close() {
	d.Rows.Close()
	d.end()
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
