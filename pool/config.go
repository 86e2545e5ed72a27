package pool

import (
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Config is pgxpool's configuration and ours. Make it with [ParseConfig].
type Config struct {
	*pgxpool.Config
	// AcquireTimeout bounds the wait for a connection, apart from the query's
	// context: the error is an [*ExhaustedError] then. 0 is no bound but the context.
	AcquireTimeout time.Duration
	// MaxQueue bounds how many callers wait for a connection; the next is refused
	// at once with an [*ExhaustedError]. 0 is no bound.
	MaxQueue int
	// LeakAfter is how long a connection may be held before OnLeak is called, once
	// and from a goroutine of the pool's, with the stack that took it. 0 is no bound;
	// with one, taking a connection costs a microsecond more.
	LeakAfter time.Duration
	OnLeak    func(Leak)
	// Adaptive lets the number of connections in use follow the load, between 2 and
	// MaxConns: it grows while callers wait and connections do not slow each other
	// down. Without it, it is MaxConns.
	Adaptive bool
	// Warm opens MinConns connections before New returns.
	Warm bool
	// Reader is the configuration of [Pool.Reader].
	Reader ReaderConfig
}

// The parameters of a connection string that are ours.
var parameters = map[string]func(c *Config, value string) error{
	"pool_queue_timeout": func(c *Config, v string) (err error) {
		c.AcquireTimeout, err = time.ParseDuration(v)
		return err
	},
	"pool_max_queue":    func(c *Config, v string) (err error) { c.MaxQueue, err = positive(v); return err },
	"pool_adaptive":     func(c *Config, v string) (err error) { c.Adaptive, err = strconv.ParseBool(v); return err },
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
}

func positive(v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is below 1", n)
	}
	return int(n), err
}

// ParseConfig reads a connection string as [pgxpool.ParseConfig] does, with these
// parameters besides pgxpool's: pool_queue_timeout, pool_max_queue, pool_adaptive,
// pool_warm, pool_reader_conns, pool_reader_direct_conns, pool_reader_slow_after.
func ParseConfig(dsn string) (*Config, error) {
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	c := &Config{Config: parsed}
	// What pgx does not know it takes for a parameter of the session.
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
