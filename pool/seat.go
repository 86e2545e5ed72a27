package pool

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
)

// An instance that has a share, or asks for one, has a seat: a shared advisory lock of the connection
// that its lease has for itself. Everybody on the server sees it, whatever the store knows: so a
// store that has lost its value is found out, also by an instance that has just begun.

// seat is the second part of the lock's key, the fleet's name the first.
func seat(id string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // It never fails.
	return h.Sum32()
}

// sit takes the instance's seat, once in each session.
func (l *lease) sit(ctx context.Context) error {
	if l.seated == l.conn {
		return nil
	}
	sql := fmt.Sprintf("select pg_advisory_lock_shared(%d, %d)", int32(seat(l.config.Fleet)), int32(seat(l.id)))
	if _, err := l.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	l.seated = l.conn
	return nil
}

// seatsTaken is the statement that returns the seats of the fleet.
func (l *lease) seatsTaken() string {
	return fmt.Sprintf(`select coalesce(array_agg(objid), '{}') from pg_locks
		where locktype = 'advisory' and objsubid = 2 and classid = %d and granted`, seat(l.config.Fleet))
}
