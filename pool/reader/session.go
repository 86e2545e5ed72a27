package reader

import (
	"container/list"
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	maxBatch    = 128 // statements in one write
	maxBatches  = 3   // writes on the way
	maxPrepared = 512 // statements that a connection keeps prepared
	minPrepared = 2   // a guard and its statement

	maxPreparedDirect = 128 // statements that the Reader keeps prepared on one of the pool's
)

// session is one shared connection while it is open. Three goroutines use it: one writes,
// one reads, and one watches that results move.
type session struct {
	pipe       *pipe
	conn       *pgx.Conn // nobody else uses it
	own        *pgx.ConnConfig
	frontend   *pgproto3.Frontend
	types      *types
	parameters *parameters
	answers    answers // of the server, which may be another one for another session
	isolated   bool    // statements of one transaction see one state of the data
	pooled     bool    // each transaction may be in another session of Postgres's
	limit      int     // statements that stay prepared; below minPrepared: none does
	epoch      int64
	ends       int64 // on the reader's clock

	head     atomic.Pointer[statement] // whose result comes next, if anything is on the way
	canceled atomic.Int64              // when it was asked to cancel last, on the reader's clock; 0: never
	useful   bool                      // anything was answered; the reading goroutine's

	slots chan struct{} // of writes on the way

	mu       sync.Mutex
	prepared map[preparedKey]*prepared
	order    list.List // of *prepared, the most recently used first
	names    int
	closing  []string // names to be closed with the next write
	batches  []*batch
}

// preparedKey is a statement, or the shape of a guard.
type preparedKey struct {
	statement *statement
	shape     guard.Shape
	rehearsed bool // it is being rehearsed, and not used yet
}

// prepared is a statement that Postgres has parsed on this connection.
type prepared struct {
	key       preparedKey
	name      string
	described *description // nil for guards
	uses      int          // of a statement with lists, until it is rehearsed
	place     *list.Element
}

// serve uses the connection until it fails or has served its time. What was on the way
// when it failed is run elsewhere: reads may be run again. It reports whether the
// connection was of use.
func (s *session) serve(ctx context.Context) bool {
	p := s.pipe
	batches := make(chan *batch, maxBatches)
	s.slots = make(chan struct{}, maxBatches)
	if s.pooled {
		s.slots = make(chan struct{}, 1)
	}
	failed := make(chan struct{})
	socket := s.conn.PgConn().Conn()
	var once sync.Once
	fail := func() {
		once.Do(func() {
			close(failed)
			_ = socket.Close()
		})
	}
	stop := context.AfterFunc(ctx, fail)
	defer stop()
	p.moved.Store(p.reader.now())
	p.mu.Lock()
	p.leaving.Store(false)
	p.session.Store(s)
	p.mu.Unlock()
	retired := false
	var wg sync.WaitGroup
	wg.Go(func() {
		defer fail()
		if retired = s.watch(failed); retired {
			// The others end, and leave the connection as it should be for BeforeClose.
			once.Do(func() {
				close(failed)
				_ = socket.SetReadDeadline(time.Unix(1, 0))
			})
		}
	})
	wg.Go(func() {
		defer fail()
		defer close(batches)
		s.write(batches, failed)
	})
	wg.Go(func() {
		defer func() { // also where a hook has called Goexit
			fail()
			// What was sent has no results any more.
			for b := range batches {
				s.abandon(b)
			}
		}()
		s.read(batches)
	})
	wg.Wait()
	p.mu.Lock()
	p.session.Store(nil)
	rest := p.queue
	p.queue = nil
	p.mu.Unlock()
	p.giveUp(rest)
	_ = socket.SetReadDeadline(time.Time{})
	p.backend.server.Drop(s.conn, !retired && ctx.Err() == nil)
	return s.useful || retired
}

// abandon gives up what is left of a batch.
func (s *session) abandon(b *batch) {
	for i := range b.runs {
		r := &b.runs[i]
		s.pipe.giveUp(r.requests[r.next:])
		r.next = len(r.requests)
		s.endRehearsal(r)
	}
}

// take waits for requests.
func (s *session) take(requests []*request, failed <-chan struct{}) []*request {
	p := s.pipe
	for {
		p.mu.Lock()
		if len(p.queue) > 0 {
			p.mu.Unlock()
			// Callers that are about to come join this write.
			runtime.Gosched()
			p.mu.Lock()
			n := min(len(p.queue), maxBatch)
			for _, q := range p.queue[:n] {
				if q.state.Load() == waiting {
					q.sent = true
					requests = append(requests, q)
				} else {
					p.end(q, unshared)
				}
			}
			p.queue = append(p.queue[:0], p.queue[n:]...)
			p.mu.Unlock()
			if len(requests) > 0 {
				return requests
			}
			continue
		}
		p.mu.Unlock()
		select {
		case <-p.wake:
		case <-failed:
			return nil
		}
	}
}

// write sends batches until the connection fails.
func (s *session) write(batches chan<- *batch, failed <-chan struct{}) {
	var requests []*request
	for {
		select {
		case s.slots <- struct{}{}:
		case <-failed:
			return
		}
		requests = s.take(requests[:0], failed)
		if len(requests) == 0 {
			return
		}
		b := group(requests, s.pipe.reader.now())
		if s.pooled {
			// A pooler may give a server connection to others at the first Sync that is
			// answered, also if this connection fails meanwhile and more answers come.
			var later []*request
			for _, r := range b.runs[1:] {
				later = append(later, r.requests...)
			}
			s.pipe.back(later)
			b.runs = b.runs[:1]
		}
		s.mu.Lock()
		s.batches = append(s.batches, b)
		s.mu.Unlock()
		for i := range b.runs {
			s.send(&b.runs[i])
		}
		// The reader must know of it before results come.
		select {
		case batches <- b:
		case <-failed:
			s.abandon(b)
			return
		}
		if s.frontend.Flush() != nil {
			return
		}
	}
}

// send writes the messages of a run.
func (s *session) send(r *run) {
	first := r.requests[0]
	g := s.guard(first.settings, r.replayed())
	closes := s.takeClosing()
	var guardName, name string
	var guardKnown, known bool
	if r.guarded = !g.Empty(); r.guarded {
		guardName, guardKnown, closes = s.prepare(r, preparedKey{shape: g.Shape()}, nil, closes)
	}
	name, known, closes = s.prepare(r, preparedKey{statement: first.statement}, first.described, closes)
	// These come first: what follows an error Postgres skips.
	s.sendCloses(closes)
	if r.guarded {
		if !guardKnown {
			s.frontend.SendParse(&pgproto3.Parse{Name: guardName, Query: g.Shape().Statement()})
		}
		s.sendGuard(guardName, &g)
	}
	if !known {
		s.sendParse(name, first)
		// The schema may have changed since it was described.
		s.frontend.SendDescribe(&pgproto3.Describe{ObjectType: 'S', Name: name})
	}
	for _, q := range r.requests {
		s.sendBind(name, q, q.params.ParamValues)
		s.frontend.SendExecute(&pgproto3.Execute{})
	}
	s.frontend.SendSync(&pgproto3.Sync{})
	s.rehearse(r)
}

// sendCloses has Postgres forget statements.
func (s *session) sendCloses(names []string) {
	for _, name := range names {
		s.frontend.SendClose(&pgproto3.Close{ObjectType: 'S', Name: name})
	}
}

// sendParse prepares the statement of a request.
func (s *session) sendParse(name string, q *request) {
	s.frontend.SendParse(&pgproto3.Parse{Name: name, Query: q.statement.sql, ParameterOIDs: q.described.ParamOIDs})
}

// sendBind binds a statement to values, which come in the formats of a request.
func (s *session) sendBind(name string, q *request, values [][]byte) {
	s.frontend.SendBind(&pgproto3.Bind{
		PreparedStatement: name, ParameterFormatCodes: q.params.ParamFormats, Parameters: values,
		ResultFormatCodes: q.params.ResultFormats,
	})
}

// sendGuard runs a guard that is prepared.
func (s *session) sendGuard(name string, g *guard.Guard) {
	var values [][]byte
	for _, arg := range g.Args() {
		values = append(values, []byte(arg))
	}
	s.frontend.SendBind(&pgproto3.Bind{PreparedStatement: name, Parameters: values})
	s.frontend.SendExecute(&pgproto3.Execute{})
}

// prepare returns the name of a statement, and reports whether Postgres knows it. What it
// does not know the run prepares. Never more than the limit are prepared: what makes room
// is added to the names to be closed.
func (s *session) prepare(
	r *run, key preparedKey, described *description, closes []string,
) (name string, known bool, _ []string) {
	if s.limit < minPrepared {
		r.parses = append(r.parses, nil)
		return "", false, closes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.prepared[key]
	if entry != nil && entry.described == described {
		s.order.MoveToFront(entry.place)
		return entry.name, true, closes
	}
	if entry != nil { // It was parsed before the schema changed.
		closes = append(closes, entry.name)
		s.remove(entry)
	}
	entry, closes = s.add(key, described, closes)
	r.parses = append(r.parses, entry)
	return entry.name, false, closes
}

// add has a new statement among those that are prepared. It is called with the lock.
func (s *session) add(key preparedKey, described *description, closes []string) (*prepared, []string) {
	for len(s.prepared) >= s.limit {
		last := s.order.Back().Value.(*prepared)
		closes = append(closes, last.name)
		s.remove(last)
	}
	s.names++
	entry := &prepared{key: key, name: "gqlboost_" + strconv.Itoa(s.names), described: described}
	entry.place = s.order.PushFront(entry)
	s.prepared[key] = entry
	return entry, closes
}

// remove forgets a statement. It is called with the lock.
func (s *session) remove(entry *prepared) {
	if s.prepared[entry.key] == entry {
		delete(s.prepared, entry.key)
		s.order.Remove(entry.place)
	}
}

// forget takes in that Postgres does not have statements.
func (s *session) forget(entries ...*prepared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range entries {
		if entry != nil {
			s.remove(entry)
		}
	}
}

// discard has a statement prepared again when it is used next.
func (s *session) discard(st *statement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry := s.prepared[preparedKey{statement: st}]; entry != nil {
		s.remove(entry)
		s.closing = append(s.closing, entry.name)
	}
}

func (s *session) takeClosing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.closing
	s.closing = nil
	return names
}
