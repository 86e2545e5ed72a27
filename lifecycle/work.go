package lifecycle

import (
	"context"
	"sync"
	"sync/atomic"
)

// Kind is a kind of work.
type Kind uint8

const (
	// Request is work that ends by itself, and is waited for.
	Request Kind = iota
	// Stream is work that goes on until it is told to end, such as a subscription.
	Stream
)

// work is what runs, by kind.
type work struct {
	running [2]int // with the Lifecycle's lock
	idle    chan struct{}
	shed    atomic.Uint64
	cut     atomic.Uint64
	bare    atomic.Int64       // requests of servers outside of Handler, see unknown
	ends    [2]context.Context // end when work of the kind is told to
	tell    [2]context.CancelCauseFunc
	severed context.Context // ends when connections are closed under what runs
	sever   context.CancelFunc
}

func (w *work) init() {
	w.idle = make(chan struct{})
	w.severed, w.sever = context.WithCancel(context.Background())
	for kind := range w.ends {
		w.ends[kind], w.tell[kind] = context.WithCancelCause(context.Background())
	}
}

// Begin admits work that comes another way than through [Lifecycle.Handler], such as a message of
// a queue. The work has the context that is returned, and calls done when it has ended, also
// when it panics. The error is [ErrNotReady], [ErrDraining] or [ErrClosed].
func (l *Lifecycle) Begin(ctx context.Context, kind Kind) (_ context.Context, done func(), err error) {
	if kind != Stream {
		kind = Request
	}
	if ctx == nil {
		return nil, nil, errNoContext
	}
	if err := l.admit(kind); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(l.work.ends[kind], func() { cancel(ErrDraining) })
	return ctx, sync.OnceFunc(func() {
		forget()
		cancel(context.Canceled)
		l.leave(kind)
	}), nil
}

// admit counts work in, or says why not.
func (l *Lifecycle) admit(kind Kind) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if err != nil {
			l.work.shed.Add(1)
		}
	}()
	switch {
	case l.state == Closed:
		return ErrClosed
	case l.shedding || l.state == Draining && !l.ready:
		return ErrDraining
	case !l.ready:
		return ErrNotReady
	}
	l.work.running[kind]++
	return nil
}

func (l *Lifecycle) leave(kind Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work.running[kind]--
	l.look()
}

// look closes idle if nothing runs and nothing can come. It is called with the lock.
func (l *Lifecycle) look() {
	if l.shedding && l.work.running == [2]int{} {
		select {
		case <-l.work.idle: // already
		default:
			close(l.work.idle)
		}
	}
}

// unknown returns how many requests of servers run outside of Handler.
func (w *work) unknown() int { return int(max(0, w.bare.Load())) }

// end tells all work of a kind to end, and returns how much that is.
func (l *Lifecycle) end(kind Kind) int {
	l.mu.Lock()
	n := l.work.running[kind]
	l.mu.Unlock()
	l.work.tell[kind](ErrDraining)
	return n
}
