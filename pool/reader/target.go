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

// target is a server that the Reader reads from.
type target struct {
	reader  *Reader
	server  Server
	pipes   []*pipe
	running atomic.Int64
	turn    atomic.Uint32
	floor   atomic.Int64  // the cost of the fastest statement lately: the network's
	out     atomic.Bool   // a replica that does not answer or is too far behind
	forms   answers       // how Postgres reports settings
	beside  chan struct{} // of capacity 1: a connection beyond the budget
	epoch   atomic.Int64  // shared connections of an older one are to be closed
}

func newTarget(r *Reader, server Server) *target {
	t := &target{reader: r, server: server, beside: make(chan struct{}, 1)}
	if r.unshared == "" {
		for i := range server.Shared() {
			t.pipes = append(t.pipes, &pipe{target: t, reader: r, number: i, wanted: make(chan struct{}, 1), wake: make(chan struct{}, 1)})
		}
	}
	return t
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

// guard is what a transaction of a shared connection begins with.
func (s *session) guard(settings *guard.Settings) guard.Guard {
	if s.pooled {
		return guard.Guard{Settings: settings, ReadOnly: true, Timeout: s.pipe.reader.config.StatementTimeout}
	}
	return guard.Guard{Settings: settings} // The session is read-only.
}

var errStarving = errors.New("callers have waited for connections for too long")

// open opens a session for a pipe.
func (t *target) open(ctx context.Context, p *pipe) (*session, error) {
	if p.number >= t.server.Shared() {
		return nil, errors.New("the budget of connections has become smaller")
	}
	if t.server.Starving() > StarvedAfter {
		return nil, errStarving
	}
	epoch := t.epoch.Load()
	conn, err := t.server.Open(ctx)
	if err != nil {
		return nil, err
	}
	if t.server.Starving() > StarvedAfter {
		t.server.Drop(conn, false)
		return nil, errStarving
	}
	isolation, pooled, err := t.begin(ctx, conn)
	if err != nil {
		t.server.Drop(conn, true)
		return nil, err
	}
	if name := stateful(conn.TypeMap()); name != "" {
		t.server.Drop(conn, false)
		t.reader.foreign(name)
		return nil, errors.New("a codec cannot be shared")
	}
	config := t.server.Config()
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
	s.ends = lifeEnds(t.reader.now(), config.MaxConnLifetime, config.MaxConnLifetimeJitter)
	s.limit = min(maxPrepared, s.own.StatementCacheCapacity)
	if s.pooled {
		s.limit = 0
	}
	return s, nil
}

// begin makes a session of Postgres's one that only reads, unless a pooler gives its sessions to
// others as well: they would no longer be able to write. It returns the isolation level of its
// transactions, and whether there is a pooler.
func (t *target) begin(ctx context.Context, conn *pgx.Conn) (isolation string, pooled bool, err error) {
	c := t.reader.config
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
	if c.TransactionPooling {
		return isolation, true, nil
	}
	if pid := strconv.FormatUint(uint64(conn.PgConn().PID()), 10); pid != string(rows[0][0]) {
		t.reader.warnPooled()
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
