package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// protectHooks makes panics of a configuration's hooks errors: pgxpool runs some of them
// on goroutines of its own, where a panic ends the process, and loses the connection of
// others.
func protectHooks(c *pgxpool.Config) {
	if hook := c.BeforeConnect; hook != nil {
		c.BeforeConnect = func(ctx context.Context, config *pgx.ConnConfig) (err error) {
			defer caught("BeforeConnect", &err)
			return hook(ctx, config)
		}
	}
	if hook := c.AfterConnect; hook != nil {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) (err error) {
			defer caught("AfterConnect", &err)
			return hook(ctx, conn)
		}
	}
	if hook := c.PrepareConn; hook != nil {
		c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (ok bool, err error) {
			defer caught("PrepareConn", &err)
			if isWithoutHook(ctx) {
				return true, nil
			}
			return hook(callers(ctx), conn)
		}
	}
	//lint:ignore SA1019 a configuration may still have it
	if hook := c.BeforeAcquire; hook != nil {
		//lint:ignore SA1019 as above
		c.BeforeAcquire = func(ctx context.Context, conn *pgx.Conn) (ok bool) {
			defer caught("BeforeAcquire", nil)
			if isWithoutHook(ctx) {
				return true
			}
			return hook(callers(ctx), conn)
		}
	}
	if hook := c.ShouldPing; hook != nil {
		c.ShouldPing = func(ctx context.Context, p pgxpool.ShouldPingParams) (ok bool) {
			ok = true //nolint:wastedassign // It is the result if the hook panics.
			defer caught("ShouldPing", nil)
			return hook(ctx, p)
		}
	}
	if hook := c.AfterRelease; hook != nil {
		c.AfterRelease = func(conn *pgx.Conn) (ok bool) {
			defer caught("AfterRelease", nil)
			return hook(conn)
		}
	}
	if hook := c.BeforeClose; hook != nil {
		c.BeforeClose = func(conn *pgx.Conn) {
			defer caught("BeforeClose", nil)
			hook(conn)
		}
	}
}

// copySource makes panics of a source errors. pgx calls it on a goroutine of its own.
type copySource struct {
	pgx.CopyFromSource
	panicked error // with the stack
}

const sourceName = "the source of CopyFrom"

// errSource is what Postgres is told.
var errSource = errors.New(sourceName + " panicked")

// Next implements [pgx.CopyFromSource].
func (s *copySource) Next() (more bool) {
	defer caught(sourceName, &s.panicked)
	return s.CopyFromSource.Next()
}

// Values implements [pgx.CopyFromSource].
func (s *copySource) Values() (values []any, err error) {
	err = errSource //nolint:wastedassign // It is the result if the source panics.
	defer caught(sourceName, &s.panicked)
	return s.CopyFromSource.Values()
}

// Err implements [pgx.CopyFromSource].
func (s *copySource) Err() (err error) {
	if err = errSource; s.panicked != nil { // unless the source returns
		return err
	}
	defer caught(sourceName, &s.panicked)
	return s.CopyFromSource.Err()
}

// caught is deferred. A panic becomes an error, or where there is none, the hook's zero
// result, which has the connection closed.
func caught(hook string, err *error) {
	if v := recover(); v != nil && err != nil {
		*err = fmt.Errorf("pool: %s panicked: %v\n%s", hook, v, debug.Stack())
	}
}
