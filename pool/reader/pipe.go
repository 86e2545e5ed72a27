package reader

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
)

const (
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = time.Second
)

// The states of a request. The goroutine that takes it out of waiting notifies its caller, or is it.
const (
	waiting int32 = iota
	left          // its caller waits no more; what comes for it is dropped
	ended
)

// request is one statement on a pipe.
type request struct {
	statement *statement
	described *description
	settings  *guard.Settings
	session   atomic.Pointer[session] // nil: it has ended, and may be another caller's next
	params    pgx.ExtendedQueryBuilder
	rows      *heldRows
	trial     bool
	single    bool // it is a transaction of its own
	sent      bool
	replayed  uint64 // what the server must have replayed; 0: anything
	state     atomic.Int32
	outcome   outcome
	done      chan struct{} // of capacity 1
}

type outcome uint8

const (
	answered outcome = iota // rows have the result, or Postgres's error
	unshared                // it must be run on a connection of its own
	lost                    // so it must, on the primary: this one has failed, or the server is behind
)

// same reports whether two requests may be in one transaction.
func (q *request) same(other *request) bool {
	return !q.single && !other.single && q.statement == other.statement && q.described == other.described &&
		sameSettings(q.settings, other.settings)
}

func sameSettings(a, b *guard.Settings) bool {
	return a == b || a != nil && b != nil && a.ID == b.ID
}

// pipe is a shared connection, or the place of one that is opened when it is wanted.
type pipe struct {
	backend *backend
	reader  *Reader
	number  int

	session atomic.Pointer[session] // nil: there is no connection
	leaving atomic.Bool             // it takes nothing new, and is closed when it is empty
	wanted  chan struct{}           // of capacity 1: somebody would have used it

	mu    sync.Mutex
	queue []*request
	wake  chan struct{} // of capacity 1, for the writer
	load  atomic.Int64  // requests that wait or are on the way
	moved atomic.Int64  // when a result came last, in nanoseconds of the reader's clock
	trial atomic.Bool   // a statement is tried
}

// want has a connection opened.
func (p *pipe) want() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// enqueue adds a request, unless there is no connection, or the request or another one
// is a trial, which is to have the connection to itself.
func (p *pipe) enqueue(q *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session.Load() != q.session.Load() || p.leaving.Load() || p.trial.Load() || q.trial && p.load.Load() > 0 {
		return false
	}
	p.trial.Store(q.trial)
	p.queue = append(p.queue, q)
	if p.load.Add(1) == 1 {
		p.moved.Store(p.reader.now())
	}
	p.awake()
	return true
}

func (p *pipe) awake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// end tells the caller of a request, which is the caller's then.
func (p *pipe) end(q *request, o outcome) {
	p.load.Add(-1)
	if q.trial {
		p.trial.Store(false)
	}
	q.outcome = o
	if q.state.CompareAndSwap(waiting, ended) {
		q.done <- struct{}{}
		return
	}
	q.rows.Close() // Nobody waits for them.
}

// release lets the caller of a request go on without it.
func release(q *request) {
	if q.state.CompareAndSwap(waiting, left) {
		q.done <- struct{}{}
	}
}

// giveUp lets requests be run elsewhere.
func (p *pipe) giveUp(list []*request) {
	for _, q := range list {
		p.end(q, lost)
	}
}

// again queues requests that were skipped, before others and each by itself.
func (p *pipe) again(list []*request) {
	p.reader.counters.reruns.Add(uint64(len(list)))
	for _, q := range list {
		q.single = true
	}
	p.back(list)
}

// back queues requests before others.
func (p *pipe) back(list []*request) {
	p.mu.Lock()
	p.queue = append(append([]*request(nil), list...), p.queue...)
	p.mu.Unlock()
	p.awake()
}

// run keeps a connection while it is wanted, until the context ends.
func (p *pipe) run(ctx context.Context) {
	backoff := firstBackoff
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wanted:
		}
		s, err := p.backend.open(ctx, p)
		if err == nil && s.serve(ctx) {
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
