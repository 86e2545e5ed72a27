// Package bustest has what tests of transports of package bus need: a suite that each of them
// must pass, and one that is in memory, with a network that can be broken.
package bustest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/plancache/bus"
)

// Hub is a broker in memory. It is safe for concurrent use.
type Hub struct {
	// Lose reports whether a message is lost on its way from one wire to another; nil
	// loses none. It must be set before the hub is used.
	Lose func(from, to *Wire) bool
	// Delay is how long a message takes, for each one; nil is no time. It must be set
	// before the hub is used. Messages do not overtake each other.
	Delay func() time.Duration

	mu    sync.Mutex
	wires map[*Wire]struct{} // that are subscribed
}

// Wire is a connection to a [Hub], and a [bus.Transport] with one subscription at a time.
// It is safe for concurrent use.
type Wire struct {
	hub *Hub

	mu      sync.Mutex
	state   State
	changed chan struct{} // closed when the state changes
	queue   chan letter
	full    chan struct{} // closed when a message did not fit
}

type letter struct {
	data []byte
	due  time.Time
}

// State is how a wire works.
type State uint8

// States.
const (
	Up    State = iota
	Down        // all fails at once
	Hung        // nothing comes or goes, and nobody is told
	Lossy       // as Hung, but Publish says that it has worked
)

// queued is how many messages wait for a subscriber. One that is further behind is told.
const queued = 1 << 14

// NewHub returns a broker without subscribers.
func NewHub() *Hub { return &Hub{wires: map[*Wire]struct{}{}} }

// Connect returns a wire.
func (h *Hub) Connect() *Wire { return &Wire{hub: h, changed: make(chan struct{})} }

var _ bus.Transport = (*Wire)(nil)

// Set changes how the wire works.
func (w *Wire) Set(s State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *Wire) get() (State, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state, w.changed
}

var errDown = errors.New("bustest: the wire is down")

// errSlow is returned to a subscriber that is too far behind.
var errSlow = errors.New("bustest: the subscriber is slow")

// Publish implements [bus.Transport].
func (w *Wire) Publish(ctx context.Context, data []byte) error {
	switch state, _ := w.get(); state {
	case Down:
		return errDown
	case Hung:
		<-ctx.Done()
		return ctx.Err()
	case Lossy:
		return nil
	}
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for to := range h.wires {
		if h.Lose != nil && h.Lose(w, to) {
			continue
		}
		l := letter{data: append([]byte(nil), data...)}
		if h.Delay != nil {
			l.due = time.Now().Add(h.Delay())
		}
		select {
		case to.queue <- l:
		default:
			delete(h.wires, to)
			close(to.full)
		}
	}
	return nil
}

// Subscribe implements [bus.Transport].
func (w *Wire) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	state, changed := w.get()
	switch state {
	case Down:
		return errDown
	case Hung, Lossy:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			return errDown
		}
	}
	w.hub.mu.Lock()
	w.queue, w.full = make(chan letter, queued), make(chan struct{})
	w.hub.wires[w] = struct{}{}
	w.hub.mu.Unlock()
	defer func() {
		w.hub.mu.Lock()
		defer w.hub.mu.Unlock()
		delete(w.hub.wires, w)
	}()
	ready()
	for {
		state, changed := w.get()
		if state == Down {
			return errDown
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-w.full:
			return errSlow
		case l := <-w.queue:
			time.Sleep(time.Until(l.due))
			if state, _ := w.get(); state == Up && ctx.Err() == nil {
				receive(l.data)
			}
		}
	}
}
