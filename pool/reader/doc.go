// Package reader lets many callers share a few connections for reads. A pool has one:
//
//	err := db.Reader().QueryRow(ctx, "select name from users where id = $1", id).Scan(&name)
//
// A query on a connection of its own waits for the network and for Postgres alone. The
// Reader sends what waits at the same time in one write, and sends the next while results of the
// last come: fewer system calls, fewer switches of tasks on both sides, and a tenth of the
// connections. Where only a few callers are at work, each has a connection of the pool's
// (Config.DirectBelow).
//
// # Transactions
//
// Within a write, executions of one statement text with the same settings form a run, and
// a run is one transaction. Statements of different texts never meet in one: they hold no
// locks together, fail apart, and see nothing of each other. In a run now() stands still. A
// statement that calls a volatile function or locks rows is a transaction of its own, and
// so is each one where sessions have an isolation level above read committed.
//
// Everything is read-only. Postgres refuses writes (25006), and the Reader refuses text
// that would change a session or transaction, such as set_config or an advisory lock
// ([ErrNotRead]). What a function does without showing it in the text, it does to its session:
// a volatile function must not change that for good.
//
// # Where a statement runs
//
// route.go decides. A statement shares a connection when it has run before, is known to be
// fast (Config.SlowAfter), has small results (Config.MaxHeld) and seldom fails. Others, and
// those of a context made by [Alone], run on the pool's connections. What the Reader must know of a
// statement it asks Postgres in the background, once.
//
// A statement that keeps those behind it waiting, for a lock or a disk, is canceled after four times
// what a shared statement may take, and runs again on a connection of the pool's. A statement runs twice at
// most: when that happens, when its connection fails before the first row, when the schema has
// changed, or when its result is too large to be held. A caller whose context ends stops waiting.
//
// # Settings of a request
//
// [WithSettings] gives the statements of a context a role and parameters, for row level
// security. They are set at the head of their transaction, in the same write.
//
// # What becomes of pgx's configuration on shared connections
//
//   - As in pgxpool: BeforeConnect, AfterConnect, BeforeClose, MaxConnLifetime,
//     MaxConnLifetimeJitter, MaxConnIdleTime, Pool.Reset. Connections are opened when they are wanted.
//   - They turn sharing off, but for statements with settings: PrepareConn, BeforeAcquire,
//     AfterRelease. What they do for a caller's context cannot be done where many share a connection.
//     A warning is logged once, and the metric gqlboost.pool.reader.sharing says so.
//   - Part of one budget: MaxConns bounds the pool's connections, those that are shared and those of
//     replicas together. MinConns and MinIdleConns are the pool's, as far as the budget has room.
//   - Not needed, since a shared connection is read all the time: ShouldPing, PingTimeout,
//     HealthCheckPeriod.
//   - As in pgx, for each connection: Host, Port, Database, User, Password, TLSConfig,
//     ConnectTimeout, DialFunc, LookupFunc, BuildFrontend, MaxProtocolMessageBodyLen, RuntimeParams,
//     KerberosSrvName, KerberosSpn, Fallbacks, SSLNegotiation, SSLCertMode, AfterNetConnect, ValidateConnect
//     (also with target_session_attrs=read-write), OAuthTokenProvider, MinProtocolVersion,
//     MaxProtocolVersion, ChannelBinding, RequireAuth, and pgconn's own AfterConnect.
//   - Called for what happens on shared connections: OnNotice, OnPgError (false closes the connection),
//     OnNotification, and Tracer: it receives each statement once, whichever connections it runs on,
//     but not of what the Reader prepares for itself.
//   - StatementCacheCapacity bounds what a shared connection keeps prepared, up to 512.
//   - DefaultQueryExecMode: what prepares nothing turns Config.TransactionPooling on.
//   - DescriptionCacheCapacity: the Reader keeps its own descriptions, of up to 4096 statements.
//   - BuildContextWatcherHandler is for statements on the pool's connections. On shared ones a
//     caller whose context ends leaves, and the statement goes on.
//
// Types that AfterConnect registers, and wrappers of plans, are those of the connection that a
// result came from. Each caller has a copy of its type map; codecs that may have a state are copied, or
// used by one caller at a time.
//
// # Replicas
//
// With Config.Replicas reads go to physical replicas: to the one with the least to do, as long
// as it is not more than Config.MaxLag behind, and to the primary if there is none.
package reader
