package pool

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// How well a connection is known to be with the server that it is meant for.
const (
	plain     = iota // TLS is not used, or not always
	encrypted        // the server is not verified
	verified         // its certificate is signed
	named            // its certificate is of its host
)

// security returns that of the weakest of a configuration's hosts, where a local socket, which needs no
// TLS, has the one that is given.
func security(c *pgconn.Config, local int) int {
	least := securityOf(c.Host, c.TLSConfig, local)
	for _, f := range c.Fallbacks {
		least = min(least, securityOf(f.Host, f.TLSConfig, local))
	}
	return least
}

func securityOf(host string, c *tls.Config, local int) int {
	switch {
	case strings.HasPrefix(host, "/"), strings.HasPrefix(host, "@"):
		return local
	case c == nil:
		return plain
	case !c.InsecureSkipVerify:
		return named
	case c.VerifyPeerCertificate != nil || c.VerifyConnection != nil:
		return verified
	}
	return encrypted
}

// checkSecurity refuses a replica that would be weaker protected than the primary because its
// connection string does not say how.
func checkSecurity(primary, replica *pgconn.Config, dsn string) error {
	if keysOf(dsn)["sslmode"] || security(replica, named) >= security(primary, plain) {
		return nil
	}
	const format = "pool: replica %s: the primary's sslmode is stricter than the default: " +
		"set sslmode in the replica's connection string as well"
	return fmt.Errorf(format, replica.Host)
}
