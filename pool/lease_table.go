package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// leaseTable is a table of the database.
type leaseTable struct {
	lease *lease
	name  string // quoted, with its schema; empty: not known
}

// Update implements [LeaseStore].
func (t *leaseTable) Update(
	ctx context.Context, fleet string, change func(value []byte, now time.Time) ([]byte, error),
) error {
	conn := t.lease.conn
	if conn == nil || conn.IsClosed() {
		return errors.New("there is no connection")
	}
	err := t.update(ctx, conn, fleet, change)
	if code := sqlState(err); code == "42P01" || code == "P0002" { // no such table, no row
		if err = t.create(ctx, conn, fleet); err == nil {
			err = t.update(ctx, conn, fleet, change)
		}
	}
	switch sqlState(err) {
	case "42501", "3F000": // insufficient_privilege, invalid_schema_name
		return errPermanent{fmt.Errorf("table gqlboost_leases: %w: let the role create it, or create it for the role: "+
			"create table gqlboost_leases (fleet text primary key, value bytea not null)", err)}
	case "25006": // read_only_sql_transaction
		return errPermanent{fmt.Errorf("the server is a replica or read-only: %w", err)}
	}
	return err
}

// leaseLock is the key of an advisory lock.
const leaseLock = 0x67716c626c656173 // "gqlbleas"

// create finds the table, or creates it where the role's search path says, and gives the fleet a row. The
// table is the only one of the database, whatever search path an instance has: with two of them,
// instances would not know of each other.
func (t *leaseTable) create(ctx context.Context, conn *pgx.Conn, fleet string) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", pgx.QueryExecModeExec, int64(leaseLock)); err != nil {
			return err
		}
		err := t.find(ctx, tx)
		if err == nil && t.name == "" {
			_, err = tx.Exec(ctx, "create table gqlboost_leases (fleet text primary key, value bytea not null)",
				pgx.QueryExecModeSimpleProtocol)
			if err == nil {
				err = t.find(ctx, tx)
			}
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into "+t.name+" values ($1, '') on conflict do nothing", pgx.QueryExecModeExec, fleet)
		return err
	})
}

// find looks for the table in all schemas.
func (t *leaseTable) find(ctx context.Context, tx pgx.Tx) error {
	var names []string
	err := tx.QueryRow(ctx, `select coalesce(array_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname), '{}')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relname = 'gqlboost_leases' and c.relkind in ('r', 'p') and c.relpersistence <> 't'`,
		pgx.QueryExecModeSimpleProtocol).Scan(&names)
	if err != nil {
		return err
	}
	switch len(names) {
	case 0:
		t.name = ""
	case 1:
		t.name = names[0]
	default:
		return errPermanent{fmt.Errorf("there are %s: instances that use one of them know nothing of the others: "+
			"keep one table", strings.Join(names, " and "))}
	}
	return nil
}

func (t *leaseTable) update(
	ctx context.Context, conn *pgx.Conn, fleet string, change func(value []byte, now time.Time) ([]byte, error),
) error {
	if t.name == "" {
		return &pgconn.PgError{Code: "42P01", Message: "the table is not known yet"}
	}
	// A session that stops in the middle of it must not stop the others.
	const bounds = "set local lock_timeout = '3s'; set local idle_in_transaction_session_timeout = '3s'"
	mode := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	return pgx.BeginTxFunc(ctx, conn, mode, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, bounds, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		var value []byte
		err := tx.QueryRow(ctx, "select value from "+t.name+" where fleet = $1 for update",
			pgx.QueryExecModeExec, fleet).Scan(&value)
		if errors.Is(err, pgx.ErrNoRows) {
			return &pgconn.PgError{Code: "P0002", Message: "the fleet has no row"}
		}
		if err != nil {
			return err
		}
		var now time.Time // after the wait for the row
		if err := tx.QueryRow(ctx, "select clock_timestamp()", pgx.QueryExecModeExec).Scan(&now); err != nil {
			return err
		}
		if value, err = change(value, now); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update "+t.name+" set value = $2 where fleet = $1", pgx.QueryExecModeExec, fleet, value)
		return err
	})
}

func sqlState(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}
