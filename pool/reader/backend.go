package reader

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
)

// backend is a server that the Reader reads from.
type backend struct {
	reader   *Reader
	server   Server
	mode     pgx.QueryExecMode // of the server's connections
	pooled   bool              // each transaction may be in another session of Postgres's
	prepared int               // statements that are kept prepared on one of the pool's connections
	pipes    []*pipe
	running  atomic.Int64
	turn     atomic.Uint32
	floor    atomic.Int64  // the cost of the fastest statement lately: the network's
	out      atomic.Bool   // a replica that does not answer or is too far behind
	forms    answers       // how Postgres reports settings
	beside   chan struct{} // of capacity 1: a connection beyond the budget
	epoch    atomic.Int64  // shared connections of an older one are to be closed
	looks    looks
	stopped  atomic.Uint64 // where a replica was when somebody has waited for it in vain
}

func newBackend(r *Reader, server Server) *backend {
	b := &backend{reader: r, server: server, mode: server.Config().ConnConfig.DefaultQueryExecMode,
		beside: make(chan struct{}, 1)}
	b.pooled = r.config.TransactionPooling || b.mode != pgx.QueryExecModeCacheStatement
	if !b.pooled {
		b.prepared = min(maxPreparedDirect, server.Config().ConnConfig.StatementCacheCapacity-2) // and BEGIN and COMMIT
	}
	if r.unshared == "" {
		for i := range server.Shared() {
			b.pipes = append(b.pipes, &pipe{backend: b, reader: r, number: i, wanted: make(chan struct{}, 1),
				wake: make(chan struct{}, 1)})
		}
	}
	return b
}

// lower takes in what a statement has cost. The floor follows at once when costs fall,
// and slowly when they rise.
func (b *backend) lower(took time.Duration) {
	switch floor := b.floor.Load(); {
	case floor == 0 || int64(took) < floor:
		b.floor.Store(int64(took))
	default:
		b.floor.Store(floor + (int64(took)-floor)/1024)
	}
}

// guard is what a transaction of a shared connection begins with.
func (s *session) guard(settings *guard.Settings, replayed uint64) guard.Guard {
	if s.pooled {
		return guard.Guard{Settings: settings, ReadOnly: true, Timeout: s.pipe.reader.config.StatementTimeout,
			Replayed: replayed}
	}
	return guard.Guard{Settings: settings, Replayed: replayed} // The session is read-only.
}

var errStarving = errors.New("callers have waited for connections for too long")

// open opens a session for a pipe.
func (b *backend) open(ctx context.Context, p *pipe) (*session, error) {
	if p.number >= b.server.Shared() {
		return nil, errors.New("the budget of connections has become smaller")
	}
	if b.server.Starving() > StarvedAfter {
		return nil, errStarving
	}
	epoch := b.epoch.Load()
	conn, err := b.server.Open(ctx)
	if err != nil {
		return nil, err
	}
	if b.server.Starving() > StarvedAfter {
		b.server.Drop(conn, false)
		return nil, errStarving
	}
	isolation, pooled, err := b.begin(ctx, conn)
	if err != nil {
		b.server.Drop(conn, true)
		return nil, err
	}
	if name := stateful(conn.TypeMap()); name != "" {
		b.server.Drop(conn, false)
		b.reader.foreign(name)
		return nil, errors.New("a codec cannot be shared")
	}
	config := b.server.Config()
	s := &session{
		pipe:       p,
		conn:       conn,
		own:        conn.Config(),
		frontend:   conn.PgConn().Frontend(),
		types:      newTypes(conn.TypeMap()),
		parameters: newParameters(conn.PgConn()),
		isolated:   isolation != "read committed" && isolation != "read uncommitted",
		pooled:     pooled,
		epoch:      epoch,
		prepared:   map[preparedKey]*prepared{},
	}
	s.ends = lifeEnds(b.reader.now(), config.MaxConnLifetime, config.MaxConnLifetimeJitter)
	s.limit = min(maxPrepared, s.own.StatementCacheCapacity)
	if s.pooled {
		s.limit = 0
	}
	return s, nil
}

// begin makes a session of Postgres's one that only reads, unless a pooler gives its sessions to
// others as well: they would no longer be able to write. It returns the isolation level of its
// transactions, and whether there is a pooler.
func (b *backend) begin(ctx context.Context, conn *pgx.Conn) (isolation string, pooled bool, err error) {
	c := b.reader.config
	rows, err := allRows(ctx, conn.PgConn(),
		"select pg_catalog.pg_backend_pid(), pg_catalog.current_setting('default_transaction_isolation')")
	switch {
	case err != nil:
		return "", false, err
	case conn.PgConn().TxStatus() != 'I':
		return "", false, errors.New("AfterConnect has left a transaction open")
	case len(rows) != 1 || len(rows[0]) != 2:
		return "", false, errors.New("the server does not say what its session is")
	}
	isolation = string(rows[0][1])
	// A pooler tells its clients numbers of its own.
	if b.pooled {
		return isolation, true, nil
	}
	if pid := strconv.FormatUint(uint64(conn.PgConn().PID()), 10); pid != string(rows[0][0]) {
		b.reader.warnPooled()
		return isolation, true, nil
	}
	set := "set default_transaction_read_only = on"
	if c.StatementTimeout > 0 {
		set += fmt.Sprintf("; set statement_timeout = %d", max(c.StatementTimeout.Milliseconds(), 1))
	}
	_, err = allRows(ctx, conn.PgConn(), set)
	return isolation, false, err
}

// lifeEnds returns when a connection has served its time that begins now. As in pgxpool, a
// lifetime that is not positive does not end.
func lifeEnds(now int64, lifetime, jitter time.Duration) int64 {
	if lifetime <= 0 {
		return math.MaxInt64
	}
	if jitter <= 0 { // Connections that were opened together must not end together.
		jitter = lifetime / 10
	}
	for _, more := range []time.Duration{lifetime, rand.N(jitter) + 1} {
		now += min(int64(more), math.MaxInt64-now)
	}
	return now
}
