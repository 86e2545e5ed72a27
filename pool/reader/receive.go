package reader

import (
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// receiver is the position of the reading goroutine in what comes back.
type receiver struct {
	*session
	incoming <-chan *batch
	batch    *batch // whose results come; nil: none
	at       int    // the run in it
	last     int64  // when the last result came
	bound    bool   // Postgres has begun to run the next request
}

// read takes results until the connection fails. It listens also while nothing is
// on the way, so that a connection that ends is noticed at once.
func (s *session) read(batches <-chan *batch) {
	r := &receiver{session: s, incoming: batches}
	defer func() {
		if r.batch != nil {
			s.abandon(r.batch)
		}
	}()
	defer func() { _ = recover() }() // A hook of the user's panics on the caller's goroutine when it runs again.
	for {
		message, err := s.frontend.Receive()
		if err != nil || !r.take(message) {
			return
		}
	}
}

// run returns the run that a message is about, or nil: Postgres says something of its own.
func (r *receiver) run() *run {
	if r.batch == nil {
		select {
		case r.batch = <-r.incoming:
			if r.batch == nil {
				return nil
			}
			r.at = 0
			r.aim()
		default:
			return nil
		}
	}
	return &r.batch.runs[r.at]
}

// aim remembers whose result comes next.
func (r *receiver) aim() {
	if r.batch == nil {
		r.head.Store(nil)
		return
	}
	if run := &r.batch.runs[r.at]; run.next < len(run.requests) {
		r.head.Store(run.requests[run.next].statement)
	}
}

// request returns the request whose result comes, or nil.
func (r *receiver) request() *request {
	run := r.run()
	if run == nil || run.next >= len(run.requests) {
		return nil
	}
	return run.requests[run.next]
}

// take takes a message in, and reports whether the connection is still of use.
func (r *receiver) take(message pgproto3.BackendMessage) bool {
	if r.rehearses(message) {
		return true
	}
	switch m := message.(type) {
	case *pgproto3.DataRow:
		q := r.request()
		if q == nil {
			return false
		}
		if !r.run().guarded && len(q.rows.data) <= r.pipe.reader.config.MaxHeld {
			q.rows.data = appendRow(q.rows.data, m.Values)
			q.rows.left++
		}
	case *pgproto3.BindComplete:
		if run := r.run(); run != nil {
			r.bound = !run.guarded
		}
	case *pgproto3.CommandComplete:
		return r.complete(pgconn.NewCommandTag(string(m.CommandTag)))
	case *pgproto3.EmptyQueryResponse:
		return r.complete(pgconn.CommandTag{})
	case *pgproto3.ParseComplete:
		if run := r.run(); run != nil && len(run.parses) > 0 {
			run.parses = run.parses[1:]
		}
	case *pgproto3.RowDescription:
		q := r.request()
		if q == nil {
			return false
		}
		if !q.described.matches(m.Fields) {
			q.described.stale.Store(true)
		}
	case *pgproto3.NoData:
		if q := r.request(); q != nil && len(q.described.Fields) > 0 {
			q.described.stale.Store(true)
		}
	case *pgproto3.ErrorResponse:
		return r.fail(m)
	case *pgproto3.ReadyForQuery:
		return r.ready(m)
	case *pgproto3.NoticeResponse:
		if r.own.OnNotice != nil {
			r.own.OnNotice(r.conn.PgConn(), (*pgconn.Notice)(pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(m))))
		}
	case *pgproto3.ParameterStatus:
		r.parameters.set(m.Name, m.Value)
	case *pgproto3.NotificationResponse:
		// pgx's own handler would keep them for somebody who asks the connection.
		if handle := r.pipe.backend.server.Config().ConnConfig.OnNotification; handle != nil {
			handle(r.conn.PgConn(), &pgconn.Notification{PID: m.PID, Channel: m.Channel, Payload: m.Payload})
		}
	}
	return true
}

// complete takes in that the guard or a request has its result.
func (r *receiver) complete(tag pgconn.CommandTag) bool {
	q := r.request()
	if q == nil {
		return false
	}
	p, b, run := r.pipe, r.pipe.backend, r.run()
	if run.guarded {
		run.guarded = false
		return true
	}
	q.rows.tag = tag
	now := p.reader.now()
	took := time.Duration(now - max(r.last, r.batch.sent))
	q.statement.observeShared(took, b.slow())
	q.statement.ended(false)
	q.statement.held(len(q.rows.data))
	b.lower(took)
	r.advance(now)
	switch {
	case q.described.stale.Load(): // The columns are others than it thinks.
		p.end(q, unshared)
	case len(q.rows.data) > p.reader.config.MaxHeld:
		q.statement.large.Store(true)
		p.end(q, unshared)
	default:
		p.end(q, answered)
	}
	return true
}

// advance goes to the next request of the run.
func (r *receiver) advance(now int64) {
	r.batch.runs[r.at].next++
	r.bound = false
	r.aim()
	r.advanceTo(now)
}

// fail takes in an error, of a request, of the guard before it, or of the connection.
func (r *receiver) fail(m *pgproto3.ErrorResponse) bool {
	q := r.request()
	if q == nil || m.SeverityUnlocalized == "FATAL" || m.SeverityUnlocalized == "PANIC" {
		return false
	}
	p, run := r.pipe, r.run()
	r.forget(run.parses...) // Postgres has not come to prepare these.
	run.parses = nil
	e := pgconn.ErrorResponseToPgError(m)
	good := r.own.OnPgError == nil || r.own.OnPgError(r.conn.PgConn(), e)
	if run.guarded { // All of the run have these settings; each is told by itself.
		behind := run.replayed() > 0 && guard.IsBehind(e)
		for _, q := range run.requests[run.next:] {
			run.next++
			if behind && q.replayed > 0 {
				q.sent = false // Postgres has not begun it.
				p.backend.behind()
				p.end(q, lost)
				continue
			}
			p.end(q, unshared)
		}
		r.advanceTo(p.reader.now())
		return good
	}
	bound := r.bound
	r.advance(p.reader.now())
	q.statement.ended(true)
	switch r.fate(q, e, bound, r.cancels()) {
	case runShared:
		r.discard(q.statement)
		p.again([]*request{q})
	case runAlone:
		if e.Code == canceled {
			q.statement.slowed(8 * p.backend.slow())
		} else {
			// Postgres has not begun it.
			q.sent = false
			q.described.stale.Store(true)
			r.discard(q.statement)
		}
		p.end(q, unshared)
	default:
		if q.rows.late = e; q.rows.left == 0 && p.reader.mode != pgx.QueryExecModeCacheDescribe {
			q.rows.fields = nil // as pgx has them
		}
		p.end(q, answered)
	}
	return good
}

// advanceTo takes in that something came, without a request of its own.
func (r *receiver) advanceTo(now int64) {
	r.last = now
	r.pipe.moved.Store(now)
}

// ready takes in that a run has ended.
func (r *receiver) ready(m *pgproto3.ReadyForQuery) bool {
	run := r.run()
	if run == nil || m.TxStatus != 'I' {
		return false
	}
	p := r.pipe
	if rest := run.requests[run.next:]; len(rest) > 0 {
		// Postgres has skipped them because of the error before.
		run.next = len(run.requests)
		p.again(rest)
	}
	p.reader.counters.runs.Add(1)
	p.reader.counters.sent.Add(uint64(len(run.requests)))
	r.useful = true
	r.last = max(r.last, p.reader.now())
	if run.rehearsal != nil { // That comes next.
		run.rehearsal.begun = true
		r.head.Store(nil)
		return true
	}
	r.next()
	return true
}

// next goes to the next run.
func (r *receiver) next() {
	if r.at++; r.at < len(r.batch.runs) {
		r.aim()
		return
	}
	r.pipe.reader.counters.writes.Add(1)
	r.mu.Lock()
	if len(r.batches) > 0 && r.batches[0] == r.batch {
		r.batches = r.batches[1:]
	}
	r.mu.Unlock()
	r.batch = nil
	r.aim()
	<-r.slots
}
