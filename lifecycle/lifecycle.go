package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
)

// State is where in its life an instance is. It only grows.
type State uint8

// The states, in their order.
const (
	Starting State = iota // New was called; Start may be under way
	Warming               // components have started
	Ready                 // new work is welcome
	Draining              // no new work, or soon none
	Closed                // nothing runs any more
)

// String returns the state's name in lower case, and State(n) for any other number.
func (s State) String() string {
	names := [...]string{"starting", "warming", "ready", "draining", "closed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

var (
	// ErrNotReady is returned for work that comes before the instance is ready.
	ErrNotReady = errors.New("lifecycle: not ready: the instance is starting")
	// ErrDraining is returned for work that comes when the instance sheds it, and is the cause
	// (context.Cause) for which the contexts of streams, and of what runs for too long, end.
	ErrDraining = errors.New("lifecycle: draining: the instance is shutting down")
	// ErrClosed is returned by what needs an instance that has not been closed.
	ErrClosed = errors.New("lifecycle: closed")
	// ErrCut is matched by Shutdown's error if requests had to be told to end, or work was cut off.
	ErrCut = errors.New("lifecycle: work was cut short")
)

// NoWait stands for none where 0 stands for a default.
const NoWait time.Duration = -1

// Options configure a [Lifecycle]. Zero fields have defaults.
type Options struct {
	// DrainDelay is how long a draining instance serves as before, until balancers have seen that
	// it is not ready. 0 is 5 s, NoWait is none.
	DrainDelay time.Duration
	// StreamGrace is how long streams may go on after that, before their contexts end: a query whose
	// parts go through an event stream ends by itself, but looks like a subscription. 0 is 5 s,
	// NoWait is none.
	StreamGrace time.Duration
	// DrainTimeout is how long work may go on after DrainDelay, before its context ends. 0 is
	// 15 s, NoWait is none.
	DrainTimeout time.Duration
	// CutGrace is how long work has to end after its context has. 0 is 1 s, NoWait is none.
	CutGrace time.Duration
	// RetryAfter is what shed requests are told, in whole seconds. 0 is 1 s, NoWait sends none.
	RetryAfter time.Duration
	// IsStream reports whether a request's response has no end of its own. nil: the request
	// prefers text/event-stream to JSON by its Accept header, or asks for an upgrade to WebSocket. A client
	// that subscribes in another way needs a function of its own.
	IsStream func(*http.Request) bool
	// OnState is called with each state that is reached, in order. It must not wait for Start or
	// Shutdown, which wait for it, for 4 s at most.
	OnState func(State)
	// OnError is called with errors that end nothing: of Warm, and of OnState's and IsStream's
	// panics. It is called by one goroutine at a time, for which nobody waits for more than 50 ms, so it
	// may call Shutdown.
	OnError func(error)
}

// Component is a part of a server with a life of its own, such as a pool or a consumer. Each
// function may be nil. A function that panics fails, and so does one that has not returned a
// second after its context has ended; it is left behind.
type Component struct {
	Name string // for errors
	// Start opens it. An error ends the start: components that have started are closed.
	Start func(context.Context) error
	// Warm makes it fast. An error goes to Options.OnError: a cold instance serves, too.
	Warm func(context.Context) error
	// Drain stops what brings new work, such as a consumer, when the instance begins to drain.
	Drain func(context.Context) error
	// Close closes it when no work is left. It is called once, if Start succeeded or is nil.
	Close func(context.Context) error
	// Timeout bounds each of the functions. 0 is a minute for Start and Warm, and 3 s for Drain
	// and Close.
	Timeout time.Duration
}

// Lifecycle is the life of one instance. It is safe for concurrent use. Make it with [New].
type Lifecycle struct {
	options Options

	started  chan struct{} // closed when components are no longer started
	startEnd chan struct{} // closed when Start has its result
	startErr error

	ending   sync.Once
	draining chan struct{} // closed when the instance begins to drain
	hurry    chan struct{} // closed when nothing is to be waited for
	hurried  sync.Once
	closed   chan struct{}
	endErr   error

	telling chan struct{} // has a place for the one who calls OnState
	told    callback.Errors

	mu         sync.Mutex
	state      State
	begun      bool // Start was called
	ready      bool // Ready was reached
	shedding   bool
	components []Component
	opened     int // components that Close must be called for
	servers    []*http.Server
	work       work
}

// New returns a lifecycle in the state Starting.
func New(o Options) (*Lifecycle, error) {
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"DrainDelay", &o.DrainDelay, 5 * time.Second},
		{"StreamGrace", &o.StreamGrace, 5 * time.Second},
		{"DrainTimeout", &o.DrainTimeout, 15 * time.Second},
		{"CutGrace", &o.CutGrace, time.Second},
		{"RetryAfter", &o.RetryAfter, time.Second},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.usual
		case *d.value == NoWait:
			*d.value = 0
		case *d.value < 0:
			return nil, fmt.Errorf("lifecycle: %s is %v: it must not be negative; NoWait is none", d.name, *d.value)
		}
	}
	l := &Lifecycle{
		options: o,
		started: make(chan struct{}), startEnd: make(chan struct{}), telling: make(chan struct{}, 1),
		draining: make(chan struct{}), hurry: make(chan struct{}), closed: make(chan struct{}),
	}
	l.work.init()
	return l, nil
}

// Add adds a component, which is started after those that were added before, and closed before
// them. It must be called before Start; later it is an error, and the caller keeps the component.
func (l *Lifecycle) Add(c Component) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("lifecycle: Timeout of component %q is %v: it must not be negative", c.Name, c.Timeout)
	case l.state == Closed:
		return ErrClosed
	case l.begun || l.state != Starting:
		return fmt.Errorf("lifecycle: component %q comes too late: add it before Start", c.Name)
	}
	l.components = append(l.components, c)
	return nil
}

// State returns the present state.
func (l *Lifecycle) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Draining returns a channel that is closed when the instance begins to drain.
func (l *Lifecycle) Draining() <-chan struct{} { return l.draining }

// Done returns a channel that is closed when the instance is closed.
func (l *Lifecycle) Done() <-chan struct{} { return l.closed }

// reach goes on to a state, and reports whether it comes after the present one.
func (l *Lifecycle) reach(s State) bool {
	l.telling <- struct{}{} // Callbacks come in the order of the states.
	defer func() { <-l.telling }()
	l.mu.Lock()
	if s <= l.state {
		l.mu.Unlock()
		return false
	}
	l.state = s
	l.ready = l.ready || s == Ready
	l.mu.Unlock()
	if on := l.options.OnState; on != nil {
		owner := Component{Name: s.String()}
		tell := func(context.Context) error { on(s); return nil }
		l.report(owner.call(context.Background(), "OnState", tell, endTimeout))
	}
	return true
}

// reportPatience is how long the caller of report waits for OnError.
const reportPatience = 50 * time.Millisecond

// report passes an error on that ends nothing.
func (l *Lifecycle) report(err error) {
	if on := l.options.OnError; on != nil && err != nil {
		select {
		case <-l.told.Send(on, err):
		case <-time.After(reportPatience):
		}
	}
}
