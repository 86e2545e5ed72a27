// Package pool is a pgxpool with a bounded, fair wait for connections, and a Reader
// that lets many callers share a few of them.
//
//	db, err := pool.New(ctx, dsn) // in the place of pgxpool.New
//	...
//	err = db.Reader().QueryRow(ctx, "select name from users where id = $1", id).Scan(&name)
//
// [Pool] has all methods of pgxpool.Pool, with the same signatures.
//
// # The Reader
//
// A query on a connection of its own waits for the network and for Postgres alone.
// The [Reader] sends what waits at the same time in one flight, ended by one Sync,
// and sends the next while results of the last come: fewer system calls, fewer
// switches of tasks on both sides, and a tenth of the connections. It is for reads,
// which may be run twice, in sessions that Postgres keeps read-only.
//
// What would make others wait has a connection to itself: statements that nobody has
// seen yet, that have been slow (ReaderConfig.SlowAfter), that have large results
// (MaxHeld) or fail often. Where only a few callers are at work, everybody has.
//
// A caller whose context ends stops waiting; its statement goes on, and its result is
// dropped. When a shared connection fails, its statements are run again on others. A
// flight is one transaction to Postgres: an error in it makes those behind it run
// again, and now() stands still in it.
//
// What a statement changes in its session stays for others: do not use set_config,
// advisory locks or temporary tables here. The Reader refuses statements that are no
// reads by their first word ([ErrNotRead]), and Postgres refuses writes (25006).
//
// # Waiting
//
// AcquireTimeout (pool_queue_timeout) bounds the wait for a connection apart from the
// query's own context, and MaxQueue (pool_max_queue) how many may wait. The error is
// an [*ExhaustedError], which matches [ErrExhausted] and context.DeadlineExceeded.
// Who came first is served first, but transactions and pings before queries. With
// TargetWait (pool_target_wait) a queue that does not empty sheds who has waited too
// long, so that demand beyond capacity does not make all wait.
//
// # Size
//
// With Adaptive (pool_adaptive) the number of connections in use follows the load:
// it grows while callers wait and connections do not slow each other down, which is
// seen from how long they are used. Every 10 s a probe measures anew how short that
// can be, with a quarter of the connections for a tenth of a second. ServerShare
// (pool_server_share) keeps all connections of an instance below a share of what the
// server has.
//
// # Replicas
//
// With Reader.Replicas (pool_reader_replicas) reads go to physical replicas: to the one
// with the least to do, as long as it is not more than MaxLag behind, and to the
// primary if there is none.
package pool
