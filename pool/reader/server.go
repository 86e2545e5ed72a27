package reader

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Server is what a Reader needs from the owner of a server's connections. Its methods
// are safe for concurrent use.
type Server interface {
	// Config is the configuration of all connections. It does not change, and its hooks do
	// not panic.
	Config() *pgxpool.Config
	// Acquire returns a connection for one statement, until Release.
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
	// Release gives a connection of Acquire's back.
	Release(conn *pgxpool.Conn)
	// Ask returns a connection for what the Reader itself asks the server, before others. Hooks
	// that make connections ready for a caller are not run. Its own Release gives it back.
	Ask(ctx context.Context) (*pgxpool.Conn, error)
	// Open returns a new connection for the Reader to keep, one of its owner's, until Drop.
	Open(ctx context.Context) (*pgx.Conn, error)
	// Drop closes a connection of Open's; failed is whether it has failed.
	Drop(conn *pgx.Conn, failed bool)
	// Shared is how many connections the Reader may keep now.
	Shared() int
	// Full reports whether a caller that acquires a connection now would have to wait for one.
	Full() bool
	// Starving returns for how long callers have waited for a connection while none has come
	// back; 0: not at all.
	Starving() time.Duration
}
