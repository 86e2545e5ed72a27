package reader

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Server is what a Reader needs of the owner of a server's connections. Its methods are
// safe for concurrent use.
type Server interface {
	// Config is the configuration of all connections. It does not change, and its hooks do
	// not panic.
	Config() *pgxpool.Config
	// Acquire returns a connection for one statement, which the Reader releases.
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
	// Open opens a connection that the Reader keeps. It counts as one of Shared until
	// Closed is called.
	Open(ctx context.Context) (*pgx.Conn, error)
	// Closed says that a connection of Open's was closed, and whether it had failed.
	Closed(failed bool)
	// Shared is how many connections the Reader may keep now.
	Shared() int
}
