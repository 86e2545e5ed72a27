package reader

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Config configures a [Reader]. Zero fields have defaults.
type Config struct {
	// Conns is the largest number of shared connections, by default 6, or two thirds of the
	// budget of connections if that is less, or none of a budget below 4. It is never the whole
	// budget.
	Conns int
	// DirectConns bounds how many of the pool's connections are used at a time by statements
	// that do not share one. Others wait in a queue of their own, which has the pool's
	// AcquireTimeout, MaxQueue and TargetWait, and then in the pool's. A caller that reads while the
	// rows of another read are open may need two of them. 0 means that only the pool's own limit applies.
	DirectConns int32
	// SlowAfter is the cost, beyond the network's, above which a statement shares no
	// connection, 5 ms by default: those behind it would wait.
	SlowAfter time.Duration
	// MaxHeld bounds the bytes of a result that is held in memory, 1 MiB by
	// default. A statement with larger ones runs on a connection of its own.
	MaxHeld int
	// StatementTimeout is how long Postgres lets a statement run on a shared connection, up to 24
	// days. It runs again on one of its own then. 0 is no bound.
	StatementTimeout time.Duration
	// TransactionPooling is for servers behind PgBouncer in transaction mode or the
	// like: nothing stays prepared, and each transaction is made read-only, not the
	// session. It is on for all servers if it is set, and else for those whose
	// default_query_exec_mode is something that prepares nothing.
	TransactionPooling bool
	// Replicas are connection strings of servers to read from instead of the pool's,
	// which are physical replicas of it. Statements go to the one with the least to do,
	// and to the pool's own server if there is none. Where they are is taken from the strings, and
	// what they, or a service that they name, say of how their servers are reached (sslmode,
	// connect_timeout, require_auth and the like), of target_session_attrs and of the session; all
	// else, and the budget of connections, from the pool's configuration. If that has a stricter sslmode
	// than the default, they must name one. Parameters of the pool as a whole (pool_max_conns and all
	// others that begin with pool_, statement_cache_capacity, description_cache_capacity) are refused.
	// Where only some of the servers are behind a pooler, a string names the default_query_exec_mode of
	// its server: cache_statement or cache_describe, and both servers' must be one of these.
	Replicas []string
	// MaxLag is how long a replica may be without what the primary has written, 10 s by
	// default. One that lags longer, or does not answer, is left out until it has caught up.
	MaxLag time.Duration
	// TokenWait is how long a read of a context with a token ([WithToken]) waits for a replica to
	// replay what it must see before it goes to the primary, 20 ms by default; below 0: not at all. A
	// replica that has not moved since the last such wait is not waited for.
	TokenWait time.Duration
	// DirectBelow is the number of queries at a time up to which none shares a connection, 2
	// by default: sharing costs more than it saves where nobody waits.
	DirectBelow int
	// SkipAcquireHooks has statements share connections though the pool's configuration has
	// PrepareConn, BeforeAcquire or AfterRelease, which run for the pool's own connections
	// only. Set it if they only look at a connection or count. If they set a role, a search
	// path or anything else that a statement depends on, use [WithSettings] instead of them.
	// Without it, no connections are shared where there is one of these hooks.
	SkipAcquireHooks bool
	// Observe is called for each statement that has shared a connection, when it has ended
	// and before its caller has it, with the context that the tracer has made. It must not
	// keep the arguments. A tracer in pgx's configuration receives all statements without it.
	Observe func(ctx context.Context, sql string, args []any, start time.Time, tag pgconn.CommandTag, err error)
}

const (
	defaultConns       = 6
	minBudget          = 4
	defaultSlowAfter   = 5 * time.Millisecond
	defaultMaxHeld     = 1 << 20
	defaultDirectBelow = 2
	defaultMaxLag      = 10 * time.Second
	defaultTokenWait   = 20 * time.Millisecond

	// longest stands for all longer times: several times as much is a time.Duration, too.
	longest = 365 * 24 * time.Hour
	// longestTimeout is the largest statement_timeout that Postgres takes.
	longestTimeout = math.MaxInt32 * time.Millisecond
)

// WithDefaults returns the configuration with its defaults filled in, for a server with a
// budget of connections.
func (c Config) WithDefaults(budget int) Config {
	if c.Conns <= 0 {
		c.Conns = min(defaultConns, budget*2/3)
		if budget < minBudget { // Those who hold a connection and ask for another need them all.
			c.Conns = 0
		}
	}
	c.Conns = max(min(c.Conns, budget-1), 0)
	if c.SlowAfter <= 0 {
		c.SlowAfter = defaultSlowAfter
	}
	if c.MaxHeld <= 0 {
		c.MaxHeld = defaultMaxHeld
	}
	if c.DirectBelow <= 0 {
		c.DirectBelow = defaultDirectBelow
	}
	if c.MaxLag <= 0 {
		c.MaxLag = defaultMaxLag
	}
	if c.TokenWait == 0 {
		c.TokenWait = defaultTokenWait
	}
	c.SlowAfter, c.MaxLag = min(c.SlowAfter, longest), min(c.MaxLag, longest)
	c.StatementTimeout = min(c.StatementTimeout, longestTimeout)
	return c
}

// Copy returns a configuration that shares no memory with this one.
func (c Config) Copy() Config {
	c.Replicas = slices.Clone(c.Replicas)
	return c
}
