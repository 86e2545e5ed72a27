package guard

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrBehind is the error of a guard whose server has not replayed what it must have.
var ErrBehind = errors.New("pool: the server has not replayed the position")

// hasReplayed returns an expression that fails with a division by zero unless the server has
// replayed a position, or written it if it is no replica. The comparison is made in the
// transaction of the statement itself, so it holds whatever has happened to the server and the
// connection since anybody has asked before: a replica that was restarted may be where it was long
// ago, and behind a pooler each transaction may be on another server. It does not compare
// timelines: one server never goes back to an older timeline, but of several under one address, one may
// have stayed on the old timeline after a failover, and be further there. It must come before the
// statement's snapshot is taken, so it fails in transactions that keep the first one they take.
func hasReplayed(position string) string {
	return `1 operator(pg_catalog./) (
		pg_catalog.current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
		and coalesce(case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
		else pg_catalog.pg_current_wal_insert_lsn() end
			operator(pg_catalog.>=) ` + position + `::pg_catalog.pg_lsn, false))::int`
}

// formatLSN returns Postgres's text of a position.
func formatLSN(lsn uint64) string { return fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)) }

// IsBehind reports whether an error of a guard with a position is that of the position.
func IsBehind(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "22012"
}

// behind returns an error of a guard as its caller has it.
func (g Guard) behind(err error) error {
	if g.Replayed > 0 && IsBehind(err) {
		return ErrBehind
	}
	return err
}
