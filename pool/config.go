package pool

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config is pgxpool's configuration and ours. Make it with [ParseConfig].
type Config struct {
	*pgxpool.Config
	// AcquireTimeout bounds the wait for a connection, in the queue and until it is open,
	// apart from the query's context: the error is an [*ExhaustedError] then. What
	// PrepareConn or BeforeAcquire do is not bounded. It should be longer than opening a
	// connection takes, which goes on for others. 0 is no bound but the context.
	AcquireTimeout time.Duration
	// MaxQueue bounds how many callers wait for a connection, for any purpose; the next is
	// refused at once with an [*ExhaustedError]. 0 is no bound.
	MaxQueue int
	// TargetWait is for demand beyond what the pool can do: as long as the queue has not
	// been empty for 100 ms, a caller that has waited for longer than this is refused
	// with an [*ExhaustedError], so that those that are served did not wait long.
	// Transactions and pings are not refused. 0 sheds nobody.
	TargetWait time.Duration
	// LeakAfter is how long a connection may be held before OnLeak is called, once
	// and from a goroutine of the pool, with the stack that took it. 0 is no bound;
	// with one, taking a connection costs a microsecond more.
	LeakAfter time.Duration
	OnLeak    func(Leak)
	// Adaptive lets the number of connections in use follow the load, between 2 and
	// MaxConns: it grows while callers wait and connections do not slow each other
	// down. Without it, it is MaxConns.
	Adaptive bool
	// ServerShare is the share of Postgres's connections (max_connections without the
	// reserved ones) that the pool and its Reader use at most, whatever MaxConns is:
	// one of four instances sets 0.25. The setting is read from the server. 0 is 1 if
	// Adaptive is set, else the server is not asked.
	ServerShare float64
	// Lease divides the connections that the server has, or ServerShare of them, among the instances
	// that live, by their demand, while they run. Shares never exceed the server's limit together:
	// an instance gets what others have closed. One that loses touch keeps its last share.
	// MinConns counts for Warm only, MinIdleConns for nothing. It cannot work behind a pooler.
	Lease LeaseOptions
	// Warm opens MinConns connections before New returns: at least one, and no more than the
	// primary has of the budget.
	Warm bool
	// Statements are prepared on each new connection, so that their first use is as
	// fast as the others. With Warm, one that Postgres refuses is an error of New's. Where
	// default_query_exec_mode is not cache_statement, of the pool or of a replica, they are not.
	Statements []string
	// Reader is the configuration of [Pool.Reader].
	Reader ReaderConfig
}

// ReaderConfig configures a [Reader]. Zero fields have defaults.
type ReaderConfig = reader.Config

// Copy returns a configuration that shares no memory with this one.
func (c *Config) Copy() *Config {
	own := *c
	own.Config = c.Config.Copy()
	own.Statements = slices.Clone(c.Statements)
	own.Reader = c.Reader.Copy()
	return &own
}

// check returns what makes a configuration unusable.
func (c *Config) check() error {
	switch {
	case c == nil || c.Config == nil || c.ConnConfig == nil:
		return errors.New("pool: the configuration is empty: make it with ParseConfig")
	case !parsed(c.Config) || !parsed(c.ConnConfig):
		return errors.New("pool: the configuration was not made by ParseConfig, which fills in what pgx needs")
	case c.MaxConns < 1:
		return fmt.Errorf("pool: MaxConns is %d: it must be at least 1", c.MaxConns)
	case c.HealthCheckPeriod <= 0: // pgxpool's ticker would end the process.
		return fmt.Errorf("pool: HealthCheckPeriod is %v: it must be positive", c.HealthCheckPeriod)
	case int(c.MaxConns) <= len(c.Reader.Replicas):
		return fmt.Errorf("pool: MaxConns is %d, which is the budget of all connections: the primary and each of %d "+
			"replicas need one", c.MaxConns, len(c.Reader.Replicas))
	}
	for _, dsn := range c.Reader.Replicas {
		replica, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return fmt.Errorf("pool: replica: %w", err)
		}
		if err := checkSecurity(&c.ConnConfig.Config, &replica.ConnConfig.Config, dsn); err != nil {
			return err
		}
		if err := checkOwn(&replica.ConnConfig.Config, dsn); err != nil {
			return err
		}
		if err := checkMode(c.ConnConfig, replica.ConnConfig, dsn); err != nil {
			return err
		}
	}
	if err := c.checkLease(); err != nil {
		return err
	}
	return c.checkRanges()
}

// checkLease refuses what a lease cannot do.
func (c *Config) checkLease() error {
	switch l := c.Lease; {
	case l.Fleet == "" && (l.Every != 0 || l.Reserve != 0 || l.Store != nil):
		return errors.New("pool: Lease has settings but no Fleet (pool_lease), which turns it on")
	case !utf8.ValidString(l.Fleet) || strings.ContainsRune(l.Fleet, 0) || len(l.Fleet) > mostFleet:
		return fmt.Errorf("pool: Lease.Fleet is %.60q: it must be text without a zero byte, of up to %d bytes",
			l.Fleet, mostFleet)
	case l.Every > 0 && l.Every < leastHeartbeat:
		return fmt.Errorf("pool: Lease.Every is %v: it must be at least %v", l.Every, leastHeartbeat)
	case l.Every > mostHeartbeat:
		return fmt.Errorf("pool: Lease.Every is %v: it must be at most %v", l.Every, mostHeartbeat)
	case l.Fleet != "" && c.Reader.TransactionPooling:
		return errors.New("pool: Lease and Reader.TransactionPooling exclude each other: behind a pooler, the pooler " +
			"bounds the server's connections")
	}
	return nil
}

// checkRanges refuses values that no bound, time or share has. Zero is the default of each.
func (c *Config) checkRanges() error {
	if !(c.ServerShare >= 0 && c.ServerShare <= 1) {
		return fmt.Errorf("pool: ServerShare is %v: it must be from 0 to 1", c.ServerShare)
	}
	for name, d := range map[string]time.Duration{
		"AcquireTimeout": c.AcquireTimeout, "TargetWait": c.TargetWait, "LeakAfter": c.LeakAfter,
		"Reader.SlowAfter": c.Reader.SlowAfter, "Reader.StatementTimeout": c.Reader.StatementTimeout,
		"Reader.MaxLag": c.Reader.MaxLag, "Lease.Every": c.Lease.Every,
	} {
		if d < 0 {
			return fmt.Errorf("pool: %s is %v: it must not be negative; 0 is the default", name, d)
		}
	}
	for name, n := range map[string]int{
		"MaxQueue": c.MaxQueue, "Reader.Conns": c.Reader.Conns, "Reader.DirectConns": int(c.Reader.DirectConns),
		"MinConns": int(c.MinConns), "MinIdleConns": int(c.MinIdleConns), // pgxpool would end the process, if both are.
		"Lease.Reserve": c.Lease.Reserve, "Reader.MaxHeld": c.Reader.MaxHeld, "Reader.DirectBelow": c.Reader.DirectBelow,
	} {
		if n < 0 {
			return fmt.Errorf("pool: %s is %d: it must not be negative; 0 is the default", name, n)
		}
	}
	return nil
}

// parsed reports whether pgx has made a configuration. It panics with others, in
// goroutines of its own.
func parsed(config any) bool {
	mark := reflect.ValueOf(config).Elem().FieldByName("createdByParseConfig")
	return mark.Kind() != reflect.Bool || mark.Bool()
}

// The parameters of a connection string that are ours.
var parameters = map[string]func(c *Config, value string) error{
	"pool_queue_timeout": func(c *Config, v string) (err error) {
		c.AcquireTimeout, err = time.ParseDuration(v)
		return err
	},
	"pool_max_queue":    func(c *Config, v string) (err error) { c.MaxQueue, err = positive(v); return err },
	"pool_adaptive":     func(c *Config, v string) (err error) { c.Adaptive, err = strconv.ParseBool(v); return err },
	"pool_target_wait":  func(c *Config, v string) (err error) { c.TargetWait, err = time.ParseDuration(v); return err },
	"pool_server_share": func(c *Config, v string) (err error) { c.ServerShare, err = parseShare(v); return err },
	"pool_lease": func(c *Config, v string) error {
		if c.Lease.Fleet = v; v == "" {
			return errors.New("it must name the fleet")
		}
		return nil
	},
	"pool_lease_every": func(c *Config, v string) (err error) {
		c.Lease.Every, err = time.ParseDuration(v)
		return err
	},
	"pool_lease_reserve": func(c *Config, v string) (err error) {
		c.Lease.Reserve, err = positive(v)
		return err
	},
	"pool_warm":         func(c *Config, v string) (err error) { c.Warm, err = strconv.ParseBool(v); return err },
	"pool_reader_conns": func(c *Config, v string) (err error) { c.Reader.Conns, err = positive(v); return err },
	"pool_reader_direct_conns": func(c *Config, v string) error {
		n, err := positive(v)
		c.Reader.DirectConns = int32(n)
		return err
	},
	"pool_reader_slow_after": func(c *Config, v string) (err error) {
		c.Reader.SlowAfter, err = time.ParseDuration(v)
		return err
	},
	"pool_reader_statement_timeout": func(c *Config, v string) (err error) {
		c.Reader.StatementTimeout, err = time.ParseDuration(v)
		return err
	},
	"pool_reader_skip_acquire_hooks": func(c *Config, v string) (err error) {
		c.Reader.SkipAcquireHooks, err = strconv.ParseBool(v)
		return err
	},
	"pool_reader_transaction_pooling": func(c *Config, v string) (err error) {
		c.Reader.TransactionPooling, err = strconv.ParseBool(v)
		return err
	},
	"pool_reader_replicas": func(c *Config, v string) error {
		c.Reader.Replicas = strings.Fields(v)
		if len(c.Reader.Replicas) > 1 {
			for _, dsn := range c.Reader.Replicas {
				if !strings.Contains(dsn, "://") { // host=a port=1 would be two.
					return errors.New("connection strings of keywords have spaces within: " +
						"write replicas as URLs, or use Config.Reader.Replicas")
				}
			}
		}
		for _, dsn := range c.Reader.Replicas {
			if _, err := pgxpool.ParseConfig(dsn); err != nil {
				return err
			}
		}
		return nil
	},
	"pool_reader_token_wait": func(c *Config, v string) (err error) {
		if c.Reader.TokenWait, err = time.ParseDuration(v); err == nil && c.Reader.TokenWait == 0 {
			c.Reader.TokenWait = -1 // In a connection string 0 is no wait.
		}
		return err
	},
	"pool_reader_max_lag": func(c *Config, v string) (err error) {
		c.Reader.MaxLag, err = time.ParseDuration(v)
		return err
	},
}

func positive(v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is below 1", n)
	}
	return int(n), err
}

func parseShare(v string) (float64, error) {
	f, err := strconv.ParseFloat(v, 64)
	if err == nil && !(f > 0 && f <= 1) {
		err = fmt.Errorf("%v is not above 0 and at most 1", f)
	}
	return f, err
}

// ParseConfig reads a connection string as [pgxpool.ParseConfig] does, with the pool's
// own parameters too, which the package's README lists: pool_queue_timeout,
// pool_adaptive, pool_reader_conns and so on. pool_reader_replicas has connection
// strings with spaces between them, percent-encoded (a space is %20).
func ParseConfig(dsn string) (*Config, error) {
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, withoutReplicas{err}
	}
	c := &Config{Config: parsed}
	// pgx takes parameters that it does not know for those of the session.
	for name, set := range parameters {
		value, ok := parsed.ConnConfig.RuntimeParams[name]
		if !ok {
			continue
		}
		delete(parsed.ConnConfig.RuntimeParams, name)
		if err := set(c, value); err != nil {
			return nil, fmt.Errorf("pool: cannot parse %s: %w", name, err)
		}
	}
	return c, nil
}

// withoutReplicas is an error of pgx that quotes a connection string, in which pgx hides the
// password. It hides replicas, which have passwords of their own.
type withoutReplicas struct{ error }

var replicasIn = regexp.MustCompile(`(pool_reader_replicas\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&` + "`" + `]*)`)

// Error implements error.
func (e withoutReplicas) Error() string {
	return replicasIn.ReplaceAllString(e.error.Error(), "${1}xxxxx")
}

// Unwrap returns pgx's error.
func (e withoutReplicas) Unwrap() error { return e.error }
