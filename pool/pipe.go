package pool

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	maxBatch     = 128 // statements in one flight
	maxFlights   = 3   // flights on the way
	maxPrepared  = 512 // statements that a connection keeps prepared
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = time.Second
	// stuckAfter is how long nothing may come back until a connection is given up.
	stuckAfter = 5 * time.Second
)

// request is one statement on its way. Its caller may stop waiting for it.
type request struct {
	statement *statement
	described *description
	params    pgx.ExtendedQueryBuilder
	rows      *heldRows
	trial     bool
	outcome   outcome
	done      chan struct{}
}

type outcome uint8

const (
	answered outcome = iota // rows have the result, or Postgres's error
	unshared                // it must be run on a connection of its own
)

// end tells the caller. The request is the caller's then.
func (q *request) end(p *pipe, o outcome) {
	if q.trial {
		p.trial.Store(false)
	}
	q.outcome = o
	q.done <- struct{}{}
}

// pipe is one connection that many callers share. A writer sends whatever waits in
// one flight, which ends with one Sync; a reader takes the results, while the writer
// sends the next.
type pipe struct {
	target *target
	reader *Reader

	mu    sync.Mutex
	queue []*request
	up    bool          // there is a connection
	wake  chan struct{} // of capacity 1, for the writer
	load  atomic.Int64  // requests that wait or are on the way
	moved atomic.Int64  // when a result came last, in nanoseconds of the reader's clock
	trial atomic.Bool   // a statement is tried
}

// flight is what was sent with one Sync.
type flight struct {
	requests []*request
	sent     int64 // on the reader's clock
	prelude  bool  // the first result is that of what makes it read-only
}

// enqueue adds a request, unless there is no connection, or the request or another one
// is a trial, which is to have the connection to itself.
func (p *pipe) enqueue(q *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up || p.trial.Load() || q.trial && p.load.Load() > 0 {
		return false
	}
	p.trial.Store(q.trial)
	p.queue = append(p.queue, q)
	if p.load.Add(1) == 1 {
		p.moved.Store(p.reader.now())
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return true
}

// run keeps a connection until the pipe is closed.
func (p *pipe) run(ctx context.Context) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		conn, err := p.target.connect(ctx)
		if err == nil && p.serve(ctx, conn) {
			backoff = firstBackoff
			continue
		}
		// With jitter, so that many pipes do not come back at the same time.
		select {
		case <-ctx.Done():
		case <-time.After(backoff/2 + rand.N(backoff)):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// serve uses one connection until it fails. What was on the way then is run on
// connections of its own: reads may be run again. It returns whether the connection
// was of use.
func (p *pipe) serve(ctx context.Context, conn *pgconn.HijackedConn) (useful bool) {
	p.mu.Lock()
	p.up = true
	p.mu.Unlock()
	flights := make(chan *flight, maxFlights)
	failed := make(chan struct{})
	var once sync.Once
	fail := func() {
		once.Do(func() {
			close(failed)
			conn.Conn.Close()
		})
	}
	stop := context.AfterFunc(ctx, fail)
	defer stop()
	s := &session{pipe: p, frontend: conn.Frontend, prepared: map[*statement]prepared{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		if p.stuck(failed) {
			fail()
			cancelRunning(conn)
		}
	})
	wg.Go(func() {
		defer fail()
		defer close(flights)
		s.write(flights, failed)
	})
	wg.Go(func() {
		useful = s.read(flights)
		fail()
		// What was sent has no results any more.
		for f := range flights {
			p.giveUp(f.requests)
		}
	})
	wg.Wait()
	// So may be what the others were idle on.
	p.target.direct.gate.failedAt.Store(time.Now().UnixNano())
	p.mu.Lock()
	p.up = false
	rest := p.queue
	p.queue = nil
	p.mu.Unlock()
	p.giveUp(rest)
	return useful
}

// stuck returns true when something is on the way and nothing comes back, or false
// when the connection has failed.
func (p *pipe) stuck(failed <-chan struct{}) bool {
	bound := max(stuckAfter, 2*p.reader.config.StatementTimeout)
	tick := time.NewTicker(bound / 8)
	defer tick.Stop()
	for {
		select {
		case <-failed:
			return false
		case <-tick.C:
			if p.load.Load() > 0 && time.Duration(p.reader.now()-p.moved.Load()) > bound {
				return true
			}
		}
	}
}

// cancelRunning asks Postgres to stop what a connection that is closed had begun.
func cancelRunning(conn *pgconn.HijackedConn) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if c, err := pgconn.Construct(conn); err == nil {
		_ = c.CancelRequest(ctx) // It may be that nobody is there.
	}
}

// giveUp lets requests be run elsewhere.
func (p *pipe) giveUp(list []*request) {
	for _, q := range list {
		p.load.Add(-1)
		q.end(p, unshared)
	}
}

// session is what is known of one connection.
type session struct {
	pipe     *pipe
	frontend *pgproto3.Frontend
	mu       sync.Mutex
	prepared map[*statement]prepared
	order    []*statement // the oldest first
	names    int
}

// prepared is a statement that Postgres has parsed on this connection.
type prepared struct {
	name      string
	described *description
}

// take waits for requests.
func (s *session) take(failed <-chan struct{}) []*request {
	p := s.pipe
	for {
		p.mu.Lock()
		if len(p.queue) > 0 {
			p.mu.Unlock()
			// Callers that are about to come join this flight.
			runtime.Gosched()
			p.mu.Lock()
			n := min(len(p.queue), maxBatch)
			batch := append([]*request(nil), p.queue[:n]...)
			p.queue = append(p.queue[:0], p.queue[n:]...)
			p.mu.Unlock()
			return batch
		}
		p.mu.Unlock()
		select {
		case <-p.wake:
		case <-failed:
			return nil
		}
	}
}

// write sends flights until the connection fails.
func (s *session) write(flights chan<- *flight, failed <-chan struct{}) {
	for {
		batch := s.take(failed)
		if batch == nil {
			return
		}
		f := &flight{requests: batch, sent: s.pipe.reader.now()}
		config := &s.pipe.reader.config
		if config.TransactionPooling {
			f.prelude = true
			s.sendPrelude(config.StatementTimeout)
		}
		for _, q := range batch {
			if config.TransactionPooling {
				s.sendOnce(q)
			} else {
				s.send(q)
			}
		}
		s.frontend.SendSync(&pgproto3.Sync{})
		// The reader must know of it before results come.
		select {
		case flights <- f:
		case <-failed:
			s.pipe.giveUp(batch)
			return
		}
		if s.frontend.Flush() != nil {
			return
		}
	}
}

// send writes the messages of one statement.
func (s *session) send(q *request) {
	s.mu.Lock()
	entry, known := s.prepared[q.statement]
	if known && entry.described != q.described {
		s.closeStatement(q.statement) // It was parsed before the schema changed.
		known = false
	}
	if !known {
		if len(s.order) >= maxPrepared {
			s.closeStatement(s.order[0])
		}
		s.names++
		entry = prepared{"gqlboost_" + strconv.Itoa(s.names), q.described}
		s.prepared[q.statement] = entry
		s.order = append(s.order, q.statement)
	}
	s.mu.Unlock()
	if !known {
		s.frontend.SendParse(&pgproto3.Parse{Name: entry.name, Query: q.statement.sql, ParameterOIDs: q.described.ParamOIDs})
		// The schema may have changed since it was described.
		s.frontend.SendDescribe(&pgproto3.Describe{ObjectType: 'S', Name: entry.name})
	}
	s.frontend.SendBind(&pgproto3.Bind{
		PreparedStatement: entry.name, ParameterFormatCodes: q.params.ParamFormats, Parameters: q.params.ParamValues, ResultFormatCodes: q.params.ResultFormats,
	})
	s.frontend.SendExecute(&pgproto3.Execute{})
}

// sendOnce writes the messages of one statement that is not to stay prepared.
func (s *session) sendOnce(q *request) {
	s.frontend.SendParse(&pgproto3.Parse{Query: q.statement.sql, ParameterOIDs: q.described.ParamOIDs})
	s.frontend.SendBind(&pgproto3.Bind{
		ParameterFormatCodes: q.params.ParamFormats, Parameters: q.params.ParamValues, ResultFormatCodes: q.params.ResultFormats,
	})
	// The schema may have changed since it was described.
	s.frontend.SendDescribe(&pgproto3.Describe{ObjectType: 'P'})
	s.frontend.SendExecute(&pgproto3.Execute{})
}

// sendPrelude makes a transaction what sessions of our own are.
func (s *session) sendPrelude(timeout time.Duration) {
	sql := readOnly
	if timeout > 0 {
		sql = fmt.Sprintf("%s, set_config('statement_timeout', '%d', true)", readOnly, timeout.Milliseconds())
	}
	s.frontend.SendParse(&pgproto3.Parse{Query: sql})
	s.frontend.SendBind(&pgproto3.Bind{})
	s.frontend.SendExecute(&pgproto3.Execute{})
}

// closeStatement makes Postgres forget a statement. It is called with the lock.
func (s *session) closeStatement(st *statement) {
	s.frontend.SendClose(&pgproto3.Close{ObjectType: 'S', Name: s.prepared[st].name})
	s.remove(st)
}

func (s *session) remove(st *statement) {
	delete(s.prepared, st)
	if i := slices.Index(s.order, st); i >= 0 {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

// forget makes the next use of a statement prepare it again.
func (s *session) forget(st *statement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(st)
}

// read takes results until the connection fails. It listens also while nothing is
// on the way, so that a connection that ends is noticed at once. It returns whether
// anything was answered.
func (s *session) read(flights <-chan *flight) (useful bool) {
	p := s.pipe
	limit := p.reader.config.MaxHeld
	var f *flight
	next := 0                // the request of f whose result comes
	var last int64           // when the last result came
	current := func() bool { // makes f the flight that the message is about
		if f != nil {
			return true
		}
		select {
		case f = <-flights:
			next = 0
			return f != nil
		default:
			return false // Postgres says this of its own.
		}
	}
	for {
		message, err := s.frontend.Receive()
		if err != nil {
			if f != nil {
				p.giveUp(f.requests[next:])
			}
			return useful
		}
		switch m := message.(type) {
		case *pgproto3.RowDescription:
			if !current() || next == len(f.requests) {
				return useful
			}
			if q := f.requests[next]; !q.described.matches(m.Fields) {
				q.described.stale.Store(true)
			}
		case *pgproto3.DataRow:
			if !current() || next == len(f.requests) {
				return useful
			}
			if q := f.requests[next]; !f.prelude && len(q.rows.data) <= limit {
				q.rows.data = appendRow(q.rows.data, m.Values)
				q.rows.left++
			}
		case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
			if !current() || next == len(f.requests) {
				return useful
			}
			if f.prelude {
				f.prelude = false
				continue
			}
			q := f.requests[next]
			next++
			if complete, ok := m.(*pgproto3.CommandComplete); ok {
				q.rows.tag = pgconn.NewCommandTag(string(complete.CommandTag))
			}
			now := p.reader.now()
			took := time.Duration(now - max(last, f.sent))
			q.statement.observeShared(took, p.target.slow())
			p.target.lower(took)
			q.statement.ended(false)
			last = now
			p.moved.Store(now)
			p.load.Add(-1)
			switch {
			case q.described.stale.Load():
				q.end(p, unshared) // The columns are others than it thinks.
			case len(q.rows.data) > limit:
				q.statement.large.Store(true)
				q.end(p, unshared)
			default:
				q.end(p, answered)
			}
		case *pgproto3.ErrorResponse:
			if !current() || next == len(f.requests) || f.prelude || fatal(m) {
				if f != nil {
					p.giveUp(f.requests[next:])
				}
				return useful
			}
			q := f.requests[next]
			next++
			q.statement.ended(true)
			last = p.reader.now()
			p.moved.Store(last)
			s.forget(q.statement) // It may be the Parse that has failed.
			p.load.Add(-1)
			if stale(m.Code, m.Message) {
				q.described.stale.Store(true)
			}
			timedOut := m.Code == "57014" && p.reader.config.StatementTimeout > 0
			if timedOut {
				q.statement.observeShared(8*p.target.slow(), p.target.slow())
			}
			if timedOut || q.described.stale.Load() {
				q.end(p, unshared)
			} else {
				q.rows.err = pgconn.ErrorResponseToPgError(m)
				q.end(p, answered)
			}
		case *pgproto3.ReadyForQuery:
			if !current() {
				return useful
			}
			if rest := f.requests[next:]; len(rest) > 0 {
				// Postgres has skipped them because of the error before. Of those that
				// were to be prepared in this flight it has not heard.
				for _, q := range rest {
					s.forget(q.statement)
				}
				p.again(rest)
			}
			p.reader.counters.batches.Add(1)
			p.reader.counters.batched.Add(uint64(len(f.requests)))
			last = max(last, p.reader.now())
			useful = true
			f = nil
		}
	}
}

// again queues requests that were skipped, before others.
func (p *pipe) again(list []*request) {
	p.reader.counters.reruns.Add(uint64(len(list)))
	p.mu.Lock()
	p.queue = append(append([]*request(nil), list...), p.queue...)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// fatal tells of errors after which the connection ends.
func fatal(m *pgproto3.ErrorResponse) bool {
	return m.SeverityUnlocalized == "FATAL" || m.SeverityUnlocalized == "PANIC"
}

// stale tells of errors of a statement of which what was known is good no more: the
// schema has changed, or what was prepared is gone.
func stale(code, message string) bool {
	return code == "26000" || code == "0A000" && message == "cached plan must not change result type" ||
		code == "08P01" && strings.HasPrefix(message, "bind message")
}
