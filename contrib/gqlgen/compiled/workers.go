package compiled

import (
	"sync"
	"sync/atomic"
)

// workers are goroutines that are kept when they have nothing to do, because a goroutine that
// has run resolvers has a stack that is large enough for the next ones. None is kept while
// there is no operation.
type workers struct {
	operations atomic.Int64 // under way

	mu   sync.Mutex
	idle []chan *together // the goroutine that has worked last is at the end
}

// maxIdle is how many goroutines are kept.
const maxIdle = 512

// begin says that an operation begins.
func (p *workers) begin() { p.operations.Add(1) }

// end says that an operation has ended.
func (p *workers) end() {
	if p.operations.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, next := range p.idle {
		close(next)
	}
	p.idle = nil
}

// help calls t.help on a goroutine that is not the caller's.
func (p *workers) help(t *together) {
	p.mu.Lock()
	n := len(p.idle)
	if n == 0 {
		p.mu.Unlock()
		go p.work(t)
		return
	}
	next := p.idle[n-1]
	p.idle = p.idle[:n-1]
	p.mu.Unlock()
	next <- t
}

func (p *workers) work(t *together) {
	next := make(chan *together, 1)
	for t != nil {
		t.help()
		if !p.keep(next) {
			return
		}
		t = <-next
	}
}

// keep reports whether a goroutine is kept.
func (p *workers) keep(next chan *together) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= maxIdle || p.operations.Load() == 0 {
		return false
	}
	p.idle = append(p.idle, next)
	return true
}

// together is a number of calls that run at once, as far as they wait: each goroutine that
// begins a call first sees to it that another one is on its way to the next call. Calls that
// return at once thus run on one goroutine, and calls that block all run at the same time.
type together struct {
	pool    *workers
	do      func(i int)
	n       int64
	limit   int64        // of goroutines; 0 is none
	next    atomic.Int64 // call to begin
	running atomic.Int64 // goroutines
	coming  atomic.Bool  // whether a goroutine is on its way
	left    atomic.Int64 // calls that have not returned
	done    chan struct{}

	panicked atomic.Pointer[any] // what the first call that panicked did so with
}

// each calls do for 0 to n-1 and returns when all calls have. No more than limit run at the
// same time, unless it is 0. If one panics, each does: nobody would recover that of another
// goroutine, which ends the process.
func (p *workers) each(n int, limit int64, do func(i int)) {
	if n == 1 || limit == 1 {
		for i := range n {
			do(i)
		}
		return
	}
	if n == 0 {
		return
	}
	t := &together{pool: p, do: do, n: int64(n), limit: limit, done: make(chan struct{})}
	t.left.Store(t.n)
	t.running.Store(1)
	t.work()
	<-t.done
	if r := t.panicked.Load(); r != nil {
		panic(*r)
	}
}

func (t *together) help() {
	t.coming.Store(false)
	t.work()
}

func (t *together) work() {
	defer t.running.Add(-1)
	for {
		i := t.next.Add(1) - 1
		if i >= t.n {
			return
		}
		if i < t.n-1 && !t.coming.Swap(true) {
			if t.limit == 0 || t.running.Load() < t.limit {
				t.running.Add(1)
				t.pool.help(t)
			} else {
				t.coming.Store(false)
			}
		}
		t.call(int(i))
	}
}

// call makes one call. The others are waited for even if this one calls runtime.Goexit.
func (t *together) call(i int) {
	defer func() {
		if r := recover(); r != nil {
			t.panicked.CompareAndSwap(nil, &r)
		}
		if t.left.Add(-1) == 0 {
			close(t.done)
		}
	}()
	t.do(i)
}
