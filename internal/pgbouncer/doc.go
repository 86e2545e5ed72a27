// Package pgbouncer starts a private PgBouncer before a server, for tests of what has to work
// behind one. Where PgBouncer is not installed (Debian: pgbouncer), the test is skipped, or
// fails if CI is set.
package pgbouncer
