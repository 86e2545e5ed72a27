package pool

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// gate bounds the connections that the server has of a pool, to the last one: it counts a
// connection from before it is opened until Postgres has closed it, which is when its server
// process has given its place up. pgxpool counts it until it begins to close.
type gate struct {
	mu      sync.Mutex
	bound   int
	tickets map[*ticket]bool
	waiting int
	every   time.Duration // touch is called more often than this, if the process is not stopped
	valid   time.Duration // of a lease
	renewed time.Time
	touched time.Time
	stopped bool          // the process was, since then
	changed chan struct{} // closed, and replaced, at each change that lets somebody in
}

// ticket is the place of one connection.
type ticket struct {
	gate    *gate
	opening bool
	conns   int    // network connections, of which one is to Postgres and others cancel statements
	backend uint32 // process ID; 0: not known
}

func newGate(every, valid time.Duration) *gate {
	return &gate{every: every, valid: valid, tickets: map[*ticket]bool{}, changed: make(chan struct{})}
}

type ticketKey struct{}

// enter waits for a place, and returns a context for opening the connection. If ctx ends first,
// the context has no place, and has ended.
func (g *gate) enter(ctx context.Context) context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.touch(); g.full(); {
		changed := g.changed
		g.waiting++
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		g.mu.Lock()
		g.waiting--
		if ctx.Err() != nil {
			return ctx
		}
	}
	t := &ticket{gate: g, opening: true}
	g.tickets[t] = true
	return context.WithValue(ctx, ticketKey{}, t)
}

// touch takes in that the process runs.
func (g *gate) touch() {
	g.stopped = g.stopped || !g.touched.IsZero() && passed(g.touched) > g.every
	g.touched = time.Now()
}

// passed returns how long ago a time was, by the clock that says more: while a machine is suspended the
// monotonic one stands. The other one may be set, so it may say too much until the next renewal.
func passed(at time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(at), now.Round(0).Sub(at))
}

// tick is touch for those who do not have the lock.
func (g *gate) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.touch()
}

// full reports whether nobody else may open a connection. Where the lease cannot be renewed,
// the share stays as it was. But after the whole process was stopped, for so long that others took
// it for dead, they may have the rest of its share.
func (g *gate) full() bool {
	n := len(g.tickets)
	return n >= g.bound || n > 0 && g.stopped && passed(g.renewed) > g.valid
}

// opened takes in that a connection was opened, or could not be.
func (g *gate) opened(ctx context.Context, backend uint32) {
	if t, ok := ctx.Value(ticketKey{}).(*ticket); ok {
		g.mu.Lock()
		defer g.mu.Unlock()
		t.opening, t.backend = false, backend
		t.look()
	}
}

// look gives the place back if there is nothing left that has it. It is called with the lock.
func (t *ticket) look() {
	if !t.opening && t.conns == 0 && t.gate.tickets[t] {
		delete(t.gate.tickets, t)
		t.gate.wake()
	}
}

// wake lets those look again who wait. It is called with the lock.
func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// set changes how many connections there may be, by a lease that was asked for at some time. Those that
// are open stay.
func (g *gate) set(bound int, asked time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bound, g.renewed, g.stopped = bound, asked, false
	g.wake()
}

// held returns how many connections there may be and are, and their server processes.
func (g *gate) held() (bound, open int, backend []uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for t := range g.tickets {
		if t.backend != 0 {
			backend = append(backend, t.backend)
		}
	}
	return g.bound, len(g.tickets), backend
}

// excess returns how many connections to close if they are idle, so that there are no more than there
// may be, and those that wait can be opened.
func (g *gate) excess() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.tickets) + g.waiting - g.bound
}

// dial makes a function that dials count what it dials.
func (g *gate) dial(
	dial func(ctx context.Context, network, addr string) (net.Conn, error),
) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		t, _ := ctx.Value(ticketKey{}).(*ticket)
		if err != nil || t == nil { // One that cancels a statement takes no place in Postgres.
			return conn, err
		}
		g.mu.Lock()
		t.conns++
		g.mu.Unlock()
		return &gated{Conn: conn, ticket: t}, nil
	}
}

// gated is a network connection that has a place until the server closes it. To its owner it is
// closed by Close.
type gated struct {
	net.Conn
	ticket *ticket

	mu      sync.Mutex
	closed  bool
	reading sync.WaitGroup
}

// NetConn returns the connection below.
func (c *gated) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *gated) Read(b []byte) (int, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	c.reading.Add(1)
	c.mu.Unlock()
	defer c.reading.Done()
	return c.Conn.Read(b)
}

// SetDeadline implements net.Conn.
func (c *gated) SetDeadline(t time.Time) error { return c.unlessClosed(c.Conn.SetDeadline, t) }

// SetReadDeadline implements net.Conn.
func (c *gated) SetReadDeadline(t time.Time) error { return c.unlessClosed(c.Conn.SetReadDeadline, t) }

func (c *gated) unlessClosed(set func(time.Time) error, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return set(t)
}

// serverCloses is how long a server process may take to end after its client has left. One that
// works on a statement may take longer, and is not waited for.
const serverCloses = 5 * time.Second

// Close ends what is read and written, tells the server that nothing follows, and closes the
// connection when the server has.
func (c *gated) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	err := c.Conn.SetDeadline(time.Unix(1, 0))
	go c.drain()
	return err
}

func (c *gated) drain() {
	c.reading.Wait()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(serverCloses))
	_, _ = io.Copy(io.Discard, c.Conn)
	_ = c.Conn.Close()
	g := c.ticket.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	c.ticket.conns--
	c.ticket.look()
}
