package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// failOver kills the primary, and does what an operator's tool does then: the replica that is the
// furthest is promoted, the other one follows it, and PgBouncer sends everything there.
func failOver(ctx context.Context, f *fleet) error {
	if err := f.servers[0].Kill(); err != nil {
		return err
	}
	next, other, err := furthest(ctx, f.servers[1], f.servers[2])
	if err != nil {
		return err
	}
	if err := execute(ctx, next.Server, "select pg_promote(true, 30)"); err != nil {
		return err
	}
	follow := strings.ReplaceAll(next.SocketDSN(), "'", "''")
	return errors.Join(
		f.pooler.point(ctx, next.Server),
		execute(ctx, other.Server, "alter system set primary_conninfo = '"+follow+"'", "select pg_reload_conf()"),
		waitForReplica(ctx, next.Server),
	)
}

// furthest returns the replica that has received more, and the other one.
func furthest(ctx context.Context, a, b server) (first, second server, err error) {
	var received [2]int64
	for i, s := range []server{a, b} {
		conn, err := pgx.Connect(ctx, s.DSN())
		if err != nil {
			return a, b, err
		}
		err = conn.QueryRow(ctx, "select (pg_last_wal_receive_lsn() - '0/0')::bigint").Scan(&received[i])
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return a, b, fmt.Errorf("fleet: %s: %w", s.name, err)
		}
	}
	if received[1] > received[0] {
		return b, a, nil
	}
	return a, b, nil
}

// behindPooler replaces all instances by those that reach the primary through PgBouncer, which
// takes the place of their leases.
func behindPooler(ctx context.Context, f *fleet) error {
	next := f.release
	parameters := f.readerParameters()
	parameters["default_query_exec_mode"] = "cache_describe" // PgBouncer knows no prepared statements.
	next.name, next.dsn = "behind PgBouncer", asBlog(f.pooler.dsn(), parameters)
	return f.roll(ctx, next)
}
