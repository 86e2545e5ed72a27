package advisor

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// catalogReads is how often the catalogs are read at most.
const catalogReads = 3

// readCatalogs reads which tables, roles, indexes and foreign keys there are. While it does, other
// sessions may hold the lock of a table for whose definitions the server then waits, or drop it.
// Then everything is read again, without what is locked.
func (a *analysis) readCatalogs(ctx context.Context) (err error) {
	steps := []func(context.Context) error{a.readTables, a.readRoles, a.readIndexes, a.readForeignKeys}
	missing, blind := len(a.report.Missing), len(a.report.Blind)
	for range catalogReads {
		a.indexes, a.foreignKeys = nil, nil
		// What an earlier time could not look at is looked at again.
		a.report.Missing, a.report.Blind = a.report.Missing[:missing], a.report.Blind[:blind]
		err = a.savepoint(ctx, func() error {
			for _, step := range steps {
				if err := step(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil || ctx.Err() != nil || a.tx.Conn().IsClosed() {
			return err
		}
		steps = []func(context.Context) error{
			a.readTables, a.leaveOutLocked, a.readRoles, a.readIndexes, a.readForeignKeys,
		}
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "55P03" { // lock not available
		return err
	}
	a.tables, a.indexes, a.foreignKeys = map[string]*table{}, nil, nil
	a.miss("Other sessions lock tables all the time, so none was looked at: %s.", e.Message)
	a.blind("Other sessions lock tables all the time, so none was looked at: %s.", e.Message)
	return nil
}

// locked are the relations that other sessions have locked, or wait to lock, so that nobody may
// read them.
const locked = `(select relation from pg_locks where locktype = 'relation' and mode = 'AccessExclusiveLock'
	and pid is distinct from pg_backend_pid()
	and database = (select oid from pg_database where datname = current_database()))`

// leaveOutLocked leaves out tables that are locked, with all parts of a partitioned one: the server
// waits for the lock when it is asked for the definition of an index or a policy.
func (a *analysis) leaveOutLocked(ctx context.Context) error {
	byOID := map[uint32]*table{}
	for _, t := range a.tables {
		byOID[t.oid] = t
	}
	rows, err := a.tx.Query(ctx, "select "+ourOwn+" relation from "+locked+" l")
	if err != nil {
		return err
	}
	var oid uint32
	_, err = pgx.ForEachRow(rows, []any{&oid}, func() error {
		if t := byOID[oid]; t != nil {
			a.miss("%s is locked by another session, so it was not looked at.", t.whole())
			a.leaveOut(t.whole())
		}
		return nil
	})
	return err
}

func (a *analysis) leaveOut(t *table) {
	delete(a.tables, t.schema+"."+t.name)
	for _, part := range t.parts {
		a.leaveOut(part)
	}
}

// tableOIDs are those of the tables that are looked at.
func (a *analysis) tableOIDs() []uint32 {
	list := []uint32{} // never null
	for _, t := range a.tables {
		list = append(list, t.oid)
	}
	return list
}
