// Package proxy is a TCP proxy in the process for tests and benchmarks: it makes a
// network worse than loopback is.
package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy forwards connections. Its settings may be changed at any time.
type Proxy struct {
	listener net.Listener
	target   string
	delay    atomic.Int64 // of each direction, in nanoseconds
	rate     atomic.Int64 // bytes a second towards the client; 0: as they come
	silent   atomic.Bool  // nothing is forwarded, and nobody is told
	down     atomic.Bool  // connections end at once

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	done  sync.WaitGroup
}

// New listens on loopback and forwards to target, as host:port. The caller closes it.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where it listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetDelay is how long each direction takes longer.
func (p *Proxy) SetDelay(d time.Duration) { p.delay.Store(int64(d)) }

// SetRate bounds the bytes a second towards the client; 0 is no bound.
func (p *Proxy) SetRate(bytes int64) { p.rate.Store(bytes) }

// SetSilent makes the network half-open: what is sent is swallowed.
func (p *Proxy) SetSilent(on bool) { p.silent.Store(on) }

// SetDown makes all connections end, with a reset, and new ones at once.
func (p *Proxy) SetDown(on bool) {
	p.down.Store(on)
	if on {
		p.Reset()
	}
}

// Reset ends all connections with a reset.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Close ends all.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.SetDown(true)
	p.done.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.down.Load() {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.add(client, server) {
			_, _ = client.Close(), server.Close()
			continue
		}
		p.done.Go(func() { p.forward(client, server, false) })
		p.done.Go(func() { p.forward(server, client, true) })
	}
}

// add registers the connections, so that Reset ends them. It reports false if the proxy is down: Reset was called
// before they were registered.
func (p *Proxy) add(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down.Load() {
		return false
	}
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	return true
}

// piece is what was read at a time, and when it is to be written.
type piece struct {
	data []byte
	due  time.Time
}

func (p *Proxy) forward(from, to net.Conn, down bool) {
	pieces := make(chan piece, 1024)
	p.done.Go(func() {
		p.write(to, pieces, down)
		p.forget(from, to)
		for range pieces { // The other side must not wait.
		}
	})
	defer close(pieces)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			pieces <- piece{append([]byte(nil), buffer[:n]...), time.Now().Add(time.Duration(p.delay.Load()))}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) write(to net.Conn, pieces <-chan piece, down bool) {
	for one := range pieces {
		time.Sleep(time.Until(one.due))
		if p.silent.Load() {
			continue
		}
		if rate := p.rate.Load(); down && rate > 0 {
			time.Sleep(time.Duration(len(one.data)) * time.Second / time.Duration(rate))
		}
		if _, err := to.Write(one.data); err != nil {
			return
		}
	}
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
