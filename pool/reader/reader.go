package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/result"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Reader runs read-only statements. What comes from many goroutines at the same time
// shares a few connections. See the package's documentation for what holds there. It is
// safe for concurrent use.
type Reader struct {
	config     Config
	backends   []*backend // the pool's own server first
	tracer     pgx.QueryTracer
	unshared   string                 // why no connection is shared; "" if some are
	codec      atomic.Pointer[string] // why none is since its types are known
	mode       pgx.QueryExecMode
	disabled   error // of statements in that mode: its cache has no capacity
	turn       atomic.Uint32
	statements statements
	learner    learner
	catalog    catalog
	accepted   guard.Accepted
	memories   memories
	requests   sync.Pool // of *request that have ended
	warned     sync.Once // that there is a pooler
	start      time.Time
	errTimeout error
	ctx        context.Context // of what it does by itself; ends with Close
	cancel     context.CancelFunc
	done       sync.WaitGroup
	counters   counters
	closed     atomic.Bool
	underway   atomic.Int64 // calls that share a connection, or have until now
}

type counters struct {
	direct, shared, writes, runs, sent, reruns, moved, lost, canceled, rehearsed atomic.Uint64

	tokens, tokensUnknown                               atomic.Uint64 // that were taken
	followReplica, followWaited, followPrimary, refused atomic.Uint64 // reads by a token
}

// New opens a reader of servers, the primary first and then its replicas, which must
// have the same databases. Connections are opened when they are needed. Config's defaults
// must be filled in.
func New(c Config, servers ...Server) *Reader {
	primary := servers[0].Config()
	r := &Reader{config: c, start: time.Now(), tracer: primary.ConnConfig.Tracer, errTimeout: newErrTimeout()}
	if r.unshared = whyUnshared(&c, servers[0]); r.unshared != "" {
		slog.Warn("gqlboost: the Reader shares no connections", "reason", r.unshared)
	}
	r.mode = primary.ConnConfig.DefaultQueryExecMode
	r.disabled = disabledCache(primary.ConnConfig, r.mode)
	r.requests.New = func() any { return &request{done: make(chan struct{}, 1)} }
	ctx, cancel := context.WithCancel(context.Background())
	r.ctx, r.cancel = ctx, cancel
	for i, server := range servers {
		b := newBackend(r, server)
		b.out.Store(i > 0) // until it is seen to be good
		r.backends = append(r.backends, b)
		for _, p := range b.pipes {
			r.done.Go(func() { p.run(ctx) })
		}
	}
	r.learner.start(ctx, r)
	if len(r.backends) > 1 {
		r.done.Go(func() { r.watchReplicas(ctx) })
	}
	return r
}

// foreign turns sharing off because of a type.
func (r *Reader) foreign(name string) {
	reason := "the codec of type " + name + " may have a state, which callers that share a connection would use at the " +
		"same time"
	if r.codec.CompareAndSwap(nil, &reason) {
		slog.Warn("gqlboost: the Reader shares no connections", "reason", reason)
	}
}

// warnPooled warns of a pooler that the configuration does not mention.
func (r *Reader) warnPooled() {
	r.warned.Do(func() {
		slog.Warn("gqlboost: the Reader keeps nothing prepared", "reason", "the server is behind a pooler: its process IDs "+
			"are not Postgres's. Set default_query_exec_mode=cache_describe or pool_reader_transaction_pooling, "+
			"or let the Reader connect to Postgres itself")
	})
}

// Close closes the shared connections when the statements that use them have ended, also those
// that go on on a connection of the pool. It does not wait for others on the pool's connections,
// nor for callers that have left. New statements get [ErrClosed].
func (r *Reader) Close() {
	r.closed.Store(true)
	for r.underway.Load() > 0 {
		time.Sleep(lookClosing)
	}
	r.cancel()
	r.done.Wait()
}

const lookClosing = time.Millisecond

// Reset closes the shared connections when what is under way on them has ended. Others
// take their place, and what was learned of statements is learned again.
func (r *Reader) Reset() {
	for _, b := range r.backends {
		b.epoch.Add(1)
	}
	r.doubt()
}

func (r *Reader) now() int64 { return int64(time.Since(r.start)) }

// Query runs a statement as [pgxpool.Pool.Query] does.
func (r *Reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := r.query(ctx, sql, args)
	if err != nil {
		return result.Failed{Error: err}, err
	}
	return rows, nil
}

// QueryRow runs a statement as [pgxpool.Pool.QueryRow] does.
func (r *Reader) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := r.query(ctx, sql, args)
	if d, ok := rows.(*directRows); ok && err == nil {
		return only{d}
	}
	return result.Row{Rows: rows, Err: err}
}

// Exec runs a statement and drops its rows. Unlike pgxpool's it takes one statement at a
// time.
func (r *Reader) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if r.disabled != nil && len(args) == 0 { // So does pgx, with caches or without.
		args = []any{pgx.QueryExecModeSimpleProtocol}
	}
	rows, err := r.query(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer rows.Close() // also where a tracer or OnNotice panics
	if d, ok := rows.(*directRows); ok {
		d.drop()
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// SendBatch runs a batch of reads on a connection of its own: it is one write already. If the
// connection fails before the first result, the batch runs again, on the primary.
func (r *Reader) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if b == nil {
		return pgx.FailedBatchResults(&pgx.Batch{}, errors.New("pool: the batch is nil"))
	}
	if err := r.check(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	for _, q := range b.QueuedQueries {
		if err := r.checkQueued(q.SQL); err != nil {
			return pgx.FailedBatchResults(b, err)
		}
	}
	return r.sendBatch(ctx, b)
}

// checkQueued returns why a text is not taken in a batch.
func (r *Reader) checkQueued(sql string) error {
	if reason := refusal(sql); reason != "" && !mayBeName(sql) {
		return notRead(sql, reason)
	}
	if r.mode == pgx.QueryExecModeSimpleProtocol && !r.statements.get(sql, "").single {
		return notRead(sql, severalStatements)
	}
	return nil
}

// ErrCopy is returned by CopyFrom.
var ErrCopy = errors.New("pool: the Reader only reads: use the pool's CopyFrom")

// CopyFrom returns [ErrCopy]. It is there because code that sqlc generates asks for it.
func (r *Reader) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, ErrCopy
}

// check returns why nothing runs in a context.
func (r *Reader) check(ctx context.Context) error {
	if ctx == nil {
		return guard.ErrNoContext
	}
	if r.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return guard.Check(ctx)
}

// call is one statement on its way.
type call struct {
	ctx       context.Context
	sql       string
	args      []any
	options   int               // that the arguments begin with, for pgx
	simple    bool              // it goes by the simple protocol, which takes several statements
	mode      pgx.QueryExecMode // one of these; 0: the configuration's
	rewriter  pgx.QueryRewriter // that needs a connection, until it has made the text
	settings  *guard.Settings
	statement *statement // nil if a rewriter makes it
	alone     bool       // it must not share a connection
	away      bool       // from replicas: one has failed, or none has what the call must see
	replayed  uint64     // what a replica must have replayed; 0: anything
	runs      int        // how often Postgres may have run it
	stale     int        // how often it did not, because the schema had changed
	reached   bool       // there was a connection for it, the last time
	lost      bool       // which has failed
	trace     trace
	direct    directRows // its rows, if it runs alone
}

func (r *Reader) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	r.underway.Add(1) // Before the check, so that Close misses nobody.
	underway, moved := true, false
	leave := func() {
		if underway {
			underway = false
			r.underway.Add(-1)
		}
	}
	defer leave()
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	c := &call{ctx: ctx, sql: sql, args: args, settings: guard.From(ctx), alone: isAlone(ctx),
		simple: r.mode == pgx.QueryExecModeSimpleProtocol}
	c.trace = trace{tracer: r.tracer, sql: sql, args: args}
	if len(r.backends) > 1 {
		r.follow(c)
	}
	if err := c.rewrite(); err != nil {
		return nil, err
	}
	if r.disabled != nil || c.options > 0 {
		if err := r.unusable(c); err != nil {
			return nil, err
		}
	}
	if c.rewriter == nil {
		if err := r.identify(c); err != nil {
			return nil, err
		}
	}
	for {
		b := r.pick(c)
		running := b.running.Add(1)
		if to, p := r.route(c, b, running); to != direct {
			rows, err, ok := b.share(c, p, to == trial)
			if ok {
				if rows == nil {
					return nil, c.trace.end(pgconn.CommandTag{}, err)
				}
				if c.trace.tracer != nil {
					rows.trace = &c.trace
				}
				return rows, nil
			}
			c.alone, moved = true, true
			if c.away {
				b = r.pick(c)
			}
			b.running.Add(1)
		} else if !moved {
			leave() // It has no connection yet, as in pgxpool.
		}
		rows, err := b.direct(c)
		if err == nil {
			return rows, nil
		}
		if !r.elsewhere(c, b, err) {
			return nil, c.trace.end(pgconn.CommandTag{}, err)
		}
	}
}

const severalStatements = "it has several statements"

// identify finds what is known of a call's statement.
func (r *Reader) identify(c *call) error {
	scope := ""
	if c.settings != nil {
		scope = c.settings.Scope
	}
	c.statement = r.statements.get(c.sql, scope)
	if c.statement.refusal != "" {
		return notRead(c.sql, c.statement.refusal)
	}
	if c.simple && !c.statement.single {
		return notRead(c.sql, severalStatements)
	}
	return nil
}

// rewrite does what pgx does with options and named arguments, so that statements are known by the
// text that Postgres sees. As in pgx, the last rewriter counts. One that is not pgx's own needs a
// connection, and is left to [directRows.rewrite].
func (c *call) rewrite() error {
	c.takeOptions()
	switch c.rewriter.(type) {
	case pgx.NamedArgs, pgx.StrictNamedArgs:
		return c.rewriteOn(nil)
	}
	return nil
}

// takeOptions takes in the options that the arguments begin with. All but rewriters stay there, for pgx.
func (c *call) takeOptions() {
	for c.options < len(c.args) {
		switch option := c.args[c.options].(type) {
		case pgx.QueryExecMode:
			c.mode, c.simple = option, option == pgx.QueryExecModeSimpleProtocol
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		case pgx.QueryRewriter:
			c.rewriter = option
			c.args = append(c.args[:c.options:c.options], c.args[c.options+1:]...)
			continue
		default:
			return
		}
		c.options++
	}
}

// rewriteOn makes the text, once, with a rewriter, which is given a connection.
func (c *call) rewriteOn(conn *pgx.Conn) error {
	sql, args, err := c.rewriter.RewriteQuery(c.ctx, conn, c.sql, c.args[c.options:])
	if err != nil {
		return fmt.Errorf("rewrite query failed: %w", err)
	}
	if len(args) > 0 && guard.IsOption(args[0]) { // pgx would take it for the caller's, and for what was not checked.
		return fmt.Errorf("rewrite query failed: the first argument is a %T, an option of pgx", args[0])
	}
	c.sql, c.args, c.rewriter = sql, append(c.args[:c.options:c.options], args...), nil
	return nil
}

// share runs a statement, which counts as running until then, on a shared connection. It returns false
// if it must be run alone.
func (b *backend) share(c *call, p *pipe, trial bool) (*heldRows, error, bool) {
	defer b.running.Add(-1) // also where Observe or a tracer panics
	r := b.reader
	described, session := c.statement.known(), p.session.Load()
	if session == nil || described == nil || len(described.ParamOIDs) != len(c.args) {
		return nil, nil, false
	}
	q := r.requests.Get().(*request)
	q.statement, q.described, q.settings, q.trial = c.statement, described, c.settings, trial
	q.session.Store(session)
	q.single, q.sent, q.replayed = described.volatile || session.isolated, false, c.position(b)
	q.state.Store(waiting)
	q.rows = newHeldRows(&r.memories, c.statement, session, c.settings)
	if !q.build(c.args) {
		q.rows.Close()
		return nil, nil, false // pgx says what is wrong with them.
	}
	q.rows.fields = described.formatted(q.params.ResultFormats)
	c.trace.begin(c.ctx, session.conn)
	var start int64
	if r.config.Observe != nil {
		start = r.now()
	}
	if !p.enqueue(q) {
		q.rows.Close()
		return nil, nil, false
	}
	ctx := c.trace.context(c.ctx) // The tracer may have set a deadline.
	select {
	case <-q.done:
	case <-ctx.Done():
		if q.state.CompareAndSwap(waiting, left) {
			err := r.abandoned(ctx)
			r.observe(c, start, pgconn.CommandTag{}, err)
			return nil, err, true // The caller that fills it in drops it.
		}
		<-q.done
	}
	if q.state.Load() == left { // It is the connection's: it may still be filled in.
		c.runs++
		r.counters.moved.Add(1)
		return nil, nil, false
	}
	rows, outcome, sent := q.rows, q.outcome, q.sent
	q.rows, q.statement, q.described, q.settings = nil, nil, nil, nil
	q.session.Store(nil)
	r.requests.Put(q)
	if outcome != answered {
		if sent {
			c.runs++
		}
		c.away = outcome == lost
		r.counters.moved.Add(1)
		rows.Close()
		return nil, nil, false
	}
	r.counters.shared.Add(1)
	r.observe(c, start, rows.tag, rows.late)
	return rows, nil, true
}

// build encodes the arguments. It reports whether that went well: an argument's own
// methods may also panic, which they do again where there is a connection to release.
func (q *request) build(args []any) (ok bool) {
	defer func() { _ = recover() }()
	return q.params.Build(q.rows.TypeMap(), q.described.StatementDescription, args) == nil
}

// observe tells who wants to know of a statement that has shared a connection. start is
// on the reader's clock.
func (r *Reader) observe(c *call, start int64, tag pgconn.CommandTag, err error) {
	if r.config.Observe != nil {
		r.config.Observe(c.trace.context(c.ctx), c.trace.sql, c.trace.args, r.start.Add(time.Duration(start)), tag, err)
	}
}
