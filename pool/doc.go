// Package pool is a pgxpool with a bounded, fair wait for connections, and a [Reader]
// that lets many callers share a few of them.
//
//	db, err := pool.New(ctx, dsn) // in place of pgxpool.New
//	...
//	err = db.Reader().QueryRow(ctx, "select name from users where id = $1", id).Scan(&name)
//
// [Pool] has all methods of pgxpool.Pool, with the same signatures; Config returns our own
// type, which has pgxpool's in it. [OpenDB] makes it a *sql.DB.
//
// # The Reader
//
// Package reader explains what shares connections, and how each field of pgxpool's
// configuration applies there. Row level security by settings of a request is
// reader.WithSettings, which holds for the pool's own methods as well.
//
// # Connections
//
// MaxConns (pool_max_conns) is the budget of all connections: those that callers take, those that the
// Reader shares, which pgxpool counts as acquired, and those of replicas. Two thirds of it,
// up to 6, are shared; of a budget below 4 none are. Only where all are in use by callers who need a
// second one to read rows (stream/pgrows with types that pgx does not know), is one more opened, for a moment.
//
// # Waiting
//
// AcquireTimeout (pool_queue_timeout) bounds the wait for a connection apart from the
// query's own context, and MaxQueue (pool_max_queue) how many may wait. The error is an
// [*ExhaustedError], which matches [ErrExhausted] and context.DeadlineExceeded. Waiters
// are served in FIFO order, but up to three transactions and pings go before each query. With
// TargetWait (pool_target_wait) a queue that does not empty refuses callers that have waited
// too long, so that demand beyond capacity does not make everyone wait.
//
// # Size
//
// With Adaptive (pool_adaptive) the number of connections in use follows the load:
// it grows while callers wait and connections do not slow each other down, which
// shows in how long they are used. Every 10 s a probe measures again how short that
// can be, with a quarter of the connections for a tenth of a second. ServerShare
// (pool_server_share) keeps all connections of an instance below a share of what the
// server has. With Lease (pool_lease) instances divide what the server has among those
// that live.
//
// # Hooks
//
// A hook of pgxpool's configuration that panics (BeforeConnect, AfterConnect, PrepareConn,
// BeforeAcquire, AfterRelease, BeforeClose) ends the connection it was called for, and nothing else.
// Where ShouldPing panics, the connection is pinged. What ConnConfig has (DialFunc, ValidateConnect and
// the like, and tracers) is not protected: as with pgxpool, a panic there ends the process if it is on a
// goroutine of pgxpool's or of the pool's, which open connections. After Close, errors match [ErrClosed].
package pool
