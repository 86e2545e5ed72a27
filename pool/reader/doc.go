// Package reader lets many callers share a few connections for reads. A pool has one:
//
//	err := db.Reader().QueryRow(ctx, "select name from users where id = $1", id).Scan(&name)
//
// A query on a connection of its own waits alone for the network and for Postgres. The Reader
// sends everything that waits at the same time in one write, and sends the next queries while
// the results of the last ones arrive: fewer system calls, fewer task switches on both sides,
// and fewer connections. Where only a few callers are active, each has a connection of the pool
// (Config.DirectBelow).
//
// # Transactions
//
// Within a write, executions of one statement text with the same settings form a run, and
// a run is one transaction. Statements of different texts never share one: they hold no
// locks together, fail separately, and see nothing of each other. In a run now() stands still. A
// statement that locks rows or calls a function that is volatile, or that is written in SQL or a
// procedural language, has a transaction of its own. So has every statement of sessions with
// an isolation level above read committed.
//
// Everything is read-only. Postgres refuses writes (25006), and the Reader refuses text
// that would change a session or transaction, such as set_config or an advisory lock
// ([ErrNotRead]). It cannot see what a function does to its session: functions must not change
// it for good. On the pool's own connections a statement runs in a read-only transaction,
// unless nothing that it calls can write.
//
// # Where a statement runs
//
// route.go decides. A statement shares a connection if it has run before, is known to be
// fast (Config.SlowAfter), has small results (Config.MaxHeld) and seldom fails. Others, and
// those of a context made by [Alone], run on the pool's connections.
//
// The Reader asks Postgres in the background, once, what it must know of a statement. While
// statements run it looks at the catalog each second, and asks again after a change. So a view
// that has begun to call a volatile function is noticed within about a second. Pool.Reset
// forgets at once. Neither makes pgx forget what it has prepared on the pool's connections:
// after a migration that changes the type of a parameter, use Pool.Reset, as with pgxpool.
//
// A statement that blocks those behind it, because of a lock or a disk, is canceled after four
// times what a shared statement may take, and runs again on a connection of the pool. A
// statement runs at most twice: after such a cancel, when its connection fails before the caller
// has seen a row, when the schema has changed, or when its result is too large to be held. The
// row of QueryRow counts as seen when Scan returns, so its destinations may be stored to twice.
// A caller whose context ends stops waiting.
//
// # Plans
//
// Postgres plans a statement that is given short lists, as data loaders give them, at each
// execution, since it takes a list that it does not know for one of ten elements. A shared
// connection prepares such a statement again after five executions, and has the plans by which
// Postgres decides made for ten elements, in a transaction of its own that executes nothing.
// See rehearse.go.
//
// # Settings of a request
//
// [WithSettings] gives the statements of a context a role and parameters, for row level
// security. They are set at the start of each transaction, in the same write.
//
// # pgx's configuration on shared connections
//
// Rows return nil from Conn on all connections; TypeMap works.
//
//   - As in pgxpool: BeforeConnect, AfterConnect, BeforeClose, MaxConnLifetime,
//     MaxConnLifetimeJitter, MaxConnIdleTime, Pool.Reset. Connections are opened when they are needed.
//   - They turn sharing off: PrepareConn, BeforeAcquire, AfterRelease. What they do for one
//     caller's context is impossible where many share a connection. A warning is logged once, and the
//     metric gqlboost.pool.reader.sharing reports it. With Config.SkipAcquireHooks they run on the
//     pool's own connections only, and sharing stays on.
//   - Part of one budget: MaxConns bounds the pool's connections, the shared ones and those of
//     replicas together. MinConns and MinIdleConns apply to the pool, as far as the budget has room.
//     Where callers wait and no connection comes back for 300 ms (a transaction may be waiting for a
//     read of its own caller), shared connections that nobody uses are closed for them, and after 10 s
//     all but one.
//   - Not needed, since a shared connection is always being read: ShouldPing, PingTimeout,
//     HealthCheckPeriod (unless MaxConnIdleTime is 0: it bounds how long one is idle then).
//   - As in pgx, for each connection: Host, Port, Database, User, Password, TLSConfig,
//     ConnectTimeout, DialFunc, LookupFunc, BuildFrontend, MaxProtocolMessageBodyLen, RuntimeParams,
//     KerberosSrvName, KerberosSpn, Fallbacks, SSLNegotiation, SSLCertMode, AfterNetConnect, ValidateConnect
//     (also with target_session_attrs=read-write), OAuthTokenProvider, MinProtocolVersion,
//     MaxProtocolVersion, ChannelBinding, RequireAuth, and pgconn's own AfterConnect.
//   - Called for events on shared connections: OnNotice, OnPgError (false closes the connection),
//     OnNotification, and Tracer (with scan errors and the context that it returns): it receives each
//     statement once, whichever connections it runs on, and a batch for each of its runs, but not
//     what the Reader prepares for itself. Several goroutines may pass it the same *pgx.Conn
//     at a time, of which it may only read Config.
//   - StatementCacheCapacity bounds what a shared connection keeps prepared, up to 512.
//   - DefaultQueryExecMode: a mode that prepares nothing turns Config.TransactionPooling on. Without
//     it, a pooler that is detected all the same (its process IDs are not Postgres's) has the Reader
//     work in that way, and a warning logged once: a session made read-only would be another client's.
//   - DescriptionCacheCapacity: the Reader keeps its own descriptions, of up to 4096 statements.
//   - BuildContextWatcherHandler applies to statements on the pool's connections. On shared ones a
//     caller whose context ends leaves, and the statement continues.
//
// Types that AfterConnect registers, and wrappers of plans, are those of the connection that a
// result came from. Each caller has a copy of its type map, in which pgx's codecs with a state
// are copies. A codec of another package that has fields may have a state: it turns sharing off.
// Functions that a codec calls, such as those of pgtype.JSONCodec, must be safe for concurrent use.
//
// # Replicas
//
// With Config.Replicas reads go to physical replicas: to the one with the fewest running
// statements, if it is not more than Config.MaxLag behind, and to the primary if there is none. A
// replica whose connection string names a default_query_exec_mode has that one, not the primary's: a
// pooler before one server costs the others nothing.
//
// A client that has just written would miss its write there. [Reader.Token], after the commit, stands
// for it, and reads in a context of [WithToken] see it: from a replica that has replayed it, after
// a short wait if need be (Config.TokenWait), or from the primary. The text of a token goes
// into a cookie or a header, so the next request may be at another instance. Whatever the Reader
// believes of a replica, the transaction of the read compares positions itself, before its snapshot.
// It does not compare timelines: several replicas under one address must all follow the primary, also
// after a failover. Where positions cannot be compared (an isolation level above read
// committed, a role that may not call pg_control_system), such reads go to the primary. Reads without a
// token cost nothing more.
package reader
