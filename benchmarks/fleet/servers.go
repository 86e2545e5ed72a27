package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/benchmarks/load"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

// What a server of Postgres allows. The pools of all instances could open more than that: at the
// primary their leases divide it.
const (
	maxConnections = 50
	reserved       = 3 // of them for superusers
	replicas       = 2
	role           = "blog"
)

// server is one of Postgres.
type server struct {
	*postgres.Server
	name string
}

// settings are those of the servers. A commit waits for a replica, so a failover to the one that
// is the furthest loses nothing.
func settings() map[string]string {
	return map[string]string{"max_connections": strconv.Itoa(maxConnections), "synchronous_commit": "on",
		"wal_retrieve_retry_interval":    "500ms", // A replica looks for its new primary that often.
		"superuser_reserved_connections": strconv.Itoa(reserved)}
}

// openServers starts the primary with the blog's data and its replicas, and builds the blog. Its user
// has no right to the connections of superusers.
func (f *fleet) openServers(ctx context.Context) (err error) {
	if f.testbed, err = load.OpenTestbedWith(ctx, settings(), "blog"); err != nil {
		return err
	}
	primary := f.testbed.Postgres
	if primary.PID() == 0 {
		return fmt.Errorf("fleet: it needs a Postgres of its own: unset %s", postgres.EnvDSN)
	}
	f.servers = []server{{primary, "primary"}}
	err = execute(ctx, primary, "create role "+role+" login; alter database postgres owner to "+role)
	if err != nil {
		return err
	}
	f.say("Filling the database at scale %v, copying it to %d replicas ...", f.Scale, replicas)
	seed, err := f.testbed.LaunchOn(ctx, "blog", "seed", asBlog(primary.DSN(), nil), "-scale", fmt.Sprint(f.Scale))
	if err != nil {
		return err
	}
	if err := seed.Stop(); err != nil {
		return err
	}
	for n := range replicas {
		replica, err := primary.Replica(ctx)
		if err != nil {
			return err
		}
		f.servers = append(f.servers, server{replica, fmt.Sprintf("replica %d", n+1)})
	}
	return waitForReplica(ctx, primary)
}

// waitForReplica has commits of a primary wait until one of its replicas has them.
func waitForReplica(ctx context.Context, primary *postgres.Server) error {
	return execute(ctx, primary, "alter system set synchronous_standby_names = 'ANY 1 (*)'", "select pg_reload_conf()")
}

// execute runs statements as a superuser, one after the other.
func execute(ctx context.Context, s *postgres.Server, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		return err
	}
	var errs []error
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			errs = append(errs, fmt.Errorf("fleet: %s: %w", sql, err))
		}
	}
	return errors.Join(append(errs, conn.Close(context.WithoutCancel(ctx)))...)
}

// asBlog connects as the blog's user, with parameters.
func asBlog(dsn string, parameters map[string]string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err) // It is ours.
	}
	u.User = url.User(role)
	query := u.Query()
	for name, value := range parameters {
		query.Set(name, value)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // pgx takes a plus for itself.
	return u.String()
}

// replicaDSNs is what the Reader of an instance takes. It reaches them directly, whatever is before
// the primary.
func (f *fleet) replicaDSNs() string {
	var list []string
	for _, s := range f.servers[1:] {
		list = append(list, asBlog(s.DSN(), map[string]string{"default_query_exec_mode": "cache_statement"}))
	}
	return strings.Join(list, " ")
}
