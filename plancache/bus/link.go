package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
)

// Link is an invalidator of caches (plancache.Invalidator) over a transport, one for all
// caches of a process. Make it with [New]. It is safe for concurrent use.
type Link struct {
	transport Transport
	options   Options
	origin    string
	relays    relay

	ctx    context.Context
	stop   context.CancelFunc
	tasks  sync.WaitGroup
	closed chan struct{} // when Close has ended
	once   sync.Once
	unsent error

	out outbox

	mu       sync.Mutex
	up       bool                    // it is subscribed
	ever     bool                    // it has been
	downErr  error                   // why it is not
	attempt  int                     // which call of Subscribe counts
	drop     context.CancelCauseFunc // ends the subscription
	unechoed time.Time               // when the first message was published that has not come back; zero: all have
	peers    *peers
	first    chan struct{} // closed when it is subscribed for the first time
	heard    chan struct{} // closed when the first of its own messages has come back
	watchers map[*watcher]struct{}
	blind    blindness

	sendErr error // of the last call of Before or of Publish

	turn    chan struct{} // has a place for one call of Before or of Publish
	reports callback.Errors
	counts  counts
}

// relay connects a link with the other one of a bridge. For other links it is zero.
type relay struct {
	message func(m *message)      // is called with what others have sent
	ignores func(m *message) bool // reports whether nothing is to be done with it
	dropped func()                // is called when something may have been missed
	local   bool                  // other bridges do not carry what the link says itself
}

// Ready waits until messages go both ways. An instance that serves before may change what
// nobody is told of, and nobody misses it.
func (l *Link) Ready(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	select {
	case <-l.heard:
		return nil
	case <-ctx.Done():
		return l.late(ctx, "no message has come back")
	case <-l.ctx.Done():
		return ErrClosed
	}
}

var errNoContext = errors.New("bus: the context is nil")

// late is the error of a call whose context has ended, with what is known of the cause.
func (l *Link) late(ctx context.Context, what string) error {
	if err := l.Health().Err; err != nil {
		return fmt.Errorf("bus: %s: %w: %w", what, ctx.Err(), err)
	}
	return fmt.Errorf("bus: %s: %w", what, ctx.Err())
}

// New returns a link, which the caller must close. It does not wait for the transport, which
// it does not close.
func New(transport Transport, o Options) (*Link, error) { return newLink(transport, o, relay{}) }

func newLink(transport Transport, o Options, relays relay) (*Link, error) {
	if transport == nil {
		return nil, errors.New("bus: the transport is nil")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	var origin [originSize / 2]byte
	_, _ = rand.Read(origin[:]) // It does not fail.
	now := time.Now()
	l := &Link{
		transport: transport, options: o, origin: hex.EncodeToString(origin[:]), relays: relays,
		closed: make(chan struct{}), first: make(chan struct{}), heard: make(chan struct{}),
		watchers: map[*watcher]struct{}{}, drop: func(error) {}, turn: make(chan struct{}, 1),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.peers = newPeers(l.origin, o, now)
	l.blind.begin(now, o.BlindFor)
	l.out.init()
	l.tasks.Go(l.subscribe)
	l.tasks.Go(l.send)
	l.tasks.Go(l.look)
	return l, nil
}

// closePatience bounds the wait of Close for the transport.
const closePatience = time.Second

// Close publishes what is left, says goodbye to the peers and ends. Watchers' channels are
// closed. The error says what could not be published, or that the transport does not end.
// Closing again waits, and returns the same.
func (l *Link) Close() error {
	l.once.Do(func() {
		defer close(l.closed)
		l.out.close()
		select {
		case <-l.out.ended:
		case <-time.After(closePatience):
		}
		l.stop()
		ended := make(chan struct{})
		go func() { l.tasks.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(closePatience):
			l.unsent = errors.New("bus: closed, and the transport goes on after its context has ended")
		}
		l.mu.Lock()
		for w := range l.watchers {
			l.unwatch(w)
		}
		l.mu.Unlock()
		if n := l.out.size(); n > 0 {
			l.unsent = errors.Join(l.unsent, fmt.Errorf("bus: closed with %d keys that could not be published", n))
		}
	})
	<-l.closed
	return l.unsent
}

// report counts an error that no caller gets, and has OnError called.
func (l *Link) report(err error) {
	l.counts.errors.Add(1)
	if l.options.OnError != nil {
		l.reports.Send(l.options.OnError, err)
	}
}
