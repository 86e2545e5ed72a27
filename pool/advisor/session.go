package advisor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// acquirer is a pool: the whole of an analysis runs on one of its connections.
type acquirer interface {
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
}

// readOnly runs f in a transaction that changes nothing. Read committed keeps no snapshot
// between statements, so it does not hold back vacuum.
func readOnly(ctx context.Context, db DB, timeout time.Duration, f func(pgx.Tx) error) error {
	var conn *pgx.Conn
	switch each := db.(type) {
	case *pgx.Conn:
		conn = each
	case pgx.Tx:
		conn = each.Conn()
	case acquirer:
		acquired, err := each.Acquire(ctx)
		if err != nil {
			return err
		}
		defer acquired.Release()
		db, conn = acquired, acquired.Conn()
	}
	if conn != nil {
		defer quiet(ctx, conn)()
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	// The connection may be a pool's: what was set goes with the transaction.
	defer func() {
		ctx, cancel := atEnd(ctx)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	_, err = tx.Exec(ctx, fmt.Sprintf(`set local transaction_read_only = on; set local statement_timeout = %d;
		set local lock_timeout = 1000; set local jit = off; set local application_name = 'gqlboost advisor'`,
		max(timeout.Milliseconds(), 1))) // 0 is no bound.
	if err != nil {
		return err
	}
	return f(tx)
}

// tracked is the setting that says what pg_stat_statements counts.
const tracked = "pg_stat_statements.track"

// quiet keeps pg_stat_statements from counting what the session does, where the role may
// set that (superusers; since version 15 also who was granted SET on the parameter), until
// restore is called. Behind a pooler the next statement may run in another session, so nothing
// is set where the server's process is not the one that the connection has begun with. The
// statements that switch it off and on have no constants and are not counted themselves, as what
// counts is the setting when a statement ends.
func quiet(ctx context.Context, conn *pgx.Conn) (restore func()) {
	may := "(select rolsuper from pg_roles where rolname = current_user)"
	if major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), "."); atoi(major) >= 15 {
		may = "has_parameter_privilege($1, $5)"
	}
	may = "pg_backend_pid() = $6 and " + may
	set := func(ctx context.Context, sql string, args ...string) (before string) {
		values := make([][]byte, len(args))
		for i, v := range args {
			values[i] = []byte(v)
		}
		types := []uint32{25, 16, 25, 16, 25, 20}[:len(args)] // text, boolean and bigint
		result := conn.PgConn().ExecParams(ctx, sql, values, types, nil, nil).Read()
		if result.Err == nil && len(result.Rows) == 1 {
			before = string(result.Rows[0][0])
		}
		return before
	}
	// The fifth parameter is mentioned in all versions: each has to be used.
	before := set(ctx, `select case when $5 is not null and `+may+` then current_setting($1, $2) end,
		case when current_setting($1, $2) is not null and `+may+` then set_config($1, $3, $4) end`,
		tracked, "true", "none", "false", "SET", strconv.Itoa(int(conn.PgConn().PID())))
	if before == "" {
		return func() {}
	}
	return func() {
		ctx, cancel := atEnd(ctx)
		defer cancel()
		set(ctx, "select set_config($1, $3, $4) where $2", tracked, "true", before, "false")
	}
}

// endTimeout bounds what is sent when the context may have ended: a server that does not answer is
// waited for no longer.
const endTimeout = 5 * time.Second

// atEnd returns the context of what has to be undone.
func atEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
}

func atoi(s string) int {
	n, _ := strconv.Atoi(strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz"))
	return n
}

// savepoint runs f so that its failure does not end the transaction, and undoes what f has
// set. Its name is always the same, as pg_stat_statements counts each text as a statement
// of its own; an inner one of the same name hides the outer one until it is released.
func (a *analysis) savepoint(ctx context.Context, f func() error) error {
	conn := a.tx.Conn().PgConn()
	if err := conn.Exec(ctx, "savepoint gqlboost_advisor").Close(); err != nil {
		return err
	}
	failed := f()
	if conn.IsClosed() {
		return failed
	}
	ctx, cancel := atEnd(ctx)
	defer cancel()
	for _, sql := range []string{"rollback to savepoint gqlboost_advisor", "release savepoint gqlboost_advisor"} {
		if err := conn.Exec(ctx, sql).Close(); err != nil {
			return err
		}
	}
	return failed
}
