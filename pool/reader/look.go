package reader

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5/pgconn"
)

// standing is where a server stands in the log: the primary by what it has written, a replica by
// what it has replayed.
type standing struct {
	position int64  // for its lag
	history  uint64 // of the log, see [Token]; 0: it cannot be told whose writes reads of the server see
	lsn      uint64 // how far reads of the server see writes of that history
	replica  bool
}

// looks has callers share the looks at a server, of which there is never more than one at a time.
type looks struct {
	mu     sync.Mutex
	next   *look // that has not begun; every caller that comes now may share it
	active bool
	last   atomic.Pointer[standing] // what the last look has seen; nil if it has failed

	refused time.Time // when the server has refused to say its history; the looking goroutine's
}

type look struct {
	done  chan struct{}
	found standing
	err   error
}

// look asks a server where it stands. It has asked after it was called, once for all callers who
// came in time.
func (b *backend) look(ctx context.Context) (standing, error) {
	l := &b.looks
	l.mu.Lock()
	mine := l.next
	if mine == nil {
		mine = &look{done: make(chan struct{})}
		l.next = mine
	}
	if !l.active {
		l.active = true
		b.reader.done.Go(b.looking)
	}
	l.mu.Unlock()
	select {
	case <-mine.done:
		return mine.found, mine.err
	case <-ctx.Done():
		return standing{}, ctx.Err()
	}
}

// looking looks while anybody waits for it.
func (b *backend) looking() {
	l := &b.looks
	for {
		l.mu.Lock()
		one := l.next
		l.next = nil
		if one == nil {
			l.active = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		one.found, one.err = b.askStanding(b.reader.ctx)
		if one.err == nil {
			l.last.Store(&one.found)
		} else {
			l.forget(b)
		}
		close(one.done)
	}
}

// behind takes in that a replica has not replayed what it was seen to have: it was restarted, or
// another server has its address.
func (b *backend) behind() {
	b.reader.counters.refused.Add(1)
	b.looks.forget(b)
}

// forget takes in that it is no longer known how far a replica is. The primary's history is known
// until it says another one.
func (l *looks) forget(b *backend) {
	if b != b.reader.backends[0] {
		l.last.Store(nil)
	}
}

const (
	// positionSQL asks where a server stands.
	positionSQL = `select pg_catalog.pg_wal_lsn_diff(case when pg_catalog.pg_is_in_recovery()
		then coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0') else pg_catalog.pg_current_wal_lsn() end, '0/0')::bigint`
	// historySQL asks in which log that is. A replica has nothing that says on which timeline it
	// replays now, but three that say on which it has, or is about to and cannot leave: so it may
	// seem to be on an older one for some time after a failover. Where the receiver is not
	// shown to the role it is null. What was inserted on the primary is more than what was
	// written: with synchronous_commit = off a commit may be nowhere else.
	historySQL = `select (select system_identifier from pg_catalog.pg_control_system()),
		case when pg_catalog.pg_is_in_recovery() then greatest(
			(select timeline_id from pg_catalog.pg_control_checkpoint()),
			(select min_recovery_end_timeline from pg_catalog.pg_control_recovery()),
			(select received_tli from pg_catalog.pg_stat_wal_receiver))::text
		else (('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))
			::bit(32)::int)::text end,
		case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
			else pg_catalog.pg_current_wal_insert_lsn() end,
		pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_isolation')`
)

var errLook = errors.New("pool: the server does not say where it stands")

// refusedFor is how long a server is not asked for its history again that has refused to say it.
const refusedFor = time.Minute

// askStanding asks a server where it stands, in one round trip, on a connection that goes before
// those of callers.
func (b *backend) askStanding(ctx context.Context) (s standing, err error) {
	ctx, cancel := context.WithTimeout(quiet.Context(ctx), max(b.reader.config.MaxLag/2, lagEvery))
	defer cancel()
	conn, err := b.server.Ask(ctx)
	if err != nil {
		return s, err
	}
	defer conn.Release()
	sql := positionSQL
	if b.looks.refused.IsZero() || time.Since(b.looks.refused) > refusedFor {
		sql += "; " + historySQL
	}
	rows, err := allRows(ctx, conn.Conn().PgConn(), sql)
	if len(rows) == 1 && refuses(err) {
		b.looks.refused, err = time.Now(), nil
	}
	if err != nil || len(rows) == 0 || len(rows[0]) != 1 {
		return s, errors.Join(errLook, err)
	}
	if s.position, err = strconv.ParseInt(string(rows[0][0]), 10, 64); err != nil {
		return s, errors.Join(errLook, err)
	}
	if len(rows) == 2 && len(rows[1]) == 5 {
		b.take(&s, rows[1])
	}
	return s, nil
}

// refuses reports whether a server may not be asked, or has no such functions.
func refuses(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "42") || e.Code == "0A000")
}

// take takes in what historySQL returns.
func (b *backend) take(s *standing, row [][]byte) {
	cluster, timeline, isolation := string(row[0]), string(row[1]), string(row[4])
	s.replica = string(row[3]) == "t"
	lsn, ok := parseLSN(string(row[2]))
	// A transaction of a higher isolation level sees the data as it was before the guard has compared
	// positions, so reads by a token cannot be there.
	compares := b == b.reader.backends[0] || strings.HasPrefix(isolation, "read ")
	if ok && compares && cluster != "" && timeline != "" {
		s.history, s.lsn = historyOf(cluster, timeline), lsn
	}
}

// parseLSN reads Postgres's text of a position.
func parseLSN(text string) (lsn uint64, ok bool) {
	var high, low uint32
	if n, err := fmt.Sscanf(text, "%X/%X", &high, &low); err != nil || n != 2 {
		return 0, false
	}
	return uint64(high)<<32 | uint64(low), true
}
