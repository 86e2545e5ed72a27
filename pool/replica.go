package pool

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// replica returns the configuration of a replica. Its connection string sets where the server is, how to
// reach it, and the parameters of its sessions. The rest comes from the pool's configuration.
func replica(base *Config, dsn string) (*Config, error) {
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	named := parametersOf(dsn)
	c := base.Copy()
	c.MaxConns /= int32(1 + len(base.Reader.Replicas))
	to, from := &c.ConnConfig.Config, &parsed.ConnConfig.Config
	to.Host, to.Port, to.Database, to.User, to.Password = from.Host, from.Port, from.Database, from.User, from.Password
	to.TLSConfig, to.Fallbacks, to.SSLNegotiation = from.TLSConfig, from.Fallbacks, from.SSLNegotiation
	for name, field := range reaching {
		if named[name] {
			reflect.ValueOf(field(to)).Elem().Set(reflect.ValueOf(field(from)).Elem())
		}
	}
	if to.RuntimeParams == nil {
		to.RuntimeParams = map[string]string{}
	}
	for name, value := range from.RuntimeParams {
		if _, there := to.RuntimeParams[name]; (named[name] || !there) && !ofThePool(name) {
			to.RuntimeParams[name] = value
		}
	}
	if named["target_session_attrs"] {
		to.ValidateConnect = from.ValidateConnect
	} else if own, err := pgxpool.ParseConfig(base.ConnString()); err == nil && own.ConnConfig.ValidateConnect != nil {
		to.ValidateConnect = nil // The primary is chosen by target_session_attrs, a replica is not.
	}
	if named[modeParameter] {
		c.ConnConfig.DefaultQueryExecMode = parsed.ConnConfig.DefaultQueryExecMode
	}
	c.MinConns, c.MinIdleConns, c.Warm, c.ServerShare, c.Lease = 0, 0, false, 0, LeaseOptions{}
	c.Reader.Replicas = nil
	return c, nil
}

// reaching are the parameters of how a server is reached, and their fields.
var reaching = map[string]func(c *pgconn.Config) any{
	"connect_timeout":      func(c *pgconn.Config) any { return &c.ConnectTimeout },
	"channel_binding":      func(c *pgconn.Config) any { return &c.ChannelBinding },
	"require_auth":         func(c *pgconn.Config) any { return &c.RequireAuth },
	"min_protocol_version": func(c *pgconn.Config) any { return &c.MinProtocolVersion },
	"max_protocol_version": func(c *pgconn.Config) any { return &c.MaxProtocolVersion },
	"krbsrvname":           func(c *pgconn.Config) any { return &c.KerberosSrvName },
	"krbspn":               func(c *pgconn.Config) any { return &c.KerberosSpn },
	"sslcertmode":          func(c *pgconn.Config) any { return &c.SSLCertMode },
}

// ofThePool reports whether a parameter is of the pool as a whole, and of no single server.
func ofThePool(parameter string) bool {
	return strings.HasPrefix(parameter, "pool_") || parameter == "statement_cache_capacity" ||
		parameter == "description_cache_capacity"
}

// checkOwn refuses parameters in a replica's connection string that would count for nothing.
func checkOwn(replica *pgconn.Config, dsn string) error {
	for name := range keysOf(dsn) {
		if ofThePool(name) {
			return fmt.Errorf("pool: replica %s: %s is for the pool as a whole: set it in the pool's own connection string",
				replica.Host, name)
		}
	}
	return nil
}

// parametersOf returns the names of the parameters that a connection string sets, or the service that it
// names, and not the environment.
func parametersOf(dsn string) map[string]bool {
	named := keysOf(dsn)
	if !named["service"] {
		return named
	}
	all, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return named
	}
	rest, err := pgconn.ParseConfig("") // of the environment
	if err != nil {
		rest = &pgconn.Config{}
	}
	for name, value := range all.RuntimeParams {
		if other, ok := rest.RuntimeParams[name]; !ok || other != value {
			named[name] = true
		}
	}
	for name, field := range reaching {
		if !reflect.DeepEqual(field(all), field(rest)) {
			named[name] = true
		}
	}
	if all.ValidateConnect != nil {
		named["target_session_attrs"] = true
	}
	return named
}

// keyword is a parameter of a connection string that is not a URL.
var keyword = regexp.MustCompile(`(?s)([^\s\v=]+)[\s\v]*=[\s\v]*(?:'(?:[^'\\]|\\.)*'|(?:[^\s\v\\]|\\.)*)`)

// keysOf returns the names of the parameters in a connection string that pgx understands. Those that a URL
// has before its question mark are not among them.
func keysOf(dsn string) map[string]bool {
	keys := map[string]bool{}
	scheme, rest, isURL := strings.Cut(dsn, "://")
	if !isURL || scheme != "postgres" && scheme != "postgresql" {
		for _, found := range keyword.FindAllStringSubmatch(dsn, -1) {
			keys[found[1]] = true
		}
		return keys
	}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' { // A password may have a question mark.
		rest = rest[i:]
	}
	_, query, _ := strings.Cut(rest, "?")
	for parameter := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if name, err := url.PathUnescape(strings.Trim(name, " ")); err == nil && name != "" {
			keys[name] = true
		}
	}
	return keys
}
