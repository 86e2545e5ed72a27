package reader

import (
	"errors"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5/pgconn"
)

// This file decides where statements run: on which server, on a shared connection or on
// one of the pool's, and where again when that did not work. The others do as it says.

// route is how a statement runs.
type route uint8

const (
	direct route = iota // on a connection of the pool's, alone
	shared              // on a shared connection
	trial               // on a shared one, and nobody joins it until it is known how it went
)

// route returns how a call runs on a server where so many statements run, and the shared
// connection. The first line that applies decides.
func (r *Reader) route(c *call, b *backend, running int64) (route, *pipe) {
	s := c.statement
	if s == nil || s.named { // Only pgx knows its text.
		return direct, nil
	}
	described := s.known()
	switch {
	// What shared connections cannot do.
	case r.unshared != "", r.codec.Load() != nil: // the configuration, or a type
		return r.learn(c, b), nil
	case c.alone: // the caller has asked for it, or it was shared and did not work
		return r.learn(c, b), nil
	case c.options > 0: // the arguments tell pgx how to run it
		return r.learn(c, b), nil
	case described == nil: // nobody knows its parameters and columns
		return r.learn(c, b), nil
	case described.private: // it changes its session, in a way that its text does not show
		return direct, nil
	// What would make others wait or run again.
	case s.cost.Load() == 0, s.large.Load(), s.failing.Load() >= oftenFailing:
		return direct, nil
	// What is not worth it.
	case running <= int64(r.config.DirectBelow) && !b.server.Full():
		return direct, nil
	case s.cost.Load() < int64(b.slow()):
		if p := b.choose(running, false); p != nil {
			return shared, p
		}
	case s.due():
		if p := b.choose(running, true); p != nil {
			return trial, p
		}
		s.wait.Store(1) // next time
	}
	return direct, nil // it is slow, or no connection is up and moving
}

// oftenFailing is the share of failures, in thousandths, from which on a statement shares no
// connection: others of its run must run again.
const oftenFailing = 100

// learn has a statement learned that has run before: one that runs only once is not worth
// a look. Until then it goes directly.
func (r *Reader) learn(c *call, b *backend) route {
	if s := c.statement; s.cost.Load() > 0 && s.known() == nil && !s.named {
		r.learner.ask(c, b)
	}
	return direct
}

// pick returns the server with the least to do: a replica, or the primary if there is
// none that is good and has what the call must see, or for a call that keeps away from them.
func (r *Reader) pick(c *call) *backend {
	if len(r.backends) == 1 || c.away {
		return r.backends[0]
	}
	replicas := r.backends[1:]
	n, first := uint32(len(replicas)), r.turn.Add(1)
	var best *backend
	for i := range n {
		b := replicas[(first+i)%n]
		if b.serves(c) && (best == nil || b.running.Load() < best.running.Load()) {
			best = b
		}
	}
	if best == nil {
		return r.backends[0]
	}
	return best
}

// serves reports whether a replica is good, and has what a call must see as far as is known. The
// call's own transaction asks again (guard.Guard.Replayed).
func (b *backend) serves(c *call) bool {
	return !b.out.Load() && (c.replayed == 0 || b.has(c.replayed))
}

// has reports whether a replica was seen to have replayed a position of the primary's log.
func (b *backend) has(lsn uint64) bool {
	at, primary := b.looks.last.Load(), b.reader.backends[0].looks.last.Load()
	return at != nil && primary != nil && at.history != 0 && at.history == primary.history && at.lsn >= lsn
}

// position returns what a server must have replayed for a call: 0 on the primary.
func (c *call) position(b *backend) uint64 {
	if b == b.reader.backends[0] {
		return 0
	}
	return c.replayed
}

// follow decides for a call whose context has a token whether a replica may answer it, for which
// it waits a little, or the primary must.
func (r *Reader) follow(c *call) {
	f := followed(c.ctx)
	if f == nil {
		return
	}
	token := f.get()
	if token == (Token{}) {
		return
	}
	r.underway.Add(1) // so that Close waits
	defer r.underway.Add(-1)
	if r.closed.Load() {
		c.away = true
		return
	}
	n := &r.counters
	primary := r.backends[0].looks.last.Load()
	// Nothing is known of another log, or of one before a failover.
	if primary == nil || token.history == 0 || token.history != primary.history {
		c.away = true
		n.followPrimary.Add(1)
		return
	}
	c.replayed = token.lsn
	for _, b := range r.backends[1:] {
		if b.serves(c) {
			n.followReplica.Add(1)
			return
		}
	}
	switch r.await(c) {
	case atOnce:
		n.followReplica.Add(1)
	case waited:
		n.followWaited.Add(1)
	case inVain:
		c.away = true
		n.followPrimary.Add(1)
	}
}

// perPipe is how many callers a pipe is opened to more for.
const perPipe = 4

// choose returns the pipe with the least load, or nil. One whose results do not move
// has somebody slow at its head, and one with a trial may have: they get nothing new. A
// trial itself gets one without a load. Few callers use few pipes, so that writes are
// worth their system calls.
func (b *backend) choose(running int64, trial bool) *pipe {
	n := uint32(min(int64(len(b.pipes)), 1+running/perPipe))
	if n == 0 {
		return nil
	}
	first := b.turn.Add(1)
	var best *pipe
	now := int64(0)
	for i := range n {
		p := b.pipes[(first+i)%n]
		if p.session.Load() == nil {
			p.want()
			continue
		}
		if p.trial.Load() || p.leaving.Load() {
			continue
		}
		load := p.load.Load()
		if load > 0 {
			if trial {
				continue // Nobody is to be behind it, and nobody before it to wait for.
			}
			if now == 0 {
				now = b.reader.now()
			}
			if now-p.moved.Load() > int64(b.patience()) {
				continue
			}
		}
		if best == nil || load < best.load.Load() {
			best = p
		}
	}
	return best
}

// slow is the cost from which a statement is slow here.
func (b *backend) slow() time.Duration {
	return b.reader.config.SlowAfter + 2*time.Duration(b.floor.Load())
}

// patience is how long a shared connection may answer nothing before those who wait behind
// its first statement leave it.
func (b *backend) patience() time.Duration { return 4 * b.slow() }

const (
	maxRuns  = 2 // how often a statement is run at most
	maxStale = 5 // how often it is prepared again, because the schema has changed
)

// elsewhere reports whether a call that has failed on a server before it began runs on
// another one. A replica that serves nobody is left by all; one that is fine is not, whatever is wrong
// with a call.
func (r *Reader) elsewhere(c *call, b *backend, err error) bool {
	if errors.Is(err, guard.ErrBehind) { // Nothing was run. If the context has ended, the primary says so.
		b.behind()
		c.runs, c.away = max(c.runs-1, 0), true
		return true
	}
	var e *pgconn.PgError
	var unreachable *pgconn.ConnectError
	down := errors.As(err, &e) && Down(e)
	switch {
	case b == r.backends[0], c.ctx.Err() != nil, c.runs >= maxRuns:
		return false
	case errors.Is(err, ErrExhausted), errors.Is(err, ErrClosed):
		return false
	case c.reached && !c.lost && !down: // the call's own error: of Postgres, or of pgx, which cannot send an argument
		return false
	}
	if down || c.lost || errors.As(err, &unreachable) {
		b.out.Store(true)
	} else { // A hook has failed, which may be for this call only.
		c.away = true
	}
	return true
}

// again is where a statement runs again that has failed on a connection of its own,
// before its first row.
type again uint8

const (
	never       again = iota
	sameConn          // what pgx knew of it was out of date
	fromPrimary       // its connection or server is lost
)

// again decides that.
func (d *directRows) again(err error) again {
	var e *pgconn.PgError
	isPg := errors.As(err, &e)
	switch {
	case d.begun, d.call.ctx.Err() != nil, d.call.runs >= maxRuns:
		return never
	case isPg && d.call.stale <= maxStale && (Stale(e) || d.remembered && maybeOutdated(e)): // It is asked about again.
		return sameConn
	case d.conn.Conn().IsClosed():
		return fromPrimary
	case isPg && e.Code == "40001" && d.backend != d.backend.reader.backends[0]:
		return fromPrimary // A replica cancels what holds back its replay.
	}
	return never
}

// again reports whether a batch that has failed runs again, from the primary: its connection or
// server is lost, and nobody has seen anything of it.
func (b *batchResults) again(err error) bool {
	var e *pgconn.PgError
	switch {
	case b.begun, b.conn == nil, b.ctx.Err() != nil, b.runs >= maxRuns:
		return false
	case b.conn.Conn().IsClosed():
		return true
	}
	return errors.As(err, &e) && e.Code == "40001" && b.backend != b.reader.backends[0]
}

// maybeOutdated reports whether a statement may have failed because its parameters have
// other types since the schema changed, or types that are gone (XX000: "cache lookup failed").
func maybeOutdated(e *pgconn.PgError) bool {
	return len(e.Code) == 5 && (e.Code[:2] == "42" || e.Code == "XX000")
}

// fate is what becomes of a statement that has failed on a shared connection.
type fate uint8

const (
	answer    fate = iota // its caller has the error
	runAlone              // it runs on a connection of its own
	runShared             // it runs again here, by itself
)

// fate decides that. bound is whether Postgres had begun to run it, cancels whether the
// connection has asked to cancel lately.
func (s *session) fate(q *request, e *pgconn.PgError, bound, cancels bool) fate {
	switch {
	case !bound && e.Code == "26000" && !q.single: // It was prepared by a run that has failed.
		return runShared
	case !bound && (Stale(e) || maybeOutdated(e)):
		return runAlone
	case e.Code == canceled && (cancels || s.pipe.reader.config.StatementTimeout > 0):
		return runAlone
	}
	return answer
}
