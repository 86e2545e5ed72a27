package stream

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// replay is a connection to Postgres that answers from memory what was asked before, byte by
// byte as Postgres has. It leaves the clients' own work: all of them read Postgres's protocol
// through pgx, which cannot tell the difference, but wait neither for Postgres, which takes
// longer for these rows than any of them, nor for the kernel.
type replay struct {
	net.Conn
	mu      sync.Mutex
	arrived sync.Cond
	answers map[string][]byte // by what was written
	asked   string            // what Postgres answers now
	unread  []byte
	err     error
}

func newReplay(conn net.Conn) *replay {
	r := &replay{Conn: conn, answers: map[string][]byte{}}
	r.arrived.L = &r.mu
	go r.listen()
	return r
}

// listen takes in what Postgres answers.
func (r *replay) listen() {
	b := make([]byte, 64<<10)
	for {
		n, err := r.Conn.Read(b)
		r.mu.Lock()
		r.answers[r.asked] = append(r.answers[r.asked], b[:n]...)
		r.unread, r.err = append(r.unread, b[:n]...), err
		r.arrived.Broadcast()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Write asks.
func (r *replay) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if answer, ok := r.answers[string(b)]; ok {
		r.unread = answer
		r.arrived.Broadcast()
		return len(b), nil
	}
	r.asked = string(b)
	return r.Conn.Write(b)
}

// Read reads an answer.
func (r *replay) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.unread) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.arrived.Wait()
	}
	n := copy(b, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// SetDeadline does nothing: it would cost a system call.
func (r *replay) SetDeadline(time.Time) error { return nil }

// replayed opens a connection that remembers what it was answered.
func replayed(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newReplay(conn), nil
	}
	return pgx.ConnectConfig(ctx, config)
}
