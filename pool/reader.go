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
	// StatementTimeout is how long Postgres lets a statement run on a shared connection.
	// It is run again on one of its own then. 0 is no bound.
	StatementTimeout time.Duration
	// TransactionPooling is for servers behind PgBouncer in transaction mode or the
	// like: nothing is prepared, and each transaction is made read-only, not the
	// session. It is on if default_query_exec_mode is set to something that prepares
	// nothing.
	TransactionPooling bool
	// Replicas are connection strings of servers to read from instead of the pool's,
	// which are physical replicas of it. Statements go to the one with the least to do,
	// and to the pool's own server if there is none. Only where they are is taken from
	// the strings, all else from the pool's configuration.
	Replicas []string
	// MaxLag is how long a replica may be without what the primary has written, 10 s by
	// default. One that is longer, or does not answer, is left out until it is good.
	MaxLag time.Duration
	// DirectBelow is up to how many queries at a time do not share a connection, 2
	// by default: sharing costs more than it saves where nobody waits.
	DirectBelow int
	// Observe is called for each statement that has shared a connection, when it has ended
	// and before its caller has it: there is no connection that a tracer of pgx could be
	// told of. Others are traced as pgx traces them. It must not keep the arguments.
	Observe func(ctx context.Context, sql string, args []any, start time.Time, tag pgconn.CommandTag, err error)
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
	if c.MaxLag <= 0 {
		c.MaxLag = defaultMaxLag
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
	targets    []*target // the pool's own server first
	turn       atomic.Uint32
	statements statements
	types      sync.Pool                  // of *pgtype.Map
	memories   sync.Pool                  // of *memory
	requests   sync.Pool                  // of *request that have ended
	typeMap    atomic.Pointer[pgtype.Map] // what AfterConnect has registered
	start      time.Time
	cancel     context.CancelFunc
	done       sync.WaitGroup
	counters   readerCounters
	err        error // it is good for nothing: the pool is closed, or the configuration wrong
}

type readerCounters struct {
	direct, shared, batches, batched, reruns, moved, lost atomic.Uint64
}

// newReader opens a reader. Its connections are made in the background.
func newReader(base *Config) *Reader {
	c := base.Reader.withDefaults(base.MaxConns)
	if base.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		c.TransactionPooling = true
	}
	r := &Reader{config: c, start: time.Now()}
	r.types.New = func() any { return r.typeMap.Load().Copy() }
	r.memories.New = func() any { return new(memory) }
	r.requests.New = func() any { return &request{done: make(chan struct{}, 1)} }
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	if r.err = r.addTargets(base); r.err != nil {
		cancel()
		return r
	}
	for i, t := range r.targets {
		t.out.Store(i > 0) // until it is seen to be good
		for _, p := range t.pipes {
			r.done.Go(func() { p.run(ctx) })
		}
	}
	if len(r.targets) > 1 {
		r.done.Go(func() { r.watchReplicas(ctx) })
	}
	return r
}

// addTargets adds the pool's own server and the replicas, or nothing.
func (r *Reader) addTargets(base *Config) (err error) {
	configs := []*Config{base}
	for _, dsn := range r.config.Replicas {
		config, err := replica(base, dsn)
		if err != nil {
			return fmt.Errorf("pool: replica: %w", err)
		}
		configs = append(configs, config)
	}
	defer func() {
		if err != nil {
			for _, t := range r.targets {
				t.direct.Close()
			}
		}
	}()
	for _, config := range configs {
		t, err := newTarget(r, config)
		if err != nil {
			return err
		}
		r.targets = append(r.targets, t)
	}
	return nil
}

// Close ends the reader: it waits for statements with connections of their own, and
// closes all connections.
func (r *Reader) Close() {
	if r.err != nil {
		return
	}
	r.cancel()
	r.done.Wait()
	for _, t := range r.targets {
		t.direct.Close()
	}
}

func (r *Reader) now() int64 { return int64(time.Since(r.start)) }

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
	if r.err != nil {
		return failedBatch{r.err}
	}
	for _, q := range b.QueuedQueries {
		if kindOf(q.SQL) == other {
			return failedBatch{notRead(q.SQL)}
		}
	}
	return r.pick().sendBatch(ctx, b)
}

func notRead(sql string) error { return fmt.Errorf("%w: %.60q", ErrNotRead, sql) }

func (r *Reader) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := r.statements.get(sql)
	if s.kind == other {
		return nil, notRead(sql)
	}
	for {
		t := r.pick()
		running := t.running.Add(1)
		if running > int64(r.config.DirectBelow) && plainArgs(args) {
			if way := s.way(t.slow()); way != itself {
				rows, err, ok := t.share(ctx, s, args, running, way == trial)
				if ok {
					t.running.Add(-1)
					return rows, err
				}
			}
		}
		rows, err := t.alone(ctx, s, args)
		if err == nil {
			return rows, nil
		}
		if t == r.targets[0] || !t.eject(ctx, err) {
			return nil, err
		}
	}
}

// eject takes a replica out because of an error. It returns false if the error is
// not the replica's fault.
func (t *target) eject(ctx context.Context, err error) bool {
	var e *pgconn.PgError
	if ctx.Err() != nil || errors.Is(err, ErrExhausted) || errors.As(err, &e) && !down(e) {
		return false
	}
	t.out.Store(true)
	return true
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
func (t *target) share(ctx context.Context, s *statement, args []any, running int64, trial bool) (pgx.Rows, error, bool) {
	r := t.reader
	p := t.choose(running, trial)
	described := s.known()
	if p == nil && trial {
		s.wait.Store(1) // next time
	}
	if p == nil || described == nil {
		return nil, nil, false
	}
	q := r.requests.Get().(*request)
	q.statement, q.described, q.trial = s, described, trial
	q.rows = newHeldRows(r)
	types := q.rows.typeMap()
	if err := q.params.Build(types, described.StatementDescription, args); err != nil {
		q.rows.Close()
		return nil, fmt.Errorf("failed to build query parameters: %w", err), true
	}
	q.rows.fields = described.formatted(q.params.ResultFormats)
	var start int64
	if r.config.Observe != nil {
		start = r.now()
	}
	if !p.enqueue(q) {
		q.rows.Close()
		return nil, nil, false
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		r.observe(ctx, s, args, start, pgconn.CommandTag{}, ctx.Err())
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
	r.observe(ctx, s, args, start, rows.tag, rows.err)
	if rows.err != nil {
		rows.Close()
	}
	return rows, nil, true
}

// observe tells who wants to know of a statement that has shared a connection. start is
// on the reader's clock.
func (r *Reader) observe(ctx context.Context, s *statement, args []any, start int64, tag pgconn.CommandTag, err error) {
	if r.config.Observe != nil {
		r.config.Observe(ctx, s.sql, args, r.start.Add(time.Duration(start)), tag, err)
	}
}

// alone runs a statement, which counts as running, on a connection of its own.
func (t *target) alone(ctx context.Context, s *statement, args []any) (pgx.Rows, error) {
	r := t.reader
	r.counters.direct.Add(1)
	conn, err := t.direct.Acquire(ctx)
	if err != nil {
		t.running.Add(-1)
		return nil, err
	}
	if r.typeMap.Load() == nil {
		r.typeMap.CompareAndSwap(nil, conn.Conn().TypeMap().Copy())
	}
	if s.known() == nil && s.kind == reads {
		// What a shared connection must know of it.
		said, err := conn.Conn().Prepare(ctx, "", s.sql)
		if err == nil {
			s.described.Store(&description{StatementDescription: said})
		} else if conn.Conn().IsClosed() && ctx.Err() != nil {
			conn.Release()
			t.running.Add(-1)
			return nil, err
		} // Errors of the statement come again.
	}
	d := &directRows{target: t, ctx: ctx, conn: conn, statement: s, args: args, start: r.now()}
	if d.Rows, err = t.query(ctx, conn, s.sql, args); err != nil {
		if d.Rows = d.again(err); d.Rows == nil {
			d.release()
			return nil, err
		}
	}
	return d, nil
}
