package reader

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

// ErrNotRead is returned, wrapped, for a statement that is not a read, or that could change
// the session or the transaction of others.
var ErrNotRead = errors.New("pool: the Reader takes SELECT, WITH, VALUES, TABLE, SHOW and EXPLAIN only")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("pool: closed")

// ErrExhausted is matched (errors.Is) by the error of a pool that has no connection to
// give.
var ErrExhausted = errors.New("pool: exhausted")

func notRead(sql, reason string) error { return fmt.Errorf("%w: %s: %.60q", ErrNotRead, reason, sql) }

// canceled is the code of a statement that was canceled, or has taken too long.
const canceled = "57014"

// Stale reports whether a statement has failed because what was known of it is out of
// date: the schema has changed, or what was prepared is gone. It goes by the routine that
// reports the error, since its text is in the server's language.
func Stale(e *pgconn.PgError) bool {
	switch e.Code {
	case "26000": // invalid_sql_statement_name; a pooler's has no routine
		return e.Routine == "FetchPreparedStatement" && e.Where == "" || e.Routine == "exec_bind_message" || e.Routine == ""
	case "0A000": // cached plan must not change result type
		return e.Routine == "RevalidateCachedQuery"
	case "08P01": // bind message supplies n parameters, or has n result formats, but ...
		return e.Routine == "exec_bind_message" || e.Routine == "PortalSetResultFormat"
	}
	return false
}

// Down reports whether a server has refused a statement because it is refusing all
// clients for now.
func Down(e *pgconn.PgError) bool {
	switch e.Code {
	case "57P01", "57P02", "57P03", "53300": // shutdown, crash, starting, too many connections
		return true
	}
	return len(e.Code) == 5 && e.Code[:2] == "08" // of the connection
}

// unserved reports whether PgBouncer says that it had no server to give a statement to. Its errors have one
// code, and texts that are not translated.
func unserved(e *pgconn.PgError) bool {
	return e.Code == "08P01" && e.Routine == "" && slices.ContainsFunc([]string{
		"server_login_retry", "query_wait_timeout", "server login failed", "cannot connect to server",
	}, func(text string) bool { return strings.Contains(e.Message, text) })
}

// disabledCache returns pgx's error of a mode that needs a cache which was configured away.
func disabledCache(c *pgx.ConnConfig, mode pgx.QueryExecMode) error {
	switch {
	case mode == pgx.QueryExecModeCacheStatement && c.StatementCacheCapacity <= 0:
		return errors.New("cannot use QueryExecModeCacheStatement with disabled statement cache")
	case mode == pgx.QueryExecModeCacheDescribe && c.DescriptionCacheCapacity <= 0:
		return errors.New("cannot use QueryExecModeCacheDescribe with disabled description cache")
	}
	return nil
}

// unusable returns why a call's mode cannot be used. The name of a statement that was prepared
// needs no cache.
func (r *Reader) unusable(c *call) error {
	switch {
	case mayBeName(c.sql):
		return nil
	case c.mode != 0:
		return disabledCache(r.backends[0].server.Config().ConnConfig, c.mode)
	}
	return r.disabled
}

// timeoutError is the error that a statement on a connection of its own fails with when the
// deadline of its context is over.
type timeoutError struct{ made error }

// Error implements error.
func (timeoutError) Error() string { return "timeout: " + context.DeadlineExceeded.Error() }

// Unwrap returns an error that pgconn.Timeout knows.
func (e timeoutError) Unwrap() error { return e.made }

// SafeToRetry is asked by [pgconn.SafeToRetry]: the statement may have been sent.
func (timeoutError) SafeToRetry() bool { return false }

// newErrTimeout has pgconn make such an error: nobody else can.
func newErrTimeout() error {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	nowhere, other := net.Pipe()
	defer nowhere.Close()
	defer other.Close()
	conn, err := pgconn.Construct(&pgconn.HijackedConn{Conn: nowhere, Config: &pgconn.Config{
		BuildFrontend: pgproto3.NewFrontend,
		BuildContextWatcherHandler: func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
		},
	}})
	if err == nil {
		_, err = conn.Prepare(ctx, "", "", nil)
	}
	return timeoutError{err}
}

// abandoned returns the error of a caller whose context has ended before its result came.
func (r *Reader) abandoned(ctx context.Context) error {
	if err := ctx.Err(); err != context.DeadlineExceeded {
		return err
	}
	return r.errTimeout
}
